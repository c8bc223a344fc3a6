"""Listens to every n-th sample side by side. b rows, n samples, c channels, t samples of one phase, q period"""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from unimodal.prenets.discriminators import Discriminator

SLOPE = 0.1
KERNEL = 5


@final
class Periods(Discriminator):
    """Samples in rows of `period`, and convolutions down the columns (HiFi-GAN, Kong et al. 2020, 2010.05646).

    `width` 32 are the paper's sizes: channels grow fourfold, to 32 times as many.
    """

    def __init__(self, *, period: int, width: int = 32):
        super().__init__()
        if period < 1:
            raise ValueError(f"period: is one sample at least, not {period}")
        self.period = period
        widths = [1, *(width * times for times in (1, 4, 16, 32, 32))]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (KERNEL, 1), (stride, 1), padding=(KERNEL // 2, 0)))
            for before, after, stride in zip(widths[:-1], widths[1:], (3, 3, 3, 3, 1), strict=True)
        )
        self.last = weight_norm(nn.Conv2d(widths[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, samples: Float[Tensor, "b n"]) -> list[Float[Tensor, "b *shape"]]:
        # The last row is filled up with the sound's own end.
        filled = functional.pad(samples[:, None], (0, -samples.shape[1] % self.period), mode="reflect")
        x: Float[Tensor, "b c t q"] = filled.reshape(*filled.shape[:2], -1, self.period)
        heard = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), SLOPE)
            heard.append(x)
        return [*heard, self.last(x)]
