"""A voice beside what is written: from a task's prompt into training's batches and into every step of decoding."""

from dataclasses import replace

import pytest
import torch

from unimodal.batching import EncoderDecoder, Item, Padded, Piece, token_piece
from unimodal.config import UnimodalConfig
from unimodal.decoding.generate import Decoding, write_frames
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.prenets.dropouts.training import TrainingDropout
from unimodal.prenets.frames import FramePrenet, FrameProcessor
from unimodal.prenets.voice import Voice
from unimodal.prenets.waveform import Waveform
from unimodal.samplers.greedy import Greedy
from unimodal.spec import load_spec, merge_specs

SIZE = 6
STILL = {"class": "unimodal.prenets.dropouts.training.TrainingDropout", "rate": 0.5}


@pytest.fixture(scope="module")
def model():
    """With voices, and without the noise that its pre-net makes."""
    torch.manual_seed(1)
    overlay = {"spec": {"prenets": {"frames": {"voice_dim": SIZE, "dropout": STILL}}}}
    made = UnimodalForConditionalGeneration(
        UnimodalConfig(**merge_specs(load_spec("configs/models/tiny.yaml"), overlay))
    )
    for parameter in made.postnet("frames").project.parameters():
        parameter.data.mul_(3)
    return made.eval()


def item(steps, seed):
    torch.manual_seed(seed)
    processor = FrameProcessor(voice_dim=SIZE)
    arrays = processor(Waveform(torch.randn(640 * steps) * 0.1, 16_000))
    return Item("tts", (token_piece([513, 20 + seed]),), Piece("frames", arrays, steps), beside=processor(voice(seed)))


def voice(seed):
    return Voice(torch.randn(SIZE, generator=torch.Generator().manual_seed(seed)))


def test_the_direction_of_a_vector_is_all_that_counts():
    vector = torch.randn(SIZE)
    prenet = FramePrenet(8, voice_dim=SIZE, voice_length=2.0, dropout=TrainingDropout(rate=0.5)).eval()
    arrays = {"previous": torch.randn(1, 3, 80)}
    found = [
        prenet.embed({**arrays, "voice": times * vector[None, None]}, torch.tensor([3]), torch.nn.Identity())
        for times in (1, 7)
    ]
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    "vector",
    [torch.zeros(SIZE), torch.tensor([1.0, float("nan")]), torch.randn(1, SIZE), torch.arange(1, SIZE)],
    ids=str,
)
def test_what_is_no_voice_is_named(vector):
    with pytest.raises(ValueError, match=r"^anna\.npy: "):
        Voice(vector, "anna.npy")


def test_a_voice_that_does_not_fit_is_named():
    assert FrameProcessor().beside == {}
    assert torch.equal(FrameProcessor(voice_dim=SIZE).beside["voice"], torch.zeros(1, SIZE))
    with pytest.raises(ValueError, match=r"^anna\.npy: a voice has 5 values here, not 6"):
        FrameProcessor(voice_dim=5)(Voice(torch.randn(SIZE), "anna.npy"))
    with pytest.raises(ValueError, match=r"^anna\.npy: the model speaks in no voice but its own"):
        FrameProcessor()(Voice(torch.randn(SIZE), "anna.npy"))


def test_every_step_hears_the_voice():
    prenet = FramePrenet(8, voice_dim=SIZE, dropout=TrainingDropout(rate=0.5)).eval()
    arrays = {"previous": torch.randn(2, 5, 80)}
    one, other = (
        prenet.embed({**arrays, "voice": torch.randn(2, 1, SIZE)}, torch.tensor([5, 5]), torch.nn.Identity())
        for _ in "ab"
    )
    assert one.shape == (2, 5, 8) and not (one == other).all(-1).any()


def test_training_reads_what_decoding_reads(model):
    """The loss of one example among others is its own, and its voice matters."""
    items = [item(4, 1), item(2, 2), item(3, 3)]

    def first_frames(chosen):
        batch = EncoderDecoder().batch(chosen, Padded(), model.kinds)
        assert batch.target.pieces["frames"].arrays["voice"].shape == (len(chosen), 1, SIZE)
        with torch.no_grad():
            return model.postnet("frames").decode(model.run_batch(batch).written.last)["frames"][:, 0]

    together = first_frames(items)
    for row, one in enumerate(items):
        torch.testing.assert_close(together[row], first_frames([one])[0], rtol=1e-4, atol=1e-4)
        (written,) = write_frames(model, [one], "frames", Decoding(Greedy(), limit=1))
        torch.testing.assert_close(together[row], written["frames"][0], rtol=1e-4, atol=1e-4)
    beside = [one.beside for one in items]
    swapped = [replace(one, beside=other) for one, other in zip(items, beside[1:] + beside[:1], strict=True)]
    assert not torch.isclose(first_frames(swapped), together).all(-1).any()


def test_rows_keep_their_voice_when_others_have_ended(model):
    asked = [item(1, seed) for seed in (4, 5, 6, 7)]
    decoding = Decoding(Greedy(), limit=7)
    together = write_frames(model, asked, "frames", decoding)
    for one, found in zip(asked, together, strict=True):
        (alone,) = write_frames(model, [one], "frames", decoding)
        torch.testing.assert_close(found["frames"], alone["frames"], rtol=1e-4, atol=1e-4)


def test_cached_steps_are_those_of_one_pass(model):
    """What was written step by step, rows leaving as they end, read again as an answer that is taught."""
    asked = [item(1, seed) for seed in (4, 5, 6)]
    written = write_frames(model, asked, "frames", Decoding(Greedy(), limit=6))
    answers = []
    for one, steps in zip(asked, written, strict=True):
        previous = torch.nn.functional.pad(steps["frames"][:-1, -80:], (0, 0, 1, 0))
        answer = Piece("frames", {"frames": steps["frames"], "previous": previous}, len(previous))
        answers.append(replace(one, answer=answer))
    batch = EncoderDecoder().batch(answers, Padded(), model.kinds)
    with torch.no_grad():
        decoded = model.postnet("frames").decode(model.run_batch(batch).written.last)
    for row, steps in enumerate(written):
        for name, value in steps.items():
            torch.testing.assert_close(decoded[name][row, : len(value)], value, rtol=1e-4, atol=1e-4)
