"""Sound that is no speech."""

from dataclasses import dataclass
from typing import final

from unimodal.tasks.corpora.recordings import Recording

MUSIC, EFFECTS = "music", "effects"


@final
@dataclass(frozen=True)
class NoiseClip:
    """One sound: what it is (`ambi_drone`, `animals/birds/penguin`), and of which kind."""

    key: str
    sound: Recording
    label: str
    kind: str
    group: str
