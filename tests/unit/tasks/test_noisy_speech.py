"""Noise at a stated ratio: exact, drawn from the seed, and of the kinds that it says."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unimodal.tasks.clips import sound
from unimodal.tasks.corpora.noise_clip import EFFECTS, MUSIC, NoiseClip
from unimodal.tasks.corpora.recordings import Recording, write_samples
from unimodal.tasks.corpora.spoken import SpokenClip
from unimodal.tasks.worlds.noisy_speech import BABBLE, HISS, NoisySpeech, mixed


def ratio(speech: torch.Tensor, noise: torch.Tensor) -> float:
    return 10 * math.log10(float(speech.double().square().mean() / noise.double().square().mean()))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    folder, chance = tmp_path_factory.mktemp("store"), np.random.default_rng(0)
    lengths = [16_000, 9_000, 30_000, 12_345, 20_000, 5_000, 2_000, 40_000, 3_000]
    clips = [(chance.standard_normal(length) * 3000).clip(-32_000, 32_000).astype(np.int16) for length in lengths]
    clips[-1][:] = 0
    places = write_samples(clips, folder)
    return [Recording(folder / "speech.int16", *place) for place in places]


@pytest.fixture
def world(recordings: list[Recording]) -> NoisySpeech:
    clips = [
        SpokenClip(f"clip{i}", recording, f"text {i}", f"speaker{i}", "en", f"g{i}", made=True)
        for i, recording in enumerate(recordings[:5])
    ]
    noises = [
        NoiseClip("a", recordings[5], "a", MUSIC, "a"),
        NoiseClip("b", recordings[7], "b", EFFECTS, "b"),
    ]
    return NoisySpeech(clips, noises)


def test_the_ratio_is_what_it_says_whatever_the_noise(world: NoisySpeech) -> None:
    kinds, ratios = Counter(), []
    for seed in range(120):
        pair = world.draw(seed)
        noise = pair.noisy.samples - pair.clean.samples
        assert ratio(pair.clean.samples, noise) == pytest.approx(pair.ratio, abs=0.01)
        assert pair.noisy.samples.abs().max() <= 0.9901 and -5 <= pair.ratio <= 15
        assert pair.noisy.rate == pair.clean.rate == 16_000
        kinds[pair.kind] += 1
        ratios.append(pair.ratio)
        plain = sound(world.clip(seed).speech).samples
        turned_down = pair.clean.samples / plain
        assert torch.allclose(turned_down[plain != 0], turned_down[plain != 0][0], rtol=1e-4)
    assert set(kinds) == {MUSIC, EFFECTS, BABBLE, HISS} and min(kinds.values()) > 15
    assert min(ratios) < -3 and max(ratios) > 13


def test_a_seed_gives_the_same_pair_in_any_order(world: NoisySpeech) -> None:
    forwards = [world.draw(seed) for seed in range(12)]
    for seed in reversed(range(12)):
        pair = world.draw(seed)
        assert torch.equal(pair.noisy.samples, forwards[seed].noisy.samples) and pair.kind == forwards[seed].kind
    assert [world.clip(seed).key for seed in range(6)] == ["clip0", "clip1", "clip2", "clip3", "clip4", "clip0"]
    assert not torch.equal(world.draw(0).noisy.samples, world.draw(5).noisy.samples)


def test_nobody_babbles_over_their_own_voice(recordings: list[Recording]) -> None:
    """Each speaker is one tone, so a spectrum says who speaks."""
    folder = recordings[0].store.parent / "tones"
    folder.mkdir(exist_ok=True)
    time = np.arange(16_000) / 16_000
    tones = [(8000 * np.sin(2 * np.pi * 500 * (i + 1) * time)).astype(np.int16) for i in range(5)]
    places = write_samples(tones, folder)
    clips = [
        SpokenClip(f"{i}", Recording(folder / "speech.int16", *place), "x", f"s{i}", "en", f"{i}", made=True)
        for i, place in enumerate(places)
    ]
    world = NoisySpeech(clips, [], ratios=(0.0, 0.0))
    assert world.kinds == (BABBLE, HISS)
    heard = Counter()
    for seed in range(40):
        pair = world.draw(seed)
        if pair.kind == BABBLE:
            power = torch.fft.rfft(pair.noisy.samples - pair.clean.samples).abs()[500::500][:5]
            speaking = [i for i in range(5) if power[i] > 0.1 * power.max()]
            assert seed % 5 not in speaking and len(speaking) in (3, 4)
            heard.update(speaking)
    assert set(heard) == set(range(5))


def test_where_the_noise_is_silent_it_hisses(recordings: list[Recording]) -> None:
    clip = SpokenClip("c", recordings[0], "x", "s", "en", "g", made=True)
    world = NoisySpeech([clip], [NoiseClip("silent", recordings[8], "silent", MUSIC, "g")])
    assert {world.draw(seed).kind for seed in range(8)} == {HISS}


@given(st.floats(-30, 40), st.integers(0, 2**31), st.floats(0.001, 1.0))
def test_any_ratio_is_exact(wanted: float, seed: int, level: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    speech, noise = level * torch.randn(500, generator=generator), torch.rand(500, generator=generator)
    clean, noisy = mixed(speech, noise, wanted)
    assert ratio(clean, (noisy.double() - clean.double())) == pytest.approx(wanted, abs=0.02)
    assert noisy.abs().max() <= 0.9901


def test_what_has_no_ratio_is_refused() -> None:
    with pytest.raises(ValueError, match="^speech: is silent"):
        mixed(torch.zeros(5), torch.ones(5), 0.0)
    with pytest.raises(ValueError, match="^noise: is silent"):
        mixed(torch.ones(5), torch.zeros(5), 0.0)
    with pytest.raises(ValueError, match="^clips: "):
        NoisySpeech([], [])
    clip = SpokenClip("c", Recording(Path("x"), 0, 1), "x", "s", "en", "g", made=True)
    with pytest.raises(ValueError, match="^ratios: 5 is above 3 dB"):
        NoisySpeech([clip], [], ratios=(5.0, 3.0))
