"""Metrics of sound: known distances, known orders, and what nobody can hear."""

import math

import numpy as np
import pytest
import torch

from unimodal.prenets.spectrogram import RATE, VOICE
from unimodal.prenets.waveform import Waveform
from unimodal.tasks.metrics import Metric
from unimodal.tasks.metrics.cepstra import DECIBELS, MelCepstralDistortion, cepstra
from unimodal.tasks.metrics.intelligibility import ShortTimeIntelligibility
from unimodal.tasks.metrics.quality import PerceivedQuality
from unimodal.tasks.metrics.voices import EqualErrorRate, SpeakerSimilarity, equal_error_rate


def speech_like(seconds: float = 2.0) -> torch.Tensor:
    """A voiced buzz whose pitch and loudness move, with pauses: enough for PESQ to find utterances in it."""
    time = torch.arange(int(seconds * RATE)) / RATE
    phase = torch.cumsum(120 + 30 * torch.sin(2 * math.pi * 2 * time), 0) * 2 * math.pi / RATE
    buzz = sum((torch.sin(k * phase) / k for k in range(1, 30)), torch.zeros(()))
    loudness = (torch.sin(2 * math.pi * 3 * time) > -0.5).float() * (1 + torch.sin(2 * math.pi * 5 * time)) / 2
    return 0.1 * buzz * loudness


def noisy(clean: torch.Tensor, decibels: float) -> torch.Tensor:
    noise = torch.randn(len(clean), generator=torch.Generator().manual_seed(0))
    return clean + noise * clean.std() / noise.std() * 10 ** (-decibels / 20)


def shaped(heights: dict[int, float], loudness: float = 0.0) -> torch.Tensor:
    """20 log-mel frames alike: cosines of these heights over the 80 bands, on a level."""
    places = (torch.arange(80) + 0.5) / 80
    bands = loudness + sum(height * torch.cos(math.pi * k * places) for k, height in heights.items())
    return torch.as_tensor(bands).expand(20, 80)


def test_cepstral_distortion_by_hand() -> None:
    assert pytest.approx(6.1419, abs=1e-4) == DECIBELS
    flat = shaped({1: 0.0})
    metric = MelCepstralDistortion()
    # One cosine of height 0.5 in natural logarithms: its root mean square is 0.5 / sqrt(2) nepers of 8.686 dB.
    assert metric([shaped({3: 0.5})], [flat]) == pytest.approx(0.5 / math.sqrt(2) * 20 / math.log(10), rel=1e-5)
    assert metric([shaped({1: 0.3, 13: 0.4})], [flat]) == pytest.approx(0.5 * DECIBELS, rel=1e-5)
    assert metric([shaped({1: 0.0}, loudness=3.0)], [flat]) == pytest.approx(0, abs=1e-4), "loudness is left out"
    assert metric([shaped({14: 0.5})], [flat]) == pytest.approx(0, abs=1e-4), "finer detail is left out"
    assert cepstra(shaped({2: 0.7}).double().numpy())[0, 1] == pytest.approx(0.7)


def test_cepstral_distortion_is_aligned_and_pooled_as_a_mean() -> None:
    frames = torch.randn(30, 80)
    metric = MelCepstralDistortion()
    assert metric([frames.repeat_interleave(2, dim=0)], [frames]) == pytest.approx(0, abs=1e-6)
    one, other = metric([frames + shaped({1: 1.0})[:1]], [frames]), metric([frames], [frames])
    assert 0 < one <= DECIBELS + 1e-4
    assert metric([frames + shaped({1: 1.0})[:1], frames], [frames, frames]) == pytest.approx((one + other) / 2)
    sound = speech_like()
    for given in (sound, Waveform(sound, RATE), VOICE(sound)):
        assert metric([given], [Waveform(sound, RATE)]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("metric", "best"), [(ShortTimeIntelligibility(), 1.0), (PerceivedQuality(), 4.64)])
def test_more_noise_is_worse_and_the_clean_sound_is_best(metric: Metric, best: float) -> None:
    pytest.importorskip("pesq", reason="is compiled when it is installed")
    clean = speech_like()
    scores = [metric([noisy(clean, decibels)], [Waveform(clean, RATE)]) for decibels in (0, 20, 40)]
    assert scores == sorted(scores) and scores[0] < 0.9 * best
    assert metric([clean], [clean]) == pytest.approx(best, abs=0.01)
    assert metric([clean[: RATE + 7]], [clean]) == pytest.approx(best, abs=0.01), "as long as the shorter one"
    assert metric([clean, noisy(clean, 20)], [clean, clean]) == pytest.approx((best + scores[1]) / 2, abs=0.01)


@pytest.mark.parametrize("metric", [ShortTimeIntelligibility(), PerceivedQuality(), MelCepstralDistortion()])
def test_any_sound_may_be_predicted(metric: Metric) -> None:
    pytest.importorskip("pesq", reason="is compiled when it is installed")
    clean = speech_like()
    for strange in (torch.zeros(RATE), torch.zeros(1), torch.randn(50), torch.full((RATE,), 0.5)):
        score = metric([strange], [clean])
        assert math.isfinite(score) and score != pytest.approx(metric([clean], [clean]))
    assert PerceivedQuality()([clean * 1e-3], [clean]) == pytest.approx(4.64, abs=0.01), "PESQ sets levels alike"


def test_equal_error_rate_by_hand() -> None:
    # At a threshold of 0.7 one of three strangers passes and one of three speakers is refused.
    scores, is_same = [0.9, 0.8, 0.3, 0.7, 0.2, 0.1], [True, True, True, False, False, False]
    assert equal_error_rate(scores, is_same) == pytest.approx(1 / 3)
    assert EqualErrorRate()(scores, is_same) == pytest.approx(1 / 3)
    assert equal_error_rate([0.9, 0.8, 0.2, 0.1], [True, True, False, False]) == 0
    assert equal_error_rate([0.1, 0.2, 0.8, 0.9], [True, True, False, False]) == 1
    # Speakers refused jump from 1/2 to 0 while no stranger passes until then: the line between crosses at no error.
    assert equal_error_rate([0.5, 0.5, 0.5, 0.5], [True, True, False, False]) == pytest.approx(0.5), "chance"
    assert math.isnan(equal_error_rate([0.5, 0.6], [True, True]))


def test_speaker_similarity_is_the_mean_cosine() -> None:
    def voice(sound: Waveform) -> torch.Tensor:
        return sound.samples[:2]

    turned = torch.tensor([0.0, 3.0, 9.0])
    metric = SpeakerSimilarity(voice)
    assert metric([turned], [torch.tensor([2.0, 0.0])]) == pytest.approx(0)
    same, opposite = torch.tensor([0.0, 5.0]), torch.tensor([0.0, -5.0])
    assert metric([same, opposite, same], [turned] * 3) == pytest.approx(1 / 3)
    assert np.asarray(metric.tally([same], [turned])).shape == (1, 1)
