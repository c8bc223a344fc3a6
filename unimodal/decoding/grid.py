"""Where the sequences of a session stand in a cache, whose rows hold equally many side by side.

b sequences of a session, c of its cache, r rows of the cache
"""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Shaped
from torch import Tensor


@final
class Grid:
    """`width` places in each row. Where a row has fewer sequences than others, its last is run again in their places.

    So every row is the same one product whatever its beams do, and a sequence's number never depends on its place.
    """

    def __init__(self, numbers: Sequence[int], *, width: int, device: torch.device) -> None:
        """`numbers`: the sequence in each place, row by row."""
        self.width = width
        self.num_rows = len(numbers) // width
        self.device = device
        self._places = {number: place for place, number in reversed(list(enumerate(numbers)))}
        self.num_sequences = len(self._places)
        self._numbers: Tensor | None = None
        self._first: Tensor | None = None
        if list(numbers) != list(range(len(numbers))):
            self._numbers = torch.tensor(numbers, device=device)
            self._first = torch.tensor([self._places[number] for number in range(self.num_sequences)], device=device)

    def put_in(self, x: Shaped[Tensor, "b *rest"]) -> Shaped[Tensor, "c *rest"]:
        """What belongs to sequences, at all places."""
        return x if self._numbers is None else x[self._numbers]

    def take_out(self, x: Shaped[Tensor, "c *rest"]) -> Shaped[Tensor, "b *rest"]:
        """What stands at places, for each sequence."""
        return x if self._first is None else x[self._first]

    def fork(self, sequences: Sequence[int]) -> tuple["Grid", list[int], list[int]]:
        """The grid of these sequences, the rows that go on, and for each new place the old one, counted among those."""
        places = [self._places[sequence] for sequence in sequences]
        rows: dict[int, list[int]] = {}
        for number, place in enumerate(places):
            rows.setdefault(place // self.width, []).append(number)
        width = max(map(len, rows.values()), default=1)
        numbers = [number for row in rows.values() for number in row + row[-1:] * (width - len(row))]
        old = [
            place // width * self.width + places[number] % self.width  # rows that go on are numbered anew
            for place, number in enumerate(numbers)
        ]
        return Grid(numbers, width=width, device=self.device), list(rows), old
