"""Text whose ids are not those that the model writes: a translator with a vocabulary for each of its two languages.

p pieces, l entries, d width
"""

from collections.abc import Mapping
from typing import final

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unimodal.modality import Embed, KeywordPrenet


@final
class SourceTextPrenet(KeywordPrenet):
    """Embeddings from a table of the encoder's own, times `scale`; `width` is the encoder's where it is not `dim`."""

    keywords = ("input_ids",)

    def __init__(self, dim: int, *, num_tokens: int, width: int | None = None, scale: float = 1.0):
        super().__init__()
        self.scale = scale
        self.table = nn.Embedding(num_tokens, width or dim)

    def arrays(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"ids": inputs["input_ids"]}

    def real(self, mask: Bool[Tensor, "p t"]) -> Bool[Tensor, "p l"]:
        return mask

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        ids, known = arrays["ids"], self.table.num_embeddings
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < known:
            raise ValueError(f"input_ids: there are ids outside the source vocabulary's {known}")
        embedded: Tensor = self.table(ids)
        return embedded * self.scale
