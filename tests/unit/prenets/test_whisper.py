"""Whisper's frames are those of transformers; a window is whole or refused."""

import pytest
import torch
from transformers import WhisperFeatureExtractor

from unimodal.prenets.waveform import Waveform
from unimodal.prenets.whisper import FRAMES, WhisperPrenet, WhisperProcessor, WindowLogMel


def sound(seconds: float, rate: int = 16_000) -> torch.Tensor:
    """A rising tone with noise behind a silence, so that the cut below the loudest value acts."""
    time = torch.arange(int(seconds * rate)) / rate
    tone = 0.3 * torch.sin(2 * torch.pi * (200 + 40 * time) * time)
    return torch.where(time < 0.2 * seconds, 1e-6 * torch.randn(time.shape), tone + 0.02 * torch.randn(time.shape))


@pytest.mark.parametrize("num_bands", [80, 128])
@pytest.mark.parametrize("seconds", [0.001, 3.21, 30.0])
def test_a_window_is_that_of_transformers(num_bands, seconds):
    samples = sound(seconds)
    extract = WhisperFeatureExtractor(feature_size=num_bands)
    expected = extract(samples.numpy(), sampling_rate=16_000, return_tensors="pt").input_features[0].T
    found = WhisperProcessor(num_bands=num_bands)(Waveform(samples, 16_000))["features"]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_long_sound_is_that_of_transformers():
    samples = sound(41.7)
    options = {"truncation": False, "padding": "longest", "sampling_rate": 16_000, "return_tensors": "pt"}
    expected = WhisperFeatureExtractor()(samples.numpy(), **options).input_features[0].T
    torch.testing.assert_close(WindowLogMel()(samples), expected, rtol=0, atol=1e-4)


def test_what_is_longer_than_a_window_is_refused():
    with pytest.raises(ValueError, match="noise.wav: lasts 30.1 s, more than the limit of 30 s"):
        WhisperProcessor()(Waveform(torch.zeros(int(30.1 * 16_000)), 16_000, "noise.wav"))


@pytest.mark.parametrize("shape", [(2999, 80), (3000, 128)])
def test_frames_that_are_no_window_are_refused(shape):
    prenet = WhisperPrenet(4)
    with pytest.raises(ValueError, match=f"input_features: a window is 3000 frames x 80, not {shape[0]} x {shape[1]}"):
        prenet.embed({"features": torch.zeros(1, *shape)}, torch.tensor([shape[0]]), torch.nn.Embedding(1, 4))


def test_a_mask_hides_nothing():
    mask = torch.arange(FRAMES)[None] < 10
    assert WhisperPrenet(4).real(mask).sum() == FRAMES // 2
