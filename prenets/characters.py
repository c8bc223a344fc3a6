"""Text that is to be said aloud: a character an entry, and a look at its neighbours.

p pieces, l entries, d width
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unimodal.modality import Embed, Prenet, Processor
from unimodal.prenets.text import encode_text
from unimodal.vocabulary import Vocabulary


@final
class CharacterProcessor(Processor):
    """A string -> {"ids": Long[l]}, the ids of its single characters; or ids that are there already.

    Raises ValueError for a text that is empty or has more than `max_tokens` characters.
    """

    def __init__(self, vocabulary: Vocabulary, *, max_tokens: int = 1024):
        self.vocabulary, self.max_tokens = vocabulary, max_tokens

    def __call__(self, raw: object) -> dict[str, Tensor]:
        ids = encode_text(self.vocabulary, raw, what="text", max_tokens=self.max_tokens)
        if not isinstance(raw, str):
            return {"ids": torch.tensor(ids)}
        ids = self.vocabulary.pieces.spell(raw)
        if len(ids) > self.max_tokens:
            raise ValueError(
                f"text of {len(ids)} characters, more than the limit of {self.max_tokens}: {raw!r:.40} ..."
            )
        return {"ids": torch.tensor(ids)}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return arrays["ids"].shape[0]


@final
class CharacterPrenet(Prenet):
    """Embeddings plus a convolution over neighbours: how a letter sounds, those around it say (Shen et al. 2018)."""

    def __init__(self, dim: int, *, width: int = 5):
        super().__init__()
        if width % 2 == 0:
            raise ValueError(f"width: expected an odd number of characters, got {width}")
        self.neighbours = nn.Conv1d(dim, dim, kernel_size=width, padding=width // 2)

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        x: Tensor = tokens(arrays["ids"])
        inside = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        x = x * inside[..., None]
        return x + functional.gelu(self.neighbours(x.transpose(1, 2))).transpose(1, 2)
