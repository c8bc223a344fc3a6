"""What happens when: captions of the events of a video, sentences of a recording."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.codecs.bins import bin_of, centre
from unimodal.codecs.text import character
from unimodal.expressions import literal, repeat, sequence
from unimodal.grammars import Grammar
from unimodal.grammars.ordered import Ordered, Slot
from unimodal.vocabulary import Vocabulary


@final
@dataclass(frozen=True)
class Event:
    """From `start` to `end`, in seconds."""

    start: float
    end: float
    text: str


@final
class EventCodec(Codec[list[Event]]):
    """Events in the order of their starts: 1 s to 4 s of 10, "a dog" -> [time 10, time 40] and the pieces of "a dog".

    Times as tokens among the words (Yang et al., 2023, arXiv:2302.14115, where an event is a start and a duration; here
    it is two times, the second not before the first). A time is read as the middle of its bin, of which there are as
    many within `seconds` as ids of the kind. Outside the grammar: text before the first time is skipped, an event with
    one time ends where it begins, an end lies at its start if it came before, and events are sorted.
    """

    def __init__(self, vocabulary: Vocabulary, *, seconds: float, kind: str = "time"):
        if not seconds > 0:
            raise ValueError(f"seconds: expected a number above 0, got {seconds}")
        self._vocabulary, self._seconds = vocabulary, seconds
        self._ids = vocabulary.space.ids(kind)

    def encode(self, obj: list[Event]) -> list[int]:
        ids: list[int] = []
        latest = 0.0
        for event in obj:
            if not latest <= event.start <= event.end <= self._seconds:
                raise ValueError(f"{event}: expected events in order, each a start and an end in 0 to {self._seconds}")
            latest = event.start
            ids += [self._ids[bin_of(time / self._seconds, len(self._ids))] for time in (event.start, event.end)]
            ids += self._vocabulary.pieces.encode(event.text)
        return ids

    def decode(self, ids: Sequence[int]) -> list[Event]:
        found: list[tuple[list[float], list[int]]] = []
        for id in before_end(ids, self._vocabulary.space.end):
            if id in self._ids:
                if not found or len(found[-1][0]) > 1 or found[-1][1]:
                    found.append(([], []))
                found[-1][0].append(centre(self._ids.index(id), len(self._ids)) * self._seconds)
            elif found:
                found[-1][1].append(id)
        pieces = self._vocabulary.pieces
        events = [Event(times[0], max(times), pieces.decode(text)) for times, text in found]
        return sorted(events, key=lambda event: event.start)

    def grammar(self) -> Grammar:
        return self._ordered

    @cached_property
    def _ordered(self) -> Ordered:
        space = self._vocabulary.space
        size = len(space)
        event = sequence(literal([size, size + 1]), repeat(character(self._vocabulary)))
        slots = [Slot(least=0, kept=0), Slot(least=0)]
        return Ordered.compile(repeat(event), slots=slots, bins=self._ids, size=size, end=space.end)
