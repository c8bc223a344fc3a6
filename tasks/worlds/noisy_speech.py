"""Clean speech, and the same in noise of which the strength is known.

n samples at 16 kHz
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.prenets.waveform import Waveform
from unimodal.tasks.corpora.noise_clip import NoiseClip
from unimodal.tasks.corpora.recordings import SAMPLING_RATE, Recording
from unimodal.tasks.corpora.spoken import SpokenClip
from unimodal.tasks.worlds import World

BABBLE, HISS = "babble", "hiss"
NUM_VOICES = (3, 5)
"""Speakers that babble together."""
PEAK = 0.99
"""Full scale is 1; what would go above is turned down, speech and noise alike."""
FAINTEST = 1e-5
"""Root mean square of a stretch of noise that is as good as none."""


@final
@dataclass(frozen=True, eq=False)
class NoisyPair:
    """The same utterance twice, sample for sample; `ratio` is that of speech to noise in dB, over all of it."""

    clean: Waveform
    noisy: Waveform
    ratio: float
    kind: str


@final
class NoisySpeech(World[NoisyPair]):
    """Clips in turn, each in a noise and at a ratio drawn from the seed: music, effects, babble or hiss, alike often.

    The ratio is exact: mean power of the clip, pauses included, over that of what was added. Babble is three to five
    clips of other speakers in the same list; where there are too few speakers, it is left out. Noises and clips of one
    split make pairs of that split.
    """

    def __init__(
        self, clips: Sequence[SpokenClip], noises: Sequence[NoiseClip], *, ratios: tuple[float, float] = (-5.0, 15.0)
    ) -> None:
        """`ratios`: the lowest and the highest in dB, all between them alike likely."""
        if not clips:
            raise ValueError("clips: there is no speech to put noise to")
        if not ratios[0] <= ratios[1]:
            raise ValueError(f"ratios: {ratios[0]:g} is above {ratios[1]:g} dB")
        self.clips, self.ratios = clips, ratios
        self._speakers = sorted({clip.speaker for clip in clips})
        self._by_speaker = {name: [clip for clip in clips if clip.speaker == name] for name in self._speakers}
        self._by_kind: dict[str, list[NoiseClip]] = {}
        for noise in noises:
            self._by_kind.setdefault(noise.kind, []).append(noise)
        babble = [BABBLE] if len(self._speakers) > NUM_VOICES[0] else []
        self.kinds = (*sorted(self._by_kind), *babble, HISS)

    def clip(self, seed: int) -> SpokenClip:
        """Who speaks in the pair of a seed, and what."""
        return self.clips[seed % len(self.clips)]

    def draw(self, seed: int) -> NoisyPair:
        chance, clip = Random(seed), self.clip(seed)
        kind, ratio = chance.choice(self.kinds), chance.uniform(*self.ratios)
        speech = _samples(clip.speech)
        noise = self._noise(kind, clip.speaker, len(speech), chance)
        if _loudness(noise) < FAINTEST:
            noise, kind = _hiss(len(speech), chance), HISS
        clean, noisy = mixed(speech, noise, ratio)
        return NoisyPair(_waveform(clean, clip.key), _waveform(noisy, f"{clip.key} in {kind}"), ratio, kind)

    def _noise(self, kind: str, speaker: str, length: int, chance: Random) -> Float[Tensor, " n"]:
        if kind == HISS:
            return _hiss(length, chance)
        if kind == BABBLE:
            others = [name for name in self._speakers if name != speaker]
            drawn = chance.sample(others, min(chance.randint(*NUM_VOICES), len(others)))
            return sum_of([self._voice(name, length, chance) for name in drawn])
        return _stretch(_samples(chance.choice(self._by_kind[kind]).sound), length, chance)

    def _voice(self, name: str, length: int, chance: Random) -> Float[Tensor, " n"]:
        return _stretch(_samples(chance.choice(self._by_speaker[name]).speech), length, chance)


def mixed(
    speech: Float[Tensor, " n"], noise: Float[Tensor, " n"], ratio: float
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """(speech, speech with the noise at a ratio in dB), both turned down alike where the sum would be above full scale.

    Raises ValueError where either is silent, for no ratio is theirs then.
    """
    loudness = _loudness(speech), _loudness(noise)
    if min(loudness) == 0:
        raise ValueError(f"{'speech' if loudness[0] == 0 else 'noise'}: is silent, so it has no ratio to the other")
    added = noise * (loudness[0] / loudness[1] * 10 ** (-ratio / 20))
    scale = min(1.0, PEAK / float((speech + added).abs().max()))
    return speech * scale, (speech + added) * scale


def sum_of(voices: Sequence[Float[Tensor, " n"]]) -> Float[Tensor, " n"]:
    """All at once, each as loud as the others."""
    return torch.stack([voice / max(_loudness(voice), FAINTEST) for voice in voices]).mean(dim=0)


def _loudness(samples: Float[Tensor, " n"]) -> float:
    """The root mean square, in double precision: ratios are to be exact."""
    return float(samples.double().square().mean().sqrt())


def _stretch(samples: Float[Tensor, " m"], length: int, chance: Random) -> Float[Tensor, " n"]:
    """A stretch of a sound from anywhere in it, which begins again at its end, where it is shorter."""
    start = chance.randrange(len(samples))
    places = (torch.arange(length) + start) % len(samples)
    return samples[places]


def _hiss(length: int, chance: Random) -> Float[Tensor, " n"]:
    """Noise with as much power in every octave as in the next (pink), as rooms and fans have it."""
    generator = torch.Generator().manual_seed(chance.getrandbits(63))
    spectrum = torch.fft.rfft(torch.randn(max(length, 2), generator=generator))
    spectrum = spectrum / torch.arange(1, len(spectrum) + 1).sqrt()
    hiss: Tensor = torch.fft.irfft(spectrum, n=max(length, 2))
    return hiss[:length]


def _samples(recording: Recording) -> Float[Tensor, " n"]:
    return torch.from_numpy(recording.samples())


def _waveform(samples: Float[Tensor, " n"], name: str) -> Waveform:
    return Waveform(samples, SAMPLING_RATE, name)
