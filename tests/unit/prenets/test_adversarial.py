"""Two sides of one sum: discriminators learn to tell, the vocoder to sound recorded, and neither moves the other."""

import pytest
import torch

from unimodal.batching import EncoderDecoder, Item, Packed, Padded, Piece, token_piece
from unimodal.config import UnimodalConfig
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.objectives import total
from unimodal.prenets.adversarial import Adversarial
from unimodal.prenets.discriminators.periods import Periods
from unimodal.prenets.discriminators.scales import Scales
from unimodal.prenets.frames import FrameProcessor
from unimodal.prenets.spectrogram import VOICE
from unimodal.prenets.waveform import Waveform
from unimodal.spec import load_spec

STEPS = 4
NAMES = {"frames.discriminator", "frames.adversarial", "frames.features", "frames.mel"}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return UnimodalForConditionalGeneration(UnimodalConfig(**load_spec("configs/models/vocoder.yaml"))).eval()


def objective():
    torch.manual_seed(1)
    heard = [
        Periods(period=2, width=2),
        Periods(period=5, width=2),
        Scales(halvings=0, width=16),
        Scales(halvings=1, width=16),
    ]
    return Adversarial(net="frames", discriminators=heard, steps=STEPS).eval()


def voiced(num_samples):
    moments = torch.arange(num_samples) / 16_000
    return sum(torch.sin(2 * torch.pi * 140 * k * moments) / k for k in range(1, 20)) * 0.1


def item(steps):
    arrays = FrameProcessor(reduction=4, keeps_sound=True)(
        Waveform(voiced(640 * steps) + torch.randn(640 * steps) / 50, 16_000)
    )
    return Item("tts", (token_piece([20]),), Piece("frames", arrays, steps))


def batch(model, items, packer):
    return EncoderDecoder().batch(items, packer, model.kinds)


def terms(model, learning, items, packer=None):
    made = batch(model, items, packer or Padded())
    return learning.terms(model, model.run_batch(made), made)


def test_each_side_is_moved_by_its_own_terms_alone(model):
    learning = objective()
    vocoder = [*model.postnet("frames").vocoder.parameters()]
    for name, term in terms(model, learning, [item(6), item(4)]).items():
        model.zero_grad()
        learning.zero_grad()
        term.mean().backward(retain_graph=True)
        judges = all(p.grad is not None and p.grad.any() for p in learning.parameters())
        speaks = all(p.grad is not None and p.grad.any() for p in vocoder)
        untouched = [p.grad is None or not p.grad.any() for p in (vocoder if judges else learning.parameters())]
        assert (judges, speaks) == ((True, False) if name == "frames.discriminator" else (False, True)), name
        assert all(untouched), name
        others = [p for part, p in model.named_parameters() if "vocoder" not in part]
        assert all(p.grad is None for p in others)


def test_terms_do_not_depend_on_packing_and_short_pieces_have_none(model):
    torch.manual_seed(3)
    items, learning = [item(6), item(STEPS - 1), item(4)], objective()
    packed, padded = terms(model, learning, items, Packed(source=20, target=20)), terms(model, learning, items)
    assert packed.keys() == padded.keys() == NAMES
    for name, term in packed.items():
        assert term.has_target.tolist() == [True, False, True] and not term.loss[1]
        torch.testing.assert_close(term.loss, padded[name].loss)
        torch.testing.assert_close(term.loss[2], terms(model, learning, items[2:])[name].loss[0])
    assert terms(model, learning, items[1:2]) == {}
    assert {name: term.weight for name, term in packed.items()} == {
        "frames.discriminator": 1.0,
        "frames.adversarial": 1.0,
        "frames.features": 2.0,
        "frames.mel": 45.0,
    }


def test_what_sounds_recorded_costs_the_vocoder_little(model, monkeypatch):
    """A vocoder that gave the recording itself: no distance to it, and what is judged false is what is judged true."""
    one, learning = item(STEPS), objective()
    recorded = one.answer.arrays["sound"].flatten()[None]
    vocoder = model.postnet("frames").vocoder
    monkeypatch.setattr(vocoder, "forward", lambda frames: recorded)
    found = {name: term.loss[0].item() for name, term in terms(model, learning, [one]).items()}
    assert found["frames.mel"] == 0 and found["frames.features"] == 0
    with torch.no_grad():
        scores = [heard(recorded)[-1] for heard in learning.discriminators]
    assert found["frames.adversarial"] == pytest.approx(sum(float((1 - s).square().mean()) for s in scores), rel=1e-4)
    both = sum(float((1 - s).square().mean() + s.square().mean()) for s in scores)
    assert found["frames.discriminator"] == pytest.approx(both, rel=1e-4)


def test_a_segment_is_frames_with_their_own_sound(model):
    learning, one = objective(), item(9)
    made = batch(model, [one], Padded())
    learning.train()
    starts = set()
    for seed in range(20):
        torch.manual_seed(seed)
        frames, sound = learning._segments(made.target.pieces["frames"], torch.tensor([0]))
        assert frames.shape == (1, 4 * STEPS, 80) and sound.shape == (1, 640 * STEPS)
        inner = slice(3, -3)  # at a segment's ends the spectrum reflects
        torch.testing.assert_close(VOICE(sound)[:, inner], frames[:, inner], rtol=1e-3, atol=1e-3)
        starts.add(float(sound[0, 0]))
    assert len(starts) > 3


def test_both_sides_learn_by_one_optimiser(model):
    """In forty steps on one sound: the vocoder's spectrum comes near, and the discriminators tell the two apart."""
    torch.manual_seed(5)
    spec = load_spec("configs/models/vocoder.yaml")
    ours, learning, one = UnimodalForConditionalGeneration(UnimodalConfig(**spec)), objective().train(), item(8)
    optimizer = torch.optim.AdamW([*ours.parameters(), *learning.parameters()], lr=2e-3, betas=(0.8, 0.99))
    found = []
    for _ in range(40):
        losses = terms(ours, learning, [one])
        optimizer.zero_grad()
        total(losses).backward()
        optimizer.step()
        found.append({name: term.loss[0].item() for name, term in losses.items()})
    assert found[-1]["frames.mel"] < 0.6 * found[0]["frames.mel"]
    assert found[-1]["frames.discriminator"] < 0.8 * found[0]["frames.discriminator"]


def test_what_is_missing_is_named(model):
    learning, one = objective(), item(5)
    silent = {name: array for name, array in one.answer.arrays.items() if name != "sound"}
    with pytest.raises(ValueError, match="^objective: frames come without their sound: set keeps_sound"):
        terms(model, learning, [Item("tts", one.prompt, Piece("frames", silent, 5))])
    spec = load_spec("configs/models/tiny.yaml")
    unlearned = UnimodalForConditionalGeneration(UnimodalConfig(**spec)).eval()
    with pytest.raises(ValueError, match="^objective: the model's post-net frames has no vocoder that learns"):
        terms(unlearned, learning, [one])
