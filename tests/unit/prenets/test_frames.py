"""Speech out: what is taught, losses, ends, sound; tests/parity holds the released models' nets to theirs."""

from functools import partial

import pytest
import torch

from unimodal.layout import stack_ragged
from unimodal.prenets.dropouts.always import AlwaysDropout
from unimodal.prenets.dropouts.shared import SharedDropout
from unimodal.prenets.frames import CENTRE, SILENCE, SPREAD, FramePostnet, FramePrenet, FrameProcessor
from unimodal.prenets.refinement import Refinement
from unimodal.prenets.spectrogram import VOICE
from unimodal.prenets.vocoders.griffin_lim import GriffinLim
from unimodal.prenets.waveform import Waveform

BANDS, DIM = 4, 6


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


def postnet_of(dim, **settings):
    refinement = partial(Refinement, width=32, num_layers=3)
    return FramePostnet(dim, refinement=refinement, **{"vocoder": GriffinLim(), **settings})


def unrefined(postnet):
    torch.nn.init.zeros_(postnet.refinement.layers[-1].weight)
    torch.nn.init.zeros_(postnet.refinement.layers[-1].bias)
    return postnet


def test_true_frames_render_to_their_own_sound():
    moments = torch.arange(16_000) / 16_000
    samples = sum(torch.sin(2 * torch.pi * 140 * k * moments) / k for k in range(1, 20)) * 0.1
    arrays = FrameProcessor(reduction=4)(Waveform(samples, 16_000))
    rendered = unrefined(postnet_of(16, reduction=4)).render({"frames": arrays["frames"]})
    assert rendered.shape == (16_000,)
    frames, again = VOICE(samples), VOICE(rendered)
    loud = frames > frames.max() - 6
    assert (again - frames)[loud].abs().mean() < 0.25


def test_losses_of_a_known_answer():
    postnet = unrefined(postnet_of(16, reduction=2, stop_weight=3.0))
    torch.nn.init.zeros_(postnet.project.weight)
    torch.nn.init.ones_(postnet.project.bias)
    torch.nn.init.zeros_(postnet.stop.weight)
    torch.nn.init.zeros_(postnet.stop.bias)
    target = {"frames": torch.full((2, 5, 160), 0.25)}
    losses = postnet.loss(torch.randn(2, 5, 16), target, torch.tensor([5, 3]))
    torch.testing.assert_close(losses["before"], torch.full((2,), 0.75))
    torch.testing.assert_close(losses["after"], torch.full((2,), 0.75))
    # A logit of 0 costs ln 2 a frame, the last frame three times that.
    ln2 = torch.tensor(2.0).log()
    torch.testing.assert_close(losses["stop"], torch.stack([ln2 * 12 / 10, ln2 * 8 / 6]))


def test_an_utterance_can_be_learned():
    """Prenet and postnet together: with the frame before and its own step, 60 updates explain most of a sound."""
    arrays = {name: array[None] for name, array in FrameProcessor(reduction=4)(sound(4_000)).items()}
    lengths = torch.tensor([arrays["frames"].shape[1]])
    prenet, postnet = FramePrenet(64, width=64, dropout=AlwaysDropout(rate=0.0)), postnet_of(64)
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
    stop = postnet.decode(prenet.embed(arrays, lengths, torch.nn.Identity()))["stop"][0].sigmoid().sum(-1)
    assert stop[-1] > stop[:-1].max()


def test_the_decoder_reads_noisy_frames_in_inference_too():
    arrays, lengths = {"previous": torch.randn(1, 5, 80)}, torch.tensor([5])
    noisy = FramePrenet(16).eval()
    assert not torch.equal(
        noisy.embed(arrays, lengths, torch.nn.Identity()), noisy.embed(arrays, lengths, torch.nn.Identity())
    )


def test_a_reduction_that_does_not_fit_is_named():
    postnet, arrays = postnet_of(16, reduction=2), FrameProcessor(reduction=4)(sound(1600))
    with pytest.raises(ValueError, match=r"frames come 4 a step, but FramePostnet\(reduction=2\)"):
        postnet.loss(torch.randn(1, 3, 16), {"frames": arrays["frames"][None]}, torch.tensor([3]))


def normalised():
    refinement = partial(Refinement, width=5, num_layers=3, normalised=True)
    return FramePostnet(DIM, refinement=refinement, num_bands=BANDS, reduction=2).double().eval()


def test_losses_do_not_depend_on_padding():
    net, lengths = normalised(), torch.tensor([2, 5, 1])
    frames = [torch.randn(length, 2 * BANDS, dtype=torch.double) for length in lengths.tolist()]
    hidden = torch.randn(3, 5, DIM, dtype=torch.double)
    together = net.loss(hidden, {"frames": stack_ragged(frames)}, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = net.loss(hidden[row : row + 1, :length], {"frames": frames[row][None]}, lengths[row : row + 1])
        for name, loss in together.items():
            torch.testing.assert_close(loss[row], alone[name][0])


def test_a_step_ends_an_utterance_by_the_sum_of_its_frames():
    logits = torch.tensor([[[0.0, 0.0], [0.0, -20.0], [20.0, 20.0]]])
    decoded = {"stop": logits}
    assert normalised().ended(decoded, 0.5).tolist() == [[True, True, True]]
    assert normalised().ended(decoded, 0.9).tolist() == [[True, False, True]]
    assert normalised().ended(decoded, 1.5).tolist() == [[False, False, True]]


def test_shared_dropout_draws_for_steps_and_not_for_rows():
    dropout, x = SharedDropout(rate=0.5), torch.ones(3, 7, 40)
    steps = torch.arange(7).expand(3, 7)
    torch.manual_seed(1)
    whole = dropout(x, steps)
    assert torch.equal(whole[0], whole[1]) and not torch.equal(whole[:, 0], whole[:, 1])
    torch.manual_seed(1)
    assert torch.equal(dropout(x[:, -1:], steps[:, -1:]), whole[:, -1:]), "a step alone draws what it draws at the end"
