"""A block receives its parts built; it never chooses them."""

from collections.abc import Callable, Mapping, Sequence
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.attention import Pattern
from unimodal.caches import LayerCache
from unimodal.feedforwards import FeedForward
from unimodal.hidden import MemoryView
from unimodal.layout import Layout
from unimodal.mixers import Mixer
from unimodal.residuals import Residual


@final
class Reading:
    """A cross-attention of a block: the memory that it reads, and the mixer that reads it."""

    def __init__(self, memory: str, *, mixer: Callable[[int], Mixer]) -> None:
        self.memory = memory
        self.mixer = mixer


@final
class Block(nn.Module):
    """A mixer, a cross-attention for each named memory in the order given, and a feed-forward, each in its residual."""

    def __init__(
        self,
        dim: int,
        *,
        mixer: Callable[[int], Mixer],
        feedforward: Callable[[int], FeedForward],
        residual: Callable[[int], Residual],
        reads: Sequence[Reading] = (),
    ) -> None:
        super().__init__()
        self.mixer = mixer(dim)
        self.mixer_residual = residual(dim)
        self.reads = nn.ModuleDict({reading.memory: reading.mixer(dim) for reading in reads})
        self.read_residuals = nn.ModuleDict({reading.memory: residual(dim) for reading in reads})
        self.feedforward = feedforward(dim)
        self.feedforward_residual = residual(dim)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        layout: Layout,
        patterns: Mapping[str, Pattern],
        cache: LayerCache,
        memories: Mapping[str, MemoryView],
    ) -> Float[Tensor, "b t d"]:
        """The stream after all sublayers; `patterns` holds one for `self` and one for each memory."""
        x = self.mixer_residual(x, lambda inner: self.mixer(inner, layout, patterns["self"], cache))
        for name, mixer in self.reads.items():
            x = self.read_residuals[name](x, _reader(mixer, layout, patterns[name], cache, memories[name]))
        out: Tensor = self.feedforward_residual(x, self.feedforward)
        return out


def _reader(
    mixer: nn.Module, layout: Layout, pattern: Pattern, cache: LayerCache, memory: MemoryView
) -> Callable[[Tensor], Tensor]:
    def read(inner: Tensor) -> Tensor:
        out: Tensor = mixer(inner, layout, pattern, cache, memory)
        return out

    return read
