"""The trained vocoder: what its constructor refuses, and that it sounds as a released one with that one's weights."""

import pytest
import torch
from transformers import SpeechT5HifiGan

from tests.laws.test_vocoders import voiced
from unimodal.conversions.hifigan import HifiGan as Conversion
from unimodal.hub import load
from unimodal.prenets.spectrogram import HOP, VOICE
from unimodal.prenets.vocoders.hifigan import HifiGan
from unimodal.prenets.vocoders.streaming import SoundStream
from unimodal.tasks.corpora import CorpusUnavailable
from unimodal.tasks.pretrained import HIFIGAN


@pytest.fixture(scope="module")
def folder():
    try:
        return HIFIGAN.fetch()
    except CorpusUnavailable as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="module")
def released(folder):
    """The released vocoder as transformers runs it: frames [t, f] -> samples [n]."""
    return SpeechT5HifiGan.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def vocoder(folder):
    return load(folder).model.vocoder


@pytest.mark.slow
@torch.no_grad()
def test_it_sounds_as_the_released_vocoder(released, vocoder):
    for frames in (VOICE(voiced(1.0)), torch.randn(1, 80) - 5, torch.randn(37, 80) * 2 - 5):
        expected = released(frames)
        found = vocoder(frames)
        assert found.shape == expected.shape == (len(frames) * HOP,)
        assert (found - expected).abs().max() <= 1e-4


@pytest.mark.slow
@torch.no_grad()
def test_it_streams_as_it_sounds(vocoder):
    frames = VOICE(voiced(1.0))
    stream = SoundStream(vocoder)
    assert vocoder.hop == HOP and vocoder.context < 20
    parts = [*map(stream.step, frames.split(25)), stream.flush()]
    torch.testing.assert_close(torch.cat(parts), vocoder(frames), rtol=0, atol=1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_trained_weights_obey_the_laws_of_vocoders(vocoder):
    frames = VOICE(voiced(2.0))
    state = torch.get_rng_state()
    samples = vocoder(frames)
    assert torch.equal(samples, vocoder(frames)) and torch.equal(state, torch.get_rng_state())
    assert samples.shape == (len(frames) * HOP,) and samples.abs().max() <= 1
    loud = frames > frames.max() - 7
    error = (VOICE(samples) - frames)[loud].abs().mean()
    chance = (frames.mean(dim=0) - frames)[loud].abs().mean()
    assert error < chance / 3
    assert vocoder(VOICE(torch.zeros(8000))).abs().max() < 1e-2


def test_several_are_what_each_is_alone():
    small = HifiGan(num_bands=5, width=16, rates=(3, 2), kernels=(4, 4))
    frames = torch.randn(3, 7, 5)
    together = small(frames)
    assert together.shape == (3, 42)
    for row, alone in zip(together, frames, strict=True):
        torch.testing.assert_close(small(alone), row)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rates": (4, 4), "kernels": (8,)}, "rates, kernels: "),
        ({"rates": (4,), "kernels": (3,)}, "rates, kernels: "),
        ({"block_kernels": (3, 7)}, "block_kernels, dilations: 2 widths and 3 lists"),
        ({"block_kernels": (3, 7, 10)}, "block_kernels: are odd"),
        ({"width": 24}, "width: is halved 4 times, and 24 cannot be"),
    ],
)
def test_sizes_that_do_not_fit_are_named(settings, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        HifiGan(**settings)


def test_a_step_that_the_released_code_makes_longer_is_named():
    settings = {"upsample_rates": [4, 5], "upsample_kernel_sizes": [8, 10]}
    with pytest.raises(ValueError, match="^upsample_kernel_sizes: 10 and its rate 5"):
        Conversion().config(settings)
