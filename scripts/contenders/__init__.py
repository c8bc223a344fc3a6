"""What is compared in `scripts.bench_decoding`: a way of answering, in one library and one type of numbers.

b rows, s entries of a source, n tokens of an answer
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

Rows = list[list[int]]
"""Token ids, all rows of one length."""


class Answerer(ABC):
    """A loaded model.

    Laws: `answer` gives one row of `num_tokens` ids for each of the source, without the start token; what it did for
    one call makes no later call give anything else.
    """

    @abstractmethod
    def answer(self, source: Rows, *, width: int, num_tokens: int) -> Rows:
        """The best answers: greedily where `width` is 1, else by that many beams without a penalty on length."""

    @abstractmethod
    def encode(self, source: Rows) -> None:
        """Runs the encoder alone. Raises NotImplementedError where the library does not offer it."""


class Contender(ABC):
    """One row of the bench. It is sent to a process of its own, so it holds nothing but what it was made with."""

    name: str
    library: str
    """Who decodes: rivals are all but ours."""
    numbers: str
    """float32, int8 or int4: which rows are compared with which."""
    weight_bytes: float
    """What the decoder reads of memory for one weight."""
    by_length: bool = False
    """Whether it prepares itself anew for answers of another length, so that only a whole call warms it up."""
    only: tuple[str, ...] = ()
    """The settings in which it differs from what else is compared; none: all."""

    @abstractmethod
    def open(self, folder: Path, threads: int) -> Callable[[], Answerer]:
        """Imports what it needs; what comes back loads the model of a folder that `Shape.write` made."""
