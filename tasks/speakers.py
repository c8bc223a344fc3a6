"""Clips by who speaks in them, and what a model hears of a speaker before it takes on the voice."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from unimodal.tasks.corpora.made import MadeSpeech
from unimodal.tasks.corpora.recordings import Recording
from unimodal.tasks.corpora.spoken import SpokenClip, studio_clips
from unimodal.tasks.order import rank
from unimodal.tasks.transcripts import spoken_form

STUDIO = "asterisk.allison"
"""The English studio speaker, the only one who is no machine."""
NUM_HEARD = 3
"""Clips from which a speaker's voice is taken: what one second says of a voice is little."""


def clips_of(split: str, cache: Path | None, max_seconds: float) -> list[SpokenClip]:
    """English clips of all speakers up to a length, in which something is said, in a mixed order."""
    clips = [*studio_clips(split, language="en", cache=cache), *MadeSpeech(cache=cache).examples(split, cache)]
    usable = [clip for clip in clips if clip.speech.seconds <= max_seconds and spoken_form(clip.text, "en")]
    return sorted(usable, key=lambda clip: rank(clip.key))


@final
class Enrolment:
    """For every clip, others in which the same speaker says something else: always the same ones."""

    def __init__(self, clips: Sequence[SpokenClip]) -> None:
        self._by_speaker: dict[str, list[SpokenClip]] = {}
        for clip in sorted(clips, key=lambda clip: rank(clip.key)):
            self._by_speaker.setdefault(clip.speaker, []).append(clip)
        self._place: Mapping[str, int] = {
            clip.key: place for own in self._by_speaker.values() for place, clip in enumerate(own)
        }

    def heard(self, clip: SpokenClip) -> tuple[Recording, ...]:
        """Up to three recordings of the speaker of a clip; the clip itself where there is no other."""
        own, place = self._by_speaker[clip.speaker], self._place[clip.key]
        others = [other for other in (*own[place + 1 :], *own[:place]) if other.group != clip.group]
        return tuple(other.speech for other in others[:NUM_HEARD]) or (clip.speech,)
