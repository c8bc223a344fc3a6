"""Every vocoder found in the folder: 160 samples a frame, the same every time, with the frames that it was given."""

import importlib
import inspect
import pkgutil
import time

import pytest
import torch

import unimodal.prenets.vocoders
from unimodal.prenets.spectrogram import HOP, RATE, VOICE
from unimodal.prenets.vocoders import Vocoder


def found():
    for module in pkgutil.iter_modules(unimodal.prenets.vocoders.__path__):
        members = inspect.getmembers(
            importlib.import_module(f"unimodal.prenets.vocoders.{module.name}"), inspect.isclass
        )
        yield from (one for _, one in members if issubclass(one, Vocoder) and not inspect.isabstract(one))


def learned(vocoder):
    """What has weights obeys with those that it was trained to: see tests/unit/prenets/test_hifigan.py."""
    return issubclass(vocoder, torch.nn.Module)


@pytest.fixture(params=[vocoder for vocoder in found() if not learned(vocoder)])
def vocoder(request):
    return request.param()


def voiced(seconds):
    """A vowel that glides from 110 to 180 Hz, with three formants and pauses: harmonics, transients and silence."""
    moments = torch.arange(int(seconds * RATE)) / RATE
    pitch = 110 + 70 * moments / seconds
    phase = 2 * torch.pi * torch.cumsum(pitch, 0) / RATE
    sound = torch.zeros_like(moments)
    for harmonic in range(1, 40):
        frequency = harmonic * pitch
        formants = sum(torch.exp(-(((frequency - centre) / 150) ** 2)) for centre in (700, 1200, 2600))
        sound += (formants + 0.02) * torch.sin(harmonic * phase)
    return 0.1 * sound * (torch.sin(2 * torch.pi * 1.5 * moments) > -0.5)


@pytest.mark.parametrize("num_frames", [1, 2, 3, 7, 50])
def test_every_frame_is_160_samples_within_full_scale(vocoder, num_frames):
    samples = vocoder(torch.randn(num_frames, 80) * 2 - 3)
    assert samples.shape == (num_frames * HOP,)
    assert samples.isfinite().all() and samples.abs().max() <= 1


def test_the_same_frames_sound_the_same_whatever_the_seed(vocoder):
    frames = torch.randn(30, 80) - 5
    first = vocoder(frames)
    torch.manual_seed(123)
    state = torch.get_rng_state()
    assert torch.equal(first, vocoder(frames))
    assert torch.equal(state, torch.get_rng_state()), "a vocoder draws from torch's own random state"


def test_frames_survive_the_round_trip(vocoder):
    frames = VOICE(voiced(3.0))
    start = time.process_time()
    again = VOICE(vocoder(frames))
    assert time.process_time() - start < 2
    assert again.shape == frames.shape
    loud = frames > frames.max() - 7
    error = (again - frames)[loud].abs().mean()
    chance = (frames.mean(dim=0) - frames)[loud].abs().mean()
    assert error < 0.3 and error < chance / 4


def test_silence_stays_silent(vocoder):
    assert vocoder(VOICE(torch.zeros(8000))).abs().max() < 1e-3
