import math

import pytest
import torch

from unimodal.prenets.augmentations.masking import TimeFrequencyMasking
from unimodal.prenets.spectrogram import FLOOR, HEARING, HOP, VOICE
from unimodal.prenets.speech import SpeechPrenet, SpeechProcessor
from unimodal.prenets.waveform import Waveform


@pytest.mark.parametrize("spectrogram", [HEARING, VOICE])
def test_a_tone_is_loudest_in_its_band(spectrogram):
    for hertz in (300, 1000, 3000):
        samples = torch.sin(2 * torch.pi * hertz * torch.arange(16_000) / 16_000)
        frames = spectrogram(samples)
        assert frames.shape == (100, 80)
        # Slaney's scale: linear below 1 kHz, logarithmic above.
        mel = 3 * hertz / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)
        highest = 15 + 27 * math.log(8) / math.log(6.4)
        assert abs(frames[50].argmax() - (mel / highest * 81 - 1)) <= 1


@pytest.mark.parametrize("spectrogram", [HEARING, VOICE])
def test_frames_are_magnitudes_with_a_floor(spectrogram):
    samples = torch.randn(16_000) * 0.1
    quiet, loud = spectrogram(samples), spectrogram(samples * 10)
    torch.testing.assert_close(loud - quiet, torch.full_like(loud, math.log(10)), atol=5e-3, rtol=0)
    assert torch.allclose(spectrogram(torch.zeros(1600)), torch.tensor(FLOOR).log(), atol=1e-3)


def test_frame_times_are_ten_milliseconds_apart():
    samples = torch.zeros(16_000)
    samples[42 * HOP + HOP // 2] = 1.0
    assert HEARING(samples).sum(dim=1).argmax() == 42
    assert VOICE(samples).sum(dim=1).argmax() == 42


def test_parity_with_the_mel_of_a_known_toolkit():
    from torchaudio.transforms import MelSpectrogram

    samples = torch.randn(8000)
    known = MelSpectrogram(
        16_000, 800, 800, 160, 0, 8000, n_mels=80, power=1, norm="slaney", mel_scale="slaney", center=False
    )
    padded = torch.nn.functional.pad(samples[None], (320, 320), mode="reflect")[0]
    torch.testing.assert_close(VOICE(samples).exp(), known(padded).T, atol=1e-4, rtol=1e-3)


def test_features_do_not_know_the_loudness_or_the_microphone():
    samples = torch.randn(16_000) * 0.1
    processor = SpeechProcessor()
    quiet = processor(Waveform(samples, 16_000))["features"]
    loud = processor(Waveform(samples * 5, 16_000))["features"]
    torch.testing.assert_close(quiet, loud, atol=1e-2, rtol=0)
    torch.testing.assert_close(quiet.mean(dim=0), torch.zeros(80), atol=1e-4, rtol=0)
    torch.testing.assert_close(quiet.std(dim=0, correction=0), torch.ones(80), atol=1e-4, rtol=0)


def test_silence_has_features():
    features = SpeechProcessor()(Waveform(torch.zeros(16_000), 16_000))["features"]
    assert features.shape == (100, 80) and features.abs().max() < 1e-2


@pytest.mark.parametrize("num_samples", [1, 100, 161, 400])
def test_the_shortest_sound_has_features(num_samples):
    features = SpeechProcessor()(Waveform(torch.randn(num_samples), 16_000))["features"]
    assert features.shape[0] == -(-num_samples // 160) and features.isfinite().all()


def test_the_limit_counts_seconds_not_samples():
    processor = SpeechProcessor(max_seconds=1.0)
    processor(Waveform(torch.zeros(44_100), 44_100))
    with pytest.raises(ValueError, match="audio: lasts 1.5 s, more than the limit of 1 s"):
        processor(Waveform(torch.zeros(12_000), 8_000))


def test_augmentation_acts_in_training_only():
    prenet = SpeechPrenet(16, augmentation=TimeFrequencyMasking(longest_share=0.5))
    arrays, lengths = {"features": torch.randn(2, 80, 80)}, torch.tensor([80, 60])
    first, second = (prenet.eval().embed(arrays, lengths, torch.nn.Identity()) for _ in range(2))
    assert torch.equal(first, second)
    first, second = (prenet.train().embed(arrays, lengths, torch.nn.Identity()) for _ in range(2))
    assert not torch.equal(first, second)


def test_masks_are_as_wide_as_they_say():
    masking = TimeFrequencyMasking(num_stretches=1, longest_share=0.2, num_bands=1, widest_band=10)
    hidden = masking(torch.ones(500, 100, 80), torch.full((500,), 50)) == 0
    stretches, bands = hidden.all(dim=2).sum(dim=1), hidden.all(dim=1).sum(dim=1)
    assert stretches.min() == 0 and stretches.max() == 10 and bands.min() == 0 and bands.max() == 10
    assert not hidden.all(dim=2)[:, 50:].any(), "a stretch of time lies in the piece, not in its padding"
    with pytest.raises(ValueError, match="longest_share"):
        TimeFrequencyMasking(longest_share=1.5)
