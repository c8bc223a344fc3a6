"""All packaged sound that is no speech."""

from pathlib import Path

from unimodal.tasks.corpora.noise_clip import NoiseClip
from unimodal.tasks.corpora.sonic_pi import SonicPi
from unimodal.tasks.corpora.tuxpaint_effects import TuxPaintEffects

__all__ = ["NoiseClip", "noises"]

LEAST_SECONDS = 0.1


def noises(split: str, cache: Path | None = None) -> list[NoiseClip]:
    """Music and effects of one split; raises `CorpusUnavailable` where they cannot be had."""
    found = [*SonicPi().examples(split, cache), *TuxPaintEffects().examples(split, cache)]
    return [noise for noise in found if noise.sound.seconds >= LEAST_SECONDS]
