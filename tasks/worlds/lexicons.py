"""What words say that are drawn, printed or spoken."""

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, final

from unimodal.tasks.corpora import Corpus
from unimodal.tasks.corpora.collection import texts


class Lexicon(ABC):
    """Words to choose from."""

    @property
    @abstractmethod
    def alphabet(self) -> str:
        """The characters that words begin with, in the order in which ranges of them are named."""

    @abstractmethod
    def word(self, chance: Random) -> str:
        """One of them."""


@final
class RandomStrings(Lexicon):
    """Any characters of an alphabet, up to `longest` of them: nothing can be guessed from its neighbours."""

    def __init__(self, *, alphabet: str = "0123456789", longest: int = 4) -> None:
        if not alphabet or len({*alphabet}) < len(alphabet) or longest < 1:
            raise ValueError("alphabet and longest: expected different characters, and at least 1 in a word")
        self._alphabet, self._longest = alphabet, longest

    @property
    def alphabet(self) -> str:
        return self._alphabet

    def word(self, chance: Random) -> str:
        return "".join(chance.choice(self._alphabet) for _ in range(chance.randint(1, self._longest)))


@final
class CorpusWords(Lexicon):
    """The printable ASCII words of what corpora say, signs and all, as often as they stand there.

    Words of over `longest` characters are left out. Raises CorpusUnavailable where the first is asked for.
    """

    def __init__(
        self, *, corpora: list[Corpus[Any]], longest: int = 12, limit: int = 20_000, cache: Path | None = None
    ) -> None:
        self._corpora, self._longest, self._limit, self._cache = corpora, longest, limit, cache

    @cached_property
    def _words(self) -> list[str]:
        said = (word for text in texts(self._corpora, self._limit, self._cache) for word in text.split())
        return [word for word in said if len(word) <= self._longest and word.isascii() and word.isprintable()]

    @cached_property
    def alphabet(self) -> str:
        return "".join(sorted({word[0] for word in self._words}))

    def word(self, chance: Random) -> str:
        return chance.choice(self._words)
