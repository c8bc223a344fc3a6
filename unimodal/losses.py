"""The cross entropy of tokens over a large vocabulary, without a second array of its size in the forward pass."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from unimodal.batching import IGNORED

_CHUNK = 1 << 20
"""Logits that are worked on at a time: 4 MiB in float32 stay in the caches."""


def token_losses(
    logits: Float[Tensor, "n v"], labels: Int[Tensor, " n"], *, smoothing: float = 0.0
) -> Float[Tensor, " n"]:
    """The cross entropy of each token in nats, 0 where its label is IGNORED; float32 for logits of fewer bits.

    `smoothing` of the target's probability goes to all tokens alike (Szegedy et al. 2016, 1512.00567). torch's own
    keeps the logarithms of all probabilities and fills two more arrays of their size on the way back; here only the
    gradient itself is one, and rows are worked on a few at a time. Differentiable once.
    """
    losses: Tensor = _TokenLosses.apply(logits, labels, smoothing)
    return losses


class _TokenLosses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        chunks = logits.split(_rows(logits))
        totals = torch.cat([_wide(chunk).logsumexp(-1) for chunk in chunks])
        picked = _wide(logits.gather(-1, labels.clamp(min=0)[:, None])[:, 0])
        if smoothing:
            means = torch.cat([_wide(chunk).mean(-1) for chunk in chunks])
            picked = (1 - smoothing) * picked + smoothing * means
        ctx.save_for_backward(logits, labels, totals)
        ctx.smoothing = smoothing
        return (totals - picked).masked_fill(labels == IGNORED, 0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        logits, labels, totals = ctx.saved_tensors
        upstream = upstream.masked_fill(labels == IGNORED, 0)
        gradient = torch.empty_like(logits)
        rows = [x.split(_rows(logits)) for x in (logits, labels.clamp(min=0), totals, upstream, gradient)]
        for chunk, targets, total, scale, out in zip(*rows, strict=True):
            wanted = torch.sub(_wide(chunk), total[:, None]).exp_()
            if ctx.smoothing:
                wanted -= ctx.smoothing / logits.shape[-1]
            wanted[torch.arange(len(targets), device=targets.device), targets] -= 1 - ctx.smoothing
            torch.mul(wanted, scale[:, None], out=wanted)
            out.copy_(wanted)
        return gradient, None, None


def _rows(logits: Tensor) -> int:
    return max(1, _CHUNK // logits.shape[-1])


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
