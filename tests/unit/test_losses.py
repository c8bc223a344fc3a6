"""The lean cross entropy is torch's, in value and gradient."""

import pytest
import torch
from torch.nn import functional

from unimodal import losses
from unimodal.batching import IGNORED


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_losses_and_gradients_are_torchs(
    smoothing: float, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    monkeypatch.setattr(losses, "_CHUNK", 3 * 50)  # eight rows lie in three chunks
    logits = (4 * torch.randn(8, 50, device=device)).to(dtype)
    labels = torch.randint(50, (8,), device=device)
    labels[2] = IGNORED
    weights = torch.rand(8, dtype=torch.float64, device=device)
    ours, theirs = logits.clone().requires_grad_(), logits.double().requires_grad_()
    found = losses.token_losses(ours, labels, smoothing=smoothing)
    expected = functional.cross_entropy(theirs, labels, reduction="none", label_smoothing=smoothing)
    relative = 1e-2 if dtype == torch.bfloat16 else 1e-4
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    assert ours.grad is not None and theirs.grad is not None and ours.grad.dtype == dtype
    torch.testing.assert_close(ours.grad.double(), theirs.grad, rtol=relative, atol=relative / 10)


def test_nothing_to_lose() -> None:
    assert losses.token_losses(torch.zeros(0, 7), torch.zeros(0, dtype=torch.long)).shape == (0,)
