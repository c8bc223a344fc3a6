"""Spoken announcements with slips of the tongue, put together from recorded words: what was said, and what is meant.

n samples
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.prenets.waveform import Waveform
from unimodal.tasks.corpora.recordings import SAMPLING_RATE
from unimodal.tasks.corpora.splits import split_of
from unimodal.tasks.worlds import World

NUMBERS = {f"digits/{number}": str(number) for number in range(1, 21)}
DAYS = {f"digits/day-{number}": "" for number in range(7)}
MONTHS = {f"digits/mon-{number}": "" for number in range(12)}
KINDS = {"vm-INBOX": "new", "vm-Old": "old", "vm-Urgent": "urgent"}
SENDERS = {"vm-Family": "family", "vm-Friends": "friends", "vm-Work": "work"}
HALVES = {"digits/a-m": "a.m.", "digits/p-m": "p.m."}
CLASSES = (NUMBERS, DAYS, MONTHS, KINDS, SENDERS, HALVES)
"""Clips that one may be said for another of the same class by mistake, with what a subtitle writes."""
FILLERS = ("digits/oh", "vm-and", "im-sorry", "hello")
CORRECTING = "vm-no"
OTHERS = (
    "vm-youhave",
    "vm-message",
    "vm-messages",
    "vm-from",
    "vm-received",
    "digits/at",
    "extension",
    "followme/call-from",
)
CLIPS = (
    *(clip for each in CLASSES for clip in each),
    *FILLERS,
    CORRECTING,
    *OTHERS,
    *(f"digits/h-{n}" for n in range(1, 21)),
)
"""The studio prompts that announcements are made of."""
SLIPS = {"filler": 0.15, "repeat": 0.1, "mistake": 0.08}
"""Of each clip, how likely it is said behind a filler, twice, or behind another clip and a "no"."""
SPEEDS = (1.0, 1.15, 1.3)
"""The speaker is slow: she is heard at her own pace and faster."""
LONGEST_GAP = 0.1
"""Seconds between two clips."""


@final
@dataclass(frozen=True, eq=False)
class Announcement:
    """`you have three no no five new messages from work`, and its subtitle: `You have 5 new messages from work.`"""

    sound: Waveform
    verbatim: str
    subtitle: str


@final
@dataclass(frozen=True, eq=False)
class Word:
    """A recorded prompt: its sound without the silence around it, and what is said in it, in lower case."""

    text: str
    samples: Float[Tensor, " n"]


Slot = tuple[tuple[str, ...], str]
"""Clips, and what a subtitle writes for them."""


@final
class Announcements(World[Announcement]):
    """Announcements of one split: a hash of the subtitle says which, so that no sentence of the test is heard before.

    Words are the same few clips of one speaker in all splits; speed, gaps, slips and hiss (at a signal-to-noise ratio
    between `ratios`, in dB) are drawn anew.
    """

    def __init__(self, words: Mapping[str, Word], *, split: str, ratios: tuple[float, float] = (5.0, 20.0)) -> None:
        if missing := sorted(set(CLIPS) - set(words)):
            raise ValueError(f"words: {', '.join(missing)} are missing")
        self.split, self.ratios = split, ratios
        self._names = {clip: words[clip].text for clip in CLIPS}
        self._clips = {
            speed: {clip: Waveform(words[clip].samples, SAMPLING_RATE).at_speed(speed).samples for clip in CLIPS}
            for speed in SPEEDS
        }

    def draw(self, seed: int) -> Announcement:
        generator = Random(f"{self.split} {seed}")
        said, subtitle = self._drawn(generator)
        return Announcement(self._said(said, generator), self._spelled(said), subtitle)

    def texts(self, seed: int) -> tuple[str, str]:
        """(verbatim text, subtitle) of what `draw` gives."""
        said, subtitle = self._drawn(Random(f"{self.split} {seed}"))
        return self._spelled(said), subtitle

    def _drawn(self, generator: Random) -> tuple[list[str], str]:
        """(clips as they are said, subtitle)."""
        slots = self._sentence(generator)
        while split_of(subtitle := _written(slots)) != self.split:
            slots = self._sentence(generator)
        return [clip for clips, _ in slots for clip in _slipped(clips, generator)], subtitle

    def _spelled(self, said: Sequence[str]) -> str:
        return " ".join(self._names[clip] for clip in said)

    def _sentence(self, generator: Random) -> list[Slot]:
        return generator.choice((_messages, _call, self._received))(generator)

    def _received(self, generator: Random) -> list[Slot]:
        day, month, hour = generator.choice(list(DAYS)), generator.choice(list(MONTHS)), generator.randint(1, 12)
        date, half = generator.randint(1, 20), generator.choice(list(HALVES))
        return [
            (("vm-received",), "received"),
            ((day,), f"{self._names[day].capitalize()},"),
            ((month,), self._names[month].capitalize()),
            ((f"digits/h-{date}",), f"{date}{'th' if 10 < date < 14 else _ORDINALS.get(date % 10, 'th')}"),
            (("digits/at",), "at"),
            ((f"digits/{hour}",), str(hour)),
            ((half,), HALVES[half]),
        ]

    def _said(self, clips: Sequence[str], generator: Random) -> Waveform:
        spoken = self._clips[generator.choice(SPEEDS)]
        pieces: list[Tensor] = []
        for clip in clips:
            pieces += [torch.zeros(int(generator.uniform(0.01, LONGEST_GAP) * SAMPLING_RATE)), spoken[clip]]
        clean = torch.cat([*pieces, torch.zeros(SAMPLING_RATE // 20)])
        hiss = torch.randn(len(clean), generator=torch.Generator().manual_seed(generator.getrandbits(62)))
        power = clean.square().mean() / 10 ** (generator.uniform(*self.ratios) / 10)
        return Waveform((clean + power.sqrt() * hiss).clamp(-1, 1), SAMPLING_RATE, "announcement")


_ORDINALS = {1: "st", 2: "nd", 3: "rd"}


def _messages(generator: Random) -> list[Slot]:
    number, kind, sender = generator.randint(1, 20), generator.choice(list(KINDS)), generator.choice(list(SENDERS))
    name = "message" if number == 1 else "messages"
    return [
        (("vm-youhave",), "you have"),
        ((f"digits/{number}",), str(number)),
        ((kind,), KINDS[kind]),
        ((f"vm-{name}",), name),
        (("vm-from",), "from"),
        ((sender,), SENDERS[sender]),
    ]


def _call(generator: Random) -> list[Slot]:
    digits = [generator.randint(1, 9) for _ in range(3)]
    clips = tuple(f"digits/{digit}" for digit in digits)
    return [
        (("followme/call-from",), "incoming call from"),
        (("extension",), "extension"),
        (clips, "".join(map(str, digits))),
    ]


def _written(slots: Sequence[Slot]) -> str:
    text = " ".join(written for _, written in slots)
    return f"{text[0].upper()}{text[1:]}" + ("" if text.endswith(".") else ".")


def _slipped(clips: Sequence[str], generator: Random) -> list[str]:
    """Clips as they come out of a speaker's mouth."""
    said: list[str] = []
    for clip in clips:
        others = [other for each in CLASSES if clip in each for other in each if other != clip]
        if generator.random() < SLIPS["filler"]:
            said.append(generator.choice(FILLERS))
        if others and generator.random() < SLIPS["mistake"]:
            said += [generator.choice(others), CORRECTING]
        if generator.random() < SLIPS["repeat"]:
            said.append(clip)
        said.append(clip)
    return said
