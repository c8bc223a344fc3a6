"""Sound from a trained net. b rows, t frames, f mel bands, n samples, c channels, e samples so far"""

import math
from collections.abc import Sequence
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unimodal.prenets.vocoders import Vocoder


@final
class ResidualBlock(nn.Module):
    """Pairs of convolutions, a dilated and a plain one, each pair added to what it read."""

    def __init__(self, width: int, *, kernel: int, dilations: Sequence[int], slope: float):
        super().__init__()
        self.slope = slope
        self.dilated = nn.ModuleList(
            nn.Conv1d(width, width, kernel, dilation=dilation, padding="same") for dilation in dilations
        )
        self.plain = nn.ModuleList(nn.Conv1d(width, width, kernel, padding="same") for _ in dilations)

    @property
    def reach(self) -> int:
        """Entries to either side that an entry hears."""
        return sum(_reach(cast(nn.Conv1d, layer)) for layer in (*self.dilated, *self.plain))

    def forward(self, x: Float[Tensor, "b c e"]) -> Float[Tensor, "b c e"]:
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            inner = dilated(functional.leaky_relu(x, self.slope))
            x = x + plain(functional.leaky_relu(inner, self.slope))
        return x


@final
class HifiGan(nn.Module, Vocoder):
    """Turns each frame into samples by learned steps, the product of `rates` in all (Kong et al. 2020, 2010.05646).

    Behind each step stands the mean of a residual block for every width of `block_kernels`. `normalised`: frames are
    first brought to the `mean` and `scale` of those that it was trained on. It meets the contract of the folder with
    weights that were trained on `VOICE` frames at the default rates; other weights read other frames and give other
    numbers of samples.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        *,
        num_bands: int = 80,
        width: int = 512,
        rates: Sequence[int] = (8, 5, 2, 2),
        kernels: Sequence[int] = (16, 10, 4, 4),
        block_kernels: Sequence[int] = (3, 7, 11),
        dilations: Sequence[Sequence[int]] = ((1, 3, 5), (1, 3, 5), (1, 3, 5)),
        slope: float = 0.1,
        normalised: bool = False,
    ):
        super().__init__()
        _check(width, rates, kernels, block_kernels, dilations)
        self.slope, self.normalised = slope, normalised
        self.rates, self.kernels = tuple(rates), tuple(kernels)
        self.register_buffer("mean", torch.zeros(num_bands))
        self.register_buffer("scale", torch.ones(num_bands))
        widths = [width // 2**step for step in range(len(rates) + 1)]
        self.first = nn.Conv1d(num_bands, width, 7, padding=3)
        self.steps = nn.ModuleList(
            _upsampling(*sizes) for sizes in zip(widths[:-1], widths[1:], rates, kernels, strict=True)
        )
        self.blocks = nn.ModuleList(
            ResidualBlock(after, kernel=kernel, dilations=dilated, slope=slope)
            for after in widths[1:]
            for kernel, dilated in zip(block_kernels, dilations, strict=True)
        )
        self.last = nn.Conv1d(widths[-1], 1, 7, padding=3)

    @property
    def hop(self) -> int:
        """Samples of a frame."""
        return math.prod(self.rates)

    @property
    def context(self) -> int:
        """Frames to either side of its own that a sample hears at most."""
        reach = _reach(self.last)
        for place in reversed(range(len(self.steps))):
            reach += max(block.reach for block in self._blocks(place))
            rate, kernel = self.rates[place], self.kernels[place]
            cut = (kernel - rate + 1) // 2  # of what the kernel spreads, on the left
            reach = max(reach + rate - 1 + cut, reach + kernel - 1 - cut) // rate
        return reach + _reach(self.first)

    def _blocks(self, step: int) -> list[ResidualBlock]:
        """Those behind a step."""
        several = len(self.blocks) // len(self.steps)
        return [cast(ResidualBlock, block) for block in self.blocks[step * several : (step + 1) * several]]

    def forward(self, frames: Float[Tensor, "*b t f"]) -> Float[Tensor, "*b n"]:
        """The sound of one utterance, or of several that are padded to one length."""
        x = frames.to(self.last.weight.dtype)
        if self.normalised:
            x = (x - self.mean) / self.scale
        x = self.first(x.reshape(-1, *x.shape[-2:]).transpose(1, 2))
        for place, step in enumerate(self.steps):
            x = step(functional.leaky_relu(x, self.slope))
            x = torch.stack([block(x) for block in self._blocks(place)]).mean(0)
        # The released code leaves this one slope at torch's default.
        samples = torch.tanh(self.last(functional.leaky_relu(x)))[:, 0]
        return samples.reshape(*frames.shape[:-2], samples.shape[-1])


def _reach(layer: nn.Conv1d) -> int:
    """Entries to either side that a centred convolution reads."""
    return (layer.kernel_size[0] - 1) // 2 * layer.dilation[0]


def _upsampling(before: int, after: int, rate: int, kernel: int) -> nn.ConvTranspose1d:
    """`rate` samples for each one."""
    excess = kernel - rate
    return nn.ConvTranspose1d(before, after, kernel, rate, padding=(excess + 1) // 2, output_padding=excess % 2)


def _check(
    width: int,
    rates: Sequence[int],
    kernels: Sequence[int],
    block_kernels: Sequence[int],
    dilations: Sequence[Sequence[int]],
) -> None:
    if not rates or len(rates) != len(kernels) or any(k < r for r, k in zip(rates, kernels, strict=False)):
        raise ValueError(f"rates, kernels: each step has a kernel at least as wide as its rate, not {rates}, {kernels}")
    if len(block_kernels) != len(dilations) or not block_kernels:
        raise ValueError(
            f"block_kernels, dilations: {len(block_kernels)} widths and {len(dilations)} lists do not match"
        )
    if any(kernel % 2 == 0 for kernel in block_kernels):
        raise ValueError(f"block_kernels: are odd, so that nothing is shifted, not {block_kernels}")
    if width % 2 ** len(rates):
        raise ValueError(f"width: is halved {len(rates)} times, and {width} cannot be")
