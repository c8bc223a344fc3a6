"""Languages with numbers in order: corners of boxes, times of events.

b batch, v vocabulary, c classes, n bins, k slots
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.expressions import Expression
from unimodal.grammars import DEAD, Grammar
from unimodal.grammars.automaton import Automaton


@final
@dataclass(frozen=True)
class Slot:
    """A place for a bin: not below what the register `least` holds, and kept in the register `kept`."""

    least: int | None = None
    kept: int | None = None


@final
class Ordered(Grammar):
    """A regular language in which bins stand in slots, each compared with a bin that was read before.

    An explicit table would need states x bins entries for each register, so the state is computed: (state of the
    automaton x bins + first register) x bins + second register. The highest bin fits everywhere, so the order of
    numbers leaves distances as they are. Registers hold 0 at the start.
    """

    def __init__(self, automaton: Automaton, *, slots: Sequence[Slot], bins: range, size: int):
        """`automaton` is over `size` tokens and, behind them, one for each slot; at most one slot is open in a state.

        `bins`: the ids that stand in slots, which the automaton itself does not name.
        """
        self._automaton, self._bins, self._size = automaton, bins, size
        used = [register for slot in slots for register in (slot.least, slot.kept) if register is not None]
        self._num_registers = max(used, default=-1) + 1
        self._span = len(bins) ** self._num_registers
        assert (automaton.num_states + 1) * self._span < 2**63, "a state fits into an integer"
        columns = automaton.classes[size:]
        every = torch.arange(automaton.num_states + 1)  # the last is the dead one
        is_open = automaton.live(torch.where(every < automaton.num_states, every, DEAD))[:, columns]
        assert (is_open.sum(1) <= 1).all(), "two slots are open in one state"
        # The last slot stands for none; index -1 finds it.
        self._slot = torch.where(is_open.any(1), is_open.long().argmax(1), -1)
        self._column = torch.cat([columns, columns[-1:]])
        self._least = torch.tensor([_or_none(slot.least) for slot in slots] + [-1])
        self._kept = torch.tensor([_or_none(slot.kept) for slot in slots] + [-1])
        self._places = torch.arange(len(bins))
        num_classes = int(automaton.classes.max()) + 1
        self._classes = automaton.classes[:size].clone()
        self._classes[bins.start : bins.stop] = num_classes + self._places

    @classmethod
    def compile(cls, expression: Expression, *, slots: Sequence[Slot], bins: range, size: int, end: int) -> "Ordered":
        """As `Automaton.compile`; in the expression the token `size + i` is slot i."""
        return cls(Automaton.compile(expression, size + len(slots), end), slots=slots, bins=bins, size=size)

    @property
    def classes(self) -> Int[Tensor, " v"]:
        return self._classes

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, " b"]:
        return torch.zeros(rows, dtype=torch.long, device=device)

    def live(self, state: Int[Tensor, "*b"], within: Int[Tensor, "*b"] | None = None) -> Bool[Tensor, "*b c"]:
        self._follow(state.device)
        inner = self._inner(state)
        slot = self._slot[inner]
        live = self._automaton.live(inner, within)
        is_open = live.gather(-1, self._column[slot][..., None]) & (slot >= 0)[..., None]
        return torch.cat([live, is_open & (self._places >= self._bound(state, slot)[..., None])], -1)

    def step(self, state: Int[Tensor, "*b"], token: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        self._follow(state.device)
        inner = self._inner(state)
        slot, place = self._slot[inner], token - self._bins.start
        is_bin = (place >= 0) & (place < len(self._bins))
        fits = is_bin & (slot >= 0) & (place >= self._bound(state, slot))
        following = self._automaton.step(inner, torch.where(fits, self._size + slot, token))
        registers = state % self._span
        kept = torch.where(fits, self._kept[slot], -1)
        for register in range(self._num_registers):
            place_value = len(self._bins) ** register
            old = registers // place_value % len(self._bins)
            registers = torch.where(kept == register, registers + (place - old) * place_value, registers)
        return torch.where(following == DEAD, DEAD, following * self._span + registers)

    def final(self, state: Int[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
        return self._automaton.final(self._inner(state))

    def distance(self, state: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        return self._automaton.distance(self._inner(state))

    def _inner(self, state: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        """The automaton's state; that of DEAD is DEAD, since division rounds down."""
        return torch.div(state, self._span, rounding_mode="floor")

    def _bound(self, state: Int[Tensor, "*b"], slot: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        """The least bin that fits into a slot."""
        least = self._least[slot]
        held = state // len(self._bins) ** least.clamp(min=0) % len(self._bins)
        return torch.where(least < 0, 0, held)

    def _follow(self, device: torch.device) -> None:
        """Moves the tables to where they are used; once, as a decoder stays on its device."""
        if self._slot.device != device:
            self._slot, self._column = self._slot.to(device), self._column.to(device)
            self._least, self._kept = self._least.to(device), self._kept.to(device)
            self._places, self._classes = self._places.to(device), self._classes.to(device)


def _or_none(register: int | None) -> int:
    return -1 if register is None else register
