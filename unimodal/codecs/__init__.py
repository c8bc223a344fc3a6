"""The contract of a codec: an object <-> the tokens of an answer, and the grammar of all such tokens."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from unimodal.grammars import Grammar

T = TypeVar("T")


class Codec(ABC, Generic[T]):
    """Writes objects of one type as tokens and reads them back.

    Laws: `decode(encode(x))` is x (to the resolution that the codec names); `encode(x)` and the end token is in
    `grammar()`; what the grammar accepts decodes to an object that encodes, and decodes to itself; `decode` raises for
    no sequence of ids, and each codec says what it makes of those outside its grammar.
    """

    @abstractmethod
    def encode(self, obj: T) -> list[int]:
        """The tokens of an object, without the end token. Raises ValueError for an object that has none."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> T:
        """The object of the tokens before the first end token."""

    @abstractmethod
    def grammar(self) -> Grammar:
        """All sequences that `encode` may write (or spell otherwise), with the end token."""


def before_end(ids: Sequence[int], end: int) -> list[int]:
    """The ids before the first end token; all of them where there is none."""
    ids = list(ids)
    return ids[: ids.index(end)] if end in ids else ids
