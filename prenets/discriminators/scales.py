"""Listens to sound as it is, or smoothed. b rows, n samples, c channels, t entries"""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from unimodal.prenets.discriminators import Discriminator

SLOPE = 0.1


@final
class Scales(Discriminator):
    """Grouped convolutions over sound that was halved `halvings` times (HiFi-GAN, Kong et al. 2020, 2010.05646).

    `width` 128 are the paper's sizes. Weights are normalised on every scale (theirs: spectrally on the first one).
    """

    def __init__(self, *, halvings: int = 0, width: int = 128):
        super().__init__()
        if width % 16:
            raise ValueError(f"width: divides into 16 groups, and {width} does not")
        self.halvings = halvings
        # Channels, kernel, stride, groups.
        layers = [
            (width, 15, 1, 1),
            (width, 41, 2, 4),
            (2 * width, 41, 2, 16),
            (4 * width, 41, 4, 16),
            (8 * width, 41, 4, 16),
            (8 * width, 41, 1, 16),
            (8 * width, 5, 1, 1),
        ]
        befores = [1, *(after for after, *_ in layers[:-1])]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv1d(before, after, kernel, stride, padding=kernel // 2, groups=groups))
            for before, (after, kernel, stride, groups) in zip(befores, layers, strict=True)
        )
        self.last = weight_norm(nn.Conv1d(8 * width, 1, 3, padding=1))

    def forward(self, samples: Float[Tensor, "b n"]) -> list[Float[Tensor, "b *shape"]]:
        x: Float[Tensor, "b c t"] = samples[:, None]
        for _ in range(self.halvings):
            x = functional.avg_pool1d(x, 4, 2, padding=2)
        heard = []
        for layer in self.layers:
            x = functional.leaky_relu(layer(x), SLOPE)
            heard.append(x)
        return [*heard, self.last(x)]
