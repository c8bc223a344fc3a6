"""Examples of all tasks after their processors, kept in memory so that no sound is decoded twice."""

from collections.abc import Mapping, Sequence
from typing import final

from unimodal.batching import Item
from unimodal.processor import UnimodalProcessor
from unimodal.task import Example, Task
from unimodal.training.data.bucketings import Length


@final
class Items:
    """Items of one split by (task, number), made when they are first asked for; at most `memory` bytes are kept."""

    def __init__(
        self,
        tasks: Mapping[str, Task],
        *,
        examples: Mapping[str, Sequence[Example]],
        processor: UnimodalProcessor,
        memory: int,
    ) -> None:
        self.tasks, self.examples = dict(tasks), dict(examples)
        self._processor, self._left = processor, memory
        self._kept: dict[tuple[str, int], Item] = {}

    @property
    def sizes(self) -> dict[str, int]:
        """The number of examples of each task."""
        return {name: len(examples) for name, examples in self.examples.items()}

    def get(self, task: str, number: int) -> Item:
        """One example. Raises ValueError that names it where a processor refuses it."""
        item = self._kept.get((task, number))
        if item is None:
            example = self.examples[task][number]
            try:
                item = self._processor.example(self.tasks[task], example)
            except ValueError as error:
                raise ValueError(f"tasks.{task}, example {example.key}: {error}") from error
            size = nbytes(item)
            if size <= self._left:
                self._kept[task, number] = item
                self._left -= size
        return item


def nbytes(item: Item) -> int:
    """The bytes of an item's arrays."""
    pieces = item.prompt if item.answer is None else (*item.prompt, item.answer)
    arrays = [*item.beside.values(), *(array for piece in pieces for array in piece.arrays.values())]
    return sum(array.nbytes for array in arrays) + sum(map(nbytes, item.also))


def lengths(item: Item) -> Length:
    """Entries that an item fills: (source, target); all that is asked besides is told to the target."""
    answer = 0 if item.answer is None else item.answer.positions
    return sum(piece.positions for piece in item.prompt), answer + sum(sum(lengths(other)) for other in item.also)
