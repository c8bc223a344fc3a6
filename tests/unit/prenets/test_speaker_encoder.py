"""The speaker encoder: parts against values worked out apart, and resemblyzer's own numbers for a seeded sound."""

import math

import pytest
import torch

from unimodal.prenets.speaker_encoder import (
    LOUDNESS,
    STEP,
    VOICE_DIM,
    WINDOW,
    SpeakerEncoder,
    _bands,
    _raised,
    _starts,
    _without_silence,
)
from unimodal.prenets.spectrogram import RATE
from unimodal.prenets.waveform import Waveform
from unimodal.tasks.corpora import CorpusUnavailable
from unimodal.tasks.pretrained import SPEAKER_ENCODER, SPEAKER_WEIGHTS


def hum(seconds: float, pitch: float = 120.0, rate: int = RATE) -> torch.Tensor:
    """A voice without words: harmonics that swell."""
    moments = torch.arange(int(seconds * rate)) / rate
    swell = 0.6 + 0.4 * torch.sin(2 * math.pi * 3 * moments)
    return 0.1 * swell * sum(torch.sin(2 * math.pi * pitch * k * moments) / k for k in range(1, 20))


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    torch.manual_seed(0)
    return SpeakerEncoder(width=32, num_layers=2).eval()


def test_a_vector_is_the_mean_of_its_windows(encoder: SpeakerEncoder) -> None:
    samples = hum(3.0)
    bands, starts = _bands(samples), _starts(len(samples))
    assert starts == [0, STEP, 2 * STEP] and bands.shape == (301, 40)
    mean = torch.stack([encoder(bands[None, start : start + WINDOW])[0] for start in starts if start + WINDOW <= 301])
    assert len(mean) == 2  # the third hears 1.46 s and silence behind
    vector = encoder.vector(samples)
    assert vector.shape == (VOICE_DIM,) and vector.norm().item() == pytest.approx(1)
    padded = torch.cat([samples, torch.zeros(160 * 14)])
    last = encoder(_bands(padded)[None, 2 * STEP : 2 * STEP + WINDOW])
    torch.testing.assert_close(vector, torch.nn.functional.normalize(torch.cat([mean, last]).mean(0), dim=0))


@pytest.mark.parametrize(
    ("seconds", "count"),
    [(0.1, 1), (1.6, 1), (1.96, 1), (1.98, 2), (10.0, 12)],
)
def test_a_window_that_is_mostly_behind_the_end_is_left_out(seconds: float, count: int) -> None:
    assert len(_starts(int(seconds * RATE))) == count


def test_the_same_voice_at_any_loudness_rate_and_pause(encoder: SpeakerEncoder) -> None:
    samples = hum(3.0)
    voice = encoder.voice(Waveform(samples, RATE, "a")).vector
    quiet = encoder.voice(Waveform(samples * 0.01, RATE, "a")).vector
    torch.testing.assert_close(_raised(samples * 0.001).square().mean().log10() * 10, torch.tensor(LOUDNESS))
    assert torch.equal(_raised(samples * 4), samples * 4), "what is loud stays so"
    assert voice @ quiet > 0.99
    pause = torch.cat([samples[:RATE], torch.zeros(2 * RATE), samples[RATE:]])
    assert len(_without_silence(pause)) < len(samples) + RATE // 3
    assert encoder.voice(Waveform(pause, RATE, "a")).vector @ voice > 0.99
    half = Waveform(hum(3.0, rate=8000), 8000, "a")
    assert encoder.voice(half).vector @ voice > 0.9


def test_what_is_short_or_silent(encoder: SpeakerEncoder) -> None:
    assert encoder.voice(Waveform(torch.ones(5) * 0.1, RATE, "a")).vector.isfinite().all()
    with pytest.raises(ValueError, match=r"^x.wav: is silent, so nobody speaks in it$"):
        encoder.voice(Waveform(torch.zeros(RATE), RATE, "x.wav"))


def test_resemblyzers_numbers() -> None:
    """Of `VoiceEncoder.embed_utterance` (resemblyzer 0.1.4 with librosa 0.11) for the same samples."""
    try:
        weights = SPEAKER_ENCODER.fetch() / SPEAKER_WEIGHTS
    except CorpusUnavailable as problem:
        pytest.skip(str(problem))
    expected = torch.zeros(VOICE_DIM)
    largest = torch.tensor([246, 36, 202, 111, 122])
    expected[largest] = torch.tensor([0.28105494, 0.22630686, 0.18610649, 0.1853445, 0.18332568])
    with torch.no_grad():
        vector = SpeakerEncoder.read(weights).vector(hum(3.0))
    assert torch.equal(vector.argsort(descending=True)[:5], largest)
    torch.testing.assert_close(vector[largest], expected[largest], atol=1e-6, rtol=0)
