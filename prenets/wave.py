"""Speech in as samples: strided convolutions and no spectrum, as wav2vec 2.0 and SpeechT5 read it.

p pieces, n samples, c channels, l entries, k taps of a convolution, d width
"""

from collections.abc import Callable, Mapping, Sequence
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unimodal.modality import Embed, KeywordPrenet
from unimodal.prenets.span_masking import SpanMasking, refuse_hidden


@final
class WaveStem(nn.Module):
    """Convolutions without padding, each with GELU; the first one's channels are normalised over time."""

    def __init__(self, *, widths: Sequence[int], kernels: Sequence[int], strides: Sequence[int], bias: bool = False):
        super().__init__()
        if not widths or not len(widths) == len(kernels) == len(strides):
            raise ValueError("widths, kernels, strides: each convolution has one of each, and there is one at least")
        before = [1, *widths[:-1]]
        self.layers = nn.ModuleList(
            nn.Conv1d(*sizes, bias=bias) for sizes in zip(before, widths, kernels, strides, strict=True)
        )
        self.norm = nn.GroupNorm(widths[0], widths[0])
        self.width = widths[-1]
        self._windows = list(zip(kernels, strides, strict=True))

    def num_entries(self, samples: Int[Tensor, "*p"]) -> Int[Tensor, "*p"]:
        """What is left of so many samples; not above 0 where they are too few."""
        for kernel, stride in self._windows:
            samples = (samples - kernel).div(stride, rounding_mode="floor") + 1
        return samples

    def forward(self, samples: Float[Tensor, "p n"]) -> Float[Tensor, "p l c"]:
        first, *others = self.layers
        x: Float[Tensor, "p c t"] = functional.gelu(self.norm(first(samples[:, None])))
        for layer in others:
            x = functional.gelu(layer(x))
        return x.transpose(1, 2)


@final
class Neighbours(nn.Module):
    """What an entry hears of those around it, which tells it where it stands: a wide convolution in groups.

    Its weight is held as a direction for each tap and that tap's length (weight normalisation, Salimans and Kingma
    2016, arXiv:1602.07868).
    """

    def __init__(self, dim: int, *, kernel: int = 128, groups: int = 16):
        super().__init__()
        self.groups = groups
        self.length = nn.Parameter(torch.ones(1, 1, kernel))
        self.direction = nn.Parameter(torch.randn(dim, dim // groups, kernel))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Float[Tensor, "p l d"]) -> Float[Tensor, "p l d"]:
        kernel = self.direction.shape[-1]
        weight: Float[Tensor, "d c k"] = self.direction * (self.length / self.direction.norm(dim=(0, 1), keepdim=True))
        heard = functional.conv1d(x.transpose(1, 2), weight, self.bias, padding=kernel // 2, groups=self.groups)
        return functional.gelu(heard[..., : x.shape[1]]).transpose(1, 2)  # an even kernel gives one entry too many


@final
class WavePrenet(KeywordPrenet):
    """Samples at 16 kHz -> a normalised projection of the convolutions' channels, plus what its neighbours say.

    wav2vec 2.0 (Baevski et al. 2020, arXiv:2006.11477), as SpeechT5 takes it over (Ao et al. 2022, arXiv:2110.07205).
    As in the released models nothing is cut at a piece's end: the first norm and the neighbours of its last entries see
    the padding, so that a piece sounds a little different beside a longer one. Raises ValueError for too few samples.
    """

    keywords = ("input_values",)

    def __init__(
        self,
        dim: int,
        *,
        stem: WaveStem,
        neighbours: Callable[[int], Neighbours],
        masking: Callable[[int], SpanMasking] | None = None,
        epsilon: float = 1e-5,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.stem = stem
        self.norm = nn.LayerNorm(stem.width, eps=epsilon)
        self.project = nn.Linear(stem.width, dim)
        self.dropout = nn.Dropout(dropout)
        self.masking = None if masking is None else masking(dim)
        self.neighbours = neighbours(dim)

    def arrays(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"samples": inputs["input_values"]}

    def real(self, mask: Bool[Tensor, "p n"]) -> Bool[Tensor, "p l"]:
        entries, longest = (self.stem.num_entries(length) for length in (mask.sum(1), torch.tensor(mask.shape[1])))
        return torch.arange(int(longest), device=mask.device) < entries[:, None]

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        samples: Float[Tensor, "p n"] = arrays["samples"].to(self.project.weight.dtype)
        entries = self.stem.num_entries(lengths)
        if int(entries.min()) < 1:
            raise ValueError(f"input_values: {int(lengths.min())} samples are too few to give one entry")
        x: Float[Tensor, "p l d"] = self.dropout(self.project(self.norm(self.stem(samples))))
        if self.masking is None:
            refuse_hidden(arrays, "wave")
        else:
            x = self.masking(x, entries, arrays)
        heard: Tensor = x + self.neighbours(x)
        return heard
