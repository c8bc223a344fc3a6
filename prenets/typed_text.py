"""Text as BERT reads it: tokens of two types, each at a learned position (Devlin et al. 2019, arXiv:1810.04805).

p pieces, l entries of a piece, d width
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unimodal.modality import Embed, KeywordPrenet, Processor
from unimodal.positions.learned import Learned
from unimodal.prenets.text import encode_text
from unimodal.vocabulary import Vocabulary

_ENTRIES = {"input_ids": "ids", "inputs_embeds": "embeds"}


@final
class TypedTextProcessor(Processor):
    """A string, or a pair of strings -> {"ids": Long[l], "types": Long[l]}; types are 0, and 1 in the second string.

    Raises ValueError for a text that is empty or has more than `max_tokens` pieces.
    """

    def __init__(self, vocabulary: Vocabulary, *, max_tokens: int = 512):
        self.vocabulary, self.max_tokens = vocabulary, max_tokens

    def __call__(self, raw: object) -> dict[str, Tensor]:
        texts = raw if isinstance(raw, tuple) and len(raw) == 2 else (raw,)
        ids: list[int] = []
        types: list[int] = []
        for kind, text in enumerate(texts):
            found = encode_text(self.vocabulary, text, what="text", max_tokens=self.max_tokens - len(ids))
            ids, types = ids + found, types + [kind] * len(found)
        return {"ids": torch.tensor(ids), "types": torch.tensor(types)}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return arrays["ids"].shape[0]


@final
class TypedTextPrenet(KeywordPrenet):
    """The sum of a token's, its type's and its position's embedding.

    Positions count all tokens of a piece, or, where `padding` names a token, those that are another (RoBERTa; Liu et
    al. 2019, arXiv:1907.11692): then padding may stand anywhere. `longest` is the number of positions; RoBERTa's table
    has `padding` + 1 rows more, and padding reads the last of these.
    """

    keywords = (*_ENTRIES, "token_type_ids")

    def __init__(self, dim: int, *, longest: int, num_types: int = 2, padding: int | None = None):
        super().__init__()
        self.types = nn.Embedding(num_types, dim)
        self.position = Learned(dim, longest=longest, offset=0 if padding is None else padding + 1)
        self.padding = padding

    def arrays(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        given = {array: inputs[keyword] for keyword, array in _ENTRIES.items() if keyword in inputs}
        if len(given) != 1:
            raise ValueError("input_ids, inputs_embeds: give one of them")
        (entries,) = given.values()
        types = inputs.get("token_type_ids")
        zeros = torch.zeros(entries.shape[:2], dtype=torch.long, device=entries.device)
        return {**given, "types": zeros if types is None else types}

    def real(self, mask: Bool[Tensor, "p l"]) -> Bool[Tensor, "p l"]:
        return mask

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        x = arrays["embeds"] if "embeds" in arrays else tokens(arrays["ids"])
        positions = self._positions(arrays)
        self.position.check_length(positions)
        return self.position.add(x + self.types(arrays["types"]), positions)

    def _positions(self, arrays: Mapping[str, Tensor]) -> Int[Tensor, "#p l"]:
        if self.padding is None or "ids" not in arrays:
            return torch.arange(arrays["types"].shape[1], device=arrays["types"].device)[None]
        real = arrays["ids"] != self.padding
        return torch.where(real, real.cumsum(1) - 1, -1)
