import pytest
import torch

from unimodal.prenets.dropouts.always import AlwaysDropout
from unimodal.prenets.frames import CENTRE, SILENCE, SPREAD, FramePostnet, FramePrenet, FrameProcessor
from unimodal.prenets.spectrogram import VOICE
from unimodal.prenets.waveform import Waveform


def sound(num_samples):
    return Waveform(torch.randn(num_samples) * 0.1, 16_000)


def test_a_step_reads_the_last_frame_of_the_step_before():
    raw = sound(16_000 + 1)  # 101 frames
    arrays = FrameProcessor(reduction=4)(raw)
    frames = (VOICE(raw.samples) - CENTRE) / SPREAD
    assert arrays["frames"].shape == (26, 320) and arrays["previous"].shape == (26, 80)
    torch.testing.assert_close(arrays["frames"].reshape(-1, 80)[:101], frames)
    assert torch.all(arrays["frames"].reshape(-1, 80)[101:] == SILENCE)
    assert torch.all(arrays["previous"][0] == 0)
    torch.testing.assert_close(arrays["previous"][1:], frames[3:100:4])


def unrefined(postnet):
    torch.nn.init.zeros_(postnet.refinement[-1].weight)
    torch.nn.init.zeros_(postnet.refinement[-1].bias)
    return postnet


def test_true_frames_render_to_their_own_sound():
    moments = torch.arange(16_000) / 16_000
    samples = sum(torch.sin(2 * torch.pi * 140 * k * moments) / k for k in range(1, 20)) * 0.1
    arrays = FrameProcessor(reduction=4)(Waveform(samples, 16_000))
    rendered = unrefined(FramePostnet(16, reduction=4)).render({"frames": arrays["frames"]})
    assert rendered.shape == (16_000,)
    frames, again = VOICE(samples), VOICE(rendered)
    loud = frames > frames.max() - 6
    assert (again - frames)[loud].abs().mean() < 0.25


def test_losses_of_a_known_answer():
    postnet = unrefined(FramePostnet(16, reduction=2, stop_weight=3.0))
    torch.nn.init.zeros_(postnet.frames.weight)
    torch.nn.init.ones_(postnet.frames.bias)
    torch.nn.init.zeros_(postnet.stop.weight)
    torch.nn.init.zeros_(postnet.stop.bias)
    target = {"frames": torch.full((2, 5, 160), 0.25)}
    losses = postnet.loss(torch.randn(2, 5, 16), target, torch.tensor([5, 3]))
    torch.testing.assert_close(losses["before"], torch.full((2,), 0.75))
    torch.testing.assert_close(losses["after"], torch.full((2,), 0.75))
    # A logit of 0 costs ln 2 a step, the last step three times that.
    ln2 = torch.tensor(2.0).log()
    torch.testing.assert_close(losses["stop"], torch.stack([ln2 * 7 / 5, ln2 * 5 / 3]))


def test_an_utterance_can_be_learned():
    """Prenet and postnet together: with the frame before and its own step, 60 updates explain most of a sound."""
    arrays = {name: array[None] for name, array in FrameProcessor(reduction=4)(sound(4_000)).items()}
    lengths = torch.tensor([arrays["frames"].shape[1]])
    prenet, postnet = FramePrenet(64, width=64, dropout=AlwaysDropout(rate=0.0)), FramePostnet(64, refinement_width=32)
    parameters = [*prenet.parameters(), *postnet.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=5e-3)
    first = None
    for _ in range(60):
        hidden = prenet.embed(arrays, lengths, torch.nn.Identity())
        losses = postnet.loss(hidden, arrays, lengths)
        total = sum(loss.sum() for loss in losses.values())
        first = first or {name: loss.item() for name, loss in losses.items()}
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    assert losses["after"] < 0.3 * first["after"] and losses["before"] < 0.5 * first["before"]
    stop = postnet.decode(prenet.embed(arrays, lengths, torch.nn.Identity()))["stop"][0]
    assert stop[-1] > stop[:-1].max()


def test_the_decoder_reads_noisy_frames_in_inference_too():
    arrays, lengths = {"previous": torch.randn(1, 5, 80)}, torch.tensor([5])
    noisy = FramePrenet(16).eval()
    assert not torch.equal(
        noisy.embed(arrays, lengths, torch.nn.Identity()), noisy.embed(arrays, lengths, torch.nn.Identity())
    )


def test_a_reduction_that_does_not_fit_is_named():
    postnet, arrays = FramePostnet(16, reduction=2), FrameProcessor(reduction=4)(sound(1600))
    with pytest.raises(ValueError, match=r"frames come 4 a step, but FramePostnet\(reduction=2\)"):
        postnet.loss(torch.randn(1, 3, 16), {"frames": arrays["frames"][None]}, torch.tensor([3]))
