"""Convolutions along a piece: what they see, and that padding is none of it."""

import pytest
import torch

from unimodal.prenets.local_context import LocalContext
from unimodal.prenets.speech import SpeechPrenet

LENGTHS = torch.tensor([9, 5])


def test_an_entry_hears_its_neighbours_and_no_padding() -> None:
    torch.manual_seed(0)
    net = LocalContext(8, num_layers=2, kernel=3).double().eval()
    x = torch.randn(2, 9, 8, dtype=torch.double, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(x, LENGTHS)[0, 4].sum(), x)
    assert gradient[0].abs().sum(1).ne(0).tolist() == [place in range(2, 7) for place in range(9)]
    alone = net(x[1:, :5], LENGTHS[1:])
    torch.testing.assert_close(net(x, LENGTHS)[1:, :5], alone)


def test_speech_in_a_batch_is_what_it_is_alone() -> None:
    torch.manual_seed(0)
    net = SpeechPrenet(16, context=lambda dim: LocalContext(dim, num_layers=2)).double().eval()
    features, frames = torch.randn(2, 40, 80, dtype=torch.double), torch.tensor([40, 21])
    together = net.embed({"features": features}, frames, lambda ids: ids)
    alone = net.embed({"features": features[1:, :21]}, frames[1:], lambda ids: ids)
    torch.testing.assert_close(together[1:, : alone.shape[1]], alone)


def test_a_kernel_has_a_middle() -> None:
    with pytest.raises(ValueError, match="kernel: expected an odd number, got 4"):
        LocalContext(8, kernel=4)
