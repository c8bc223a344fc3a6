"""What words say that are drawn, printed or spoken."""

from abc import ABC, abstractmethod
from random import Random
from typing import final


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
