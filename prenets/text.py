"""Text: the model's own token table. p pieces, l entries, d width"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.modality import Embed, Prenet, Processor
from unimodal.vocabulary import Vocabulary


@final
class TextProcessor(Processor):
    """A string -> {"ids": Long[l]}, the ids of its pieces; or ids that are there already.

    Raises ValueError for a text that is empty or has more than `max_tokens` pieces: what is to be left out of a long
    text, its user knows best.
    """

    def __init__(self, vocabulary: Vocabulary, *, max_tokens: int = 1024):
        self.vocabulary, self.max_tokens = vocabulary, max_tokens

    def __call__(self, raw: object) -> dict[str, Tensor]:
        ids = encode_text(self.vocabulary, raw, what="text", max_tokens=self.max_tokens)
        return {"ids": torch.tensor(ids)}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return arrays["ids"].shape[0]


@final
class TextPrenet(Prenet):
    """Embeddings of the ids as they are: text is what the token table was made for."""

    def __init__(self, dim: int):
        super().__init__()

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        return tokens(arrays["ids"])


def encode_text(vocabulary: Vocabulary, raw: object, *, what: str, max_tokens: int) -> list[int]:
    """Ids of a string's pieces, or ids as they are. Raises ValueError that quotes a text that is empty or too long."""
    if isinstance(raw, Tensor):
        return given_ids(raw, what=what, max_tokens=max_tokens)
    if not isinstance(raw, str):
        raise ValueError(f"{what} is a string, not {type(raw).__name__}")
    ids = vocabulary.pieces.encode(raw)
    if not ids:
        raise ValueError(f"the {what} is empty")
    if len(ids) > max_tokens:
        raise ValueError(f"{what} of {len(ids)} tokens, more than the limit of {max_tokens}: {raw[:40]!r} ...")
    return ids


def given_ids(raw: Int[Tensor, " l"], *, what: str, max_tokens: int) -> list[int]:
    """Ids that a task has made itself. Raises ValueError for none and for too many."""
    if not 0 < len(raw) <= max_tokens:
        raise ValueError(f"{what} of {len(raw)} tokens, expected 1 to {max_tokens}")
    return list(raw.tolist())
