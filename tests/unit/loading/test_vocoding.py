"""A vocoder inside a model: given, saved and loaded with it, taken out again; and the one that `--vocoder` names."""

import copy

import pytest
import torch

from unimodal.batching import Item, token_piece
from unimodal.config import UnimodalConfig
from unimodal.decoding.generate import Decoding, write_frames
from unimodal.loading.hub import load
from unimodal.loading.vocoding import UnimodalVocoder, give_vocoder, take_vocoder
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.prenets.spectrogram import HOP
from unimodal.samplers.greedy import Greedy

SMALL = {"class": "unimodal.prenets.vocoders.hifigan.HifiGan", "width": 16}


def vocoder(**changes):
    torch.manual_seed(3)
    return UnimodalVocoder(UnimodalConfig(spec={**SMALL, **changes})).eval()


@pytest.fixture
def model(tiny):
    return copy.deepcopy(tiny)


def steps():
    return {"frames": torch.randn(5, 320, generator=torch.Generator().manual_seed(0)), "stop": torch.zeros(5, 4)}


def test_a_given_vocoder_sounds_is_saved_and_can_be_taken_again(model, tmp_path):
    before, given = model.model.postnet("frames").render(steps()), vocoder()
    weights = copy.deepcopy(model.model.postnet("frames").project.state_dict())
    model.model.eval()
    give_vocoder(model.model, "frames", given)
    after = model.model.postnet("frames").render(steps())
    assert before.shape == after.shape == (20 * HOP,) and not torch.equal(before, after)
    assert all(torch.equal(weights[n], w) for n, w in model.model.postnet("frames").project.state_dict().items())
    model.save_pretrained(tmp_path)
    again = load(tmp_path).model.postnet("frames")
    assert torch.equal(again.render(steps()), after) and not again.training
    taken = take_vocoder(model.model, "frames").state_dict()
    assert all(torch.equal(value, taken[name]) for name, value in given.state_dict().items())


def test_the_command_line_names_one(model, tmp_path):
    vocoder().save_pretrained(tmp_path / "alone")
    work = model.prepare("tts", [], prompt="please hold", options={"vocoder": str(tmp_path / "alone")})
    assert work.is_sound and take_vocoder(model.model, "frames")
    model.save_pretrained(tmp_path / "within")
    other = copy.deepcopy(model)
    other.use_vocoder("frames", tmp_path / "within")
    assert torch.equal(other.model.postnet("frames").render(steps()), model.model.postnet("frames").render(steps()))
    with pytest.raises(ValueError, match="^--vocoder: is no option of asr"):
        model.prepare("asr", [], options={"vocoder": "x"})


def test_what_does_not_fit_is_named(model, tiny):
    with pytest.raises(ValueError, match="^vocoder: the model has none for frames that was taught"):
        take_vocoder(tiny.model, "frames")
    with pytest.raises(ValueError, match="^vocoder: the model writes no pictures"):
        give_vocoder(model.model, "pictures", vocoder())
    give_vocoder(model.model, "frames", vocoder(rates=[4, 4], kernels=[8, 8]))
    with pytest.raises(ValueError, match="^vocoder: makes 16 samples of a frame, and frames are 160 samples apart"):
        model.model.postnet("frames").render(steps())


def test_a_model_of_ours_speaks_under_transformers_names(voiced):
    """What `generate_speech` gives is what the loop writes, with a voice and without."""
    model, voice = voiced.model, torch.randn(1, 256)
    ids = torch.tensor([[7, 8, 9]])
    torch.manual_seed(1)
    frames = model.generate_speech(ids, voice, maxlenratio=8.0)
    item = Item("tts", (token_piece(ids[0]),), beside={"voice": voice})
    torch.manual_seed(1)
    (written,) = write_frames(model, [item], "frames", Decoding(Greedy(), limit=6))
    torch.testing.assert_close(model.postnet("frames").frames(written), frames)


def test_a_model_of_one_voice_takes_no_other(tiny):
    assert tiny.model.generate_speech(torch.tensor([[7, 8]]), maxlenratio=4.0).shape[1] == 80
    with pytest.raises(ValueError, match="^speaker_embeddings: the model speaks in no voice but its own"):
        tiny.model.generate_speech(torch.tensor([[7, 8]]), torch.randn(1, 256))
    assert isinstance(tiny.model, UnimodalForConditionalGeneration)
