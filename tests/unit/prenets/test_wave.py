"""Samples through strided convolutions: how many entries they give, and what training hides of them."""

import pytest
import torch

from unimodal.prenets.span_masking import SpanMasking
from unimodal.prenets.wave import Neighbours, WavePrenet, WaveStem

DIM = 8
SIZES = {"widths": [4] * 7, "kernels": [10, 3, 3, 3, 3, 2, 2], "strides": [5, 2, 2, 2, 2, 2, 2]}


def prenet(**settings):
    return WavePrenet(
        DIM, stem=WaveStem(**SIZES), neighbours=lambda dim: Neighbours(dim, kernel=4, groups=2), **settings
    )


@pytest.mark.parametrize(("samples", "entries"), [(399, 0), (400, 1), (719, 1), (720, 2), (16_000, 49)])
def test_an_entry_is_20_ms(samples, entries):
    net = prenet()
    assert int(net.stem.num_entries(torch.tensor(samples))) == entries
    mask = torch.arange(16_000)[None] < samples
    assert net.real(mask).shape == (1, 49) and int(net.real(mask).sum()) == entries
    if entries:
        assert net.stem(torch.randn(1, samples)).shape == (1, entries, 4)


def test_neighbours_are_told_by_weights_of_a_given_length():
    net = Neighbours(DIM, kernel=4, groups=2)
    x, scaled = torch.randn(2, 9, DIM), Neighbours(DIM, kernel=4, groups=2)
    scaled.load_state_dict({**net.state_dict(), "direction": 3 * net.direction.detach()})
    assert net(x).shape == x.shape
    torch.testing.assert_close(net(x), scaled(x))


def test_training_hides_whole_spans_of_real_entries():
    masking, entries = SpanMasking(DIM, share=0.0, span=3, least=2), torch.tensor([20, 7, 2])
    x = torch.randn(3, 20, DIM)
    assert torch.equal(masking.eval()(x, entries, {}), x)
    hidden = (masking.train()(x, entries, {}) == masking.vector).all(-1)
    assert 3 < int(hidden[0].sum()) <= 6 and 3 < int(hidden[1].sum()) <= 6
    assert not hidden[1, 7:].any() and not hidden[2].any(), "a piece that is shorter than a span keeps all of it"
    masking(x, entries, {}).sum().backward()
    assert masking.vector.grad.any()


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="^widths, kernels, strides: "):
        WaveStem(widths=[4, 4], kernels=[3], strides=[2])
    with pytest.raises(ValueError, match="^input_values: 399 samples are too few"):
        prenet().embed({"samples": torch.randn(1, 399)}, torch.tensor([399]), torch.nn.Identity())


def test_entries_that_an_objective_hides_are_hidden_in_evaluation_too():
    net = prenet(masking=SpanMasking).eval()
    hidden = torch.zeros(2, 49, dtype=torch.bool)
    hidden[0, 10:20] = True
    arrays, lengths = {"samples": torch.randn(2, 16_000)}, torch.tensor([16_000, 16_000])
    shown, masked = (net.embed(given, lengths, torch.nn.Identity()) for given in (arrays, {**arrays, "hidden": hidden}))
    assert not torch.allclose(shown[0, 10:20], masked[0, 10:20]) and torch.equal(shown[1], masked[1])
    with pytest.raises(ValueError, match="^wave: an objective hides entries"):
        prenet().embed({**arrays, "hidden": hidden}, lengths, torch.nn.Identity())
