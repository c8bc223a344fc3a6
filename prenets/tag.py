"""A tag: one entry that names something of a closed set, or mixes several of its names.

p pieces, n names of a mixture, d width
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.modality import Embed, Prenet, Processor
from unimodal.vocabulary import Vocabulary

ROUNDING = 1e-6


@final
class TagProcessor(Processor):
    """A name, or weights by name -> {"ids": Long[n], "weights": Float[n]}; names are those of one kind of tokens.

    `{"translate_es": 0.7, "translate_gl": 0.3}` lies between two target languages (Johnson et al. 2017, 1611.04558,
    section 6.2). Raises ValueError for a name that the vocabulary lacks, and for weights that are no shares of 1.
    """

    def __init__(self, vocabulary: Vocabulary, *, kind: str = "task") -> None:
        self.space, self.kind = vocabulary.space, kind

    def __call__(self, raw: object) -> dict[str, Tensor]:
        match raw:
            case str():
                shares: Mapping[object, object] = {raw: 1.0}
            case Mapping():
                shares = raw
            case _:
                raise ValueError(f"a tag is a name, or weights by name, not {type(raw).__name__}")
        weights = [float(share) for share in shares.values() if isinstance(share, int | float)]
        if not shares or len(weights) < len(shares) or min(weights) < 0 or abs(sum(weights) - 1) > ROUNDING:
            raise ValueError(f"a tag's weights are shares of 1, not {', '.join(map(str, shares.values())) or 'none'}")
        ids = [self.space.id(self.kind, str(name)) for name in shares]
        return {"ids": torch.tensor(ids), "weights": torch.tensor(weights)}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return 1


@final
class TagPrenet(Prenet):
    """The names' embeddings in the model's token table, weighted and summed; one name alone is its row, to the bit."""

    def __init__(self, dim: int):
        super().__init__()

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        embedded = tokens(arrays["ids"])
        real = torch.arange(embedded.shape[1], device=lengths.device) < lengths[:, None]
        weights = arrays["weights"].where(real, 0).to(embedded.dtype)
        return (embedded * weights[..., None]).sum(1, keepdim=True)
