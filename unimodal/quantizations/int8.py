"""Weights in eight bits a channel, activations in eight bits a token, multiplied by the processor's integer units.

Vector-wise as in Dettmers et al. (2022, 2208.07339): w = scale[channel] * int8 and x = scale[token] * int8, both
symmetric, so that scales leave the sums. Where they keep outliers in float16, here every token is two rows of integers,
the second of which holds what rounding took from the first, 254 times as fine: that costs the kernel next to nothing
(reading the weights is what takes time), and without it most of the error is the activations'.

n tokens, d width, v vocabulary
"""

from collections.abc import Sequence
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.decoding.products import Multiplier, Recordable, offer, recorded_product
from unimodal.precision.packed import ENGINES, Packed
from unimodal.quantizations import Map, Quantization, QuantizedLinear, joined_bias
from unimodal.tables import TokenTable

LARGEST = 127
"""Of the weights' integers."""
_ZERO = torch.zeros(())


@final
class Int8(Quantization):
    """For an x86 processor; ValueError elsewhere.

    Linear maps use FBGEMM's packed weights, of what torch offers the quickest at 1 and at 8 tokens
    (`scripts/bench_int8.py` has the measurements). The token table's rows are looked up, too, so it stays unpacked, and
    a tied head multiplies by it as it lies. `packed` is the share of the rows that are held a second time, packed for
    the head: at 0.6 a T5-small has 0.29 of its float32 bytes and writes a tenth faster than at 0 (0.25).
    """

    tolerance = 0.05

    def __init__(self, *, packed: float = 0.6) -> None:
        if torch.backends.quantized.engine not in ENGINES:
            raise ValueError(f"int8: needs an x86 processor; torch's engine here is {torch.backends.quantized.engine}")
        if not 0 <= packed <= 1:
            raise ValueError(f"packed: expected a share of the rows from 0 to 1, got {packed}")
        self.packed = packed
        self._planes = _Planes()

    def linear(self, linear: nn.Linear) -> Map:
        weight, scale = quantize_rows(linear.weight.detach())
        return Int8Linear(weight, scale[:, 0], linear.bias, planes=self._planes)

    def table(self, table: TokenTable) -> nn.Module:
        return Int8Table(table, num_packed=round(self.packed * table.num_embeddings))


@final
class Int8Linear(QuantizedLinear):
    """A linear map. Its integers are packed when it is first called, and unpacked for a state dict."""

    weight: Int[Tensor, "out in"] | None
    scale: Float[Tensor, " out"]

    def __init__(
        self,
        weight: Int[Tensor, "out in"],
        scale: Float[Tensor, " out"],
        bias: nn.Parameter | None,
        *,
        planes: "_Planes",
    ) -> None:
        super().__init__()
        self.out_features = weight.shape[0]
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.bias = bias
        self._planes = planes
        self._packed: Packed | None = None
        self.register_state_dict_pre_hook(_unpack)
        self.register_load_state_dict_pre_hook(_unpack)

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        if torch.compiler.is_exporting():
            assert self.weight is not None, "prepare_recording was not called"
            return _recorded(x, self.weight, self.scale, self.bias)
        packed = self._pack() if self._packed is None else self._packed
        planes, largest = self._planes.of(x)
        return _join(packed.multiply(planes), largest, self.bias)

    def prepare_recording(self) -> None:
        """Its integers are kept beside the packed ones from here on: as much room again."""
        packed = self._pack() if self._packed is None else self._packed
        if self.weight is None:
            self.weight = packed.integers()
            packed.offer(self.weight)

    def beside(self, others: Sequence[QuantizedLinear]) -> "Int8Linear":
        maps = (self, *others)
        states = [each.state_dict() for each in maps]
        weight, scale = (torch.cat([state[name] for state in states]) for name in ("weight", "scale"))
        return Int8Linear(weight, scale, joined_bias(maps), planes=self._planes)

    def _pack(self) -> Packed:
        assert self.weight is not None
        self._packed = Packed(self.weight, self.scale / STEPS)
        self.weight = None
        return self._packed


@final
class Int8Table(nn.Module, Recordable, Multiplier):
    """A token table, looked up and read backwards; its first rows are also held packed, for the latter."""

    weight: Int[Tensor, "v d"]
    scale: Float[Tensor, "v 1"]

    def __init__(self, table: TokenTable, *, num_packed: int) -> None:
        super().__init__()
        self.embedding_dim = table.embedding_dim
        self.num_packed = num_packed
        weight, scale = quantize_rows(table.weight.detach())
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self._packed: Packed | None = None
        self.register_load_state_dict_pre_hook(_forget)

    def forward(self, ids: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch d"]:
        return self.weight[ids] * self.scale[ids]

    def score(
        self, hidden: Float[Tensor, "*batch d"], bias: Float[Tensor, " v"] | None = None
    ) -> Float[Tensor, "*batch v"]:
        """As TokenTable's."""
        rows = hidden.reshape(-1, hidden.shape[-1])
        if torch.compiler.is_exporting():
            scores = _recorded(rows, self.weight, self.scale[:, 0], bias)
        else:
            planes, largest = split(rows, STEPS)
            scores = _join(self.multiply(planes), largest, bias)
        return scores.reshape(*hidden.shape[:-1], len(self.scale))

    def prepare_recording(self) -> None:
        """All rows are held packed from here on: who records has chosen speed over room."""
        if self.num_packed < len(self.weight):
            self.num_packed, self._packed = len(self.weight), None
        offer(self, self.weight)

    def multiply(self, x: Float[Tensor, "2 n d"]) -> Float[Tensor, "2 n v"]:
        if self._packed is None and self.num_packed:
            self._packed = Packed(self.weight[: self.num_packed], self.scale[: self.num_packed, 0] / STEPS)
        scores = [] if self._packed is None else [self._packed.multiply(x)]
        if self.num_packed < len(self.weight):
            scores.append(self._multiply_unpacked(x))
        return torch.cat(scores, -1) if len(scores) > 1 else scores[0]

    def _multiply_unpacked(self, x: Float[Tensor, "2 n d"]) -> Float[Tensor, "2 n u"]:
        """Of the rows behind the packed ones."""
        integers = x.round().to(torch.int8)
        # One row at a time is quick; of several, all at once are quicker.
        given = integers.unbind() if x.shape[1] == 1 else (integers.flatten(0, 1),)
        sums = torch.cat([torch._int_mm(each, self.weight[self.num_packed :].T) for each in given])
        scores: Tensor = (sums * (self.scale[self.num_packed :].T / STEPS)).unflatten(0, (2, -1))
        return scores


def quantize_rows(x: Float[Tensor, "n d"]) -> tuple[Int[Tensor, "n d"], Float[Tensor, "n 1"]]:
    """Integers and scales whose product is nearest to the rows; the largest entry of a row becomes 127 or -127."""
    scale = x.float().abs().amax(-1, keepdim=True).clamp_min(1e-30) / LARGEST
    return (x / scale).round().to(torch.int8), scale


def split(x: Float[Tensor, "*n d"], steps: int) -> tuple[Float[Tensor, "2 *n d"], Float[Tensor, "*n 1"]]:
    """Two planes, to be rounded to integers up to `steps`, and the largest absolute value of each row.

    x = largest / steps * (first - second / (2 * steps)). A row of zeros gives planes of NaN: whatever integers these
    become, their sums are finite and are multiplied by the row's largest value, which is zero.
    """
    largest = x.abs().amax(-1, keepdim=True)
    coarse = torch.addcdiv(_ZERO, x, largest, value=steps)
    return torch.stack((coarse, coarse.round().sub_(coarse).mul_(2 * steps))), largest


def _join(planes: Float[Tensor, "2 *n out"], largest: Float[Tensor, "*n 1"], bias: Tensor | None) -> Tensor:
    """The product of the rows that were split, from those of their planes."""
    coarse, fine = planes.unbind()
    y = coarse.add_(fine, alpha=-0.5 / STEPS)
    return y.mul_(largest) if bias is None else torch.addcmul(bias, y, largest)


def _recorded(
    x: Float[Tensor, "*n d"], weight: Int[Tensor, "out d"], scale: Float[Tensor, " out"], bias: Tensor | None
) -> Float[Tensor, "*n out"]:
    """The product as a recording has it, with nothing written in place.

    One row is multiplied by the integers as they lie and is not rounded: what comes of that in machine code reads them
    as fast as memory gives them.
    """
    if x.numel() == x.shape[-1]:
        y = nn.functional.linear(x, weight.to(x.dtype)) * scale
    else:
        largest = x.abs().amax(-1, keepdim=True)
        coarse = x / largest * STEPS
        planes = torch.stack((coarse, (coarse.round() - coarse) * (2 * STEPS)))
        first, second = recorded_product(planes, weight).unbind()
        y = (first - second * (0.5 / STEPS)) * largest
    return y if bias is None else y + bias


@final
class _Planes:
    """The planes of the input that was split last: query, key and value read the same one."""

    def __init__(self) -> None:
        self._last: tuple[Tensor | None, tuple[Tensor, Tensor]] = (None, (_ZERO, _ZERO))

    def of(self, x: Float[Tensor, "*n d"]) -> tuple[Float[Tensor, "2 *n d"], Float[Tensor, "*n 1"]]:
        """As `split`, once for a tensor that several maps read one after the other."""
        last, planes = self._last
        if last is not x:
            planes = split(x, STEPS)
            self._last = (x, planes)
        return planes


def _has_wide_sums() -> bool:
    """Whether products of eight bits are summed in 32 bits at once; older processors saturate at 16 in between."""
    return bool(torch.cpu.get_capabilities().get("avx512_vnni", False))


STEPS = LARGEST if _has_wide_sums() else LARGEST // 2
"""Of an activation's range on each side of zero."""


def _unpack(module: nn.Module, *_: Any) -> None:
    """Before a state dict is taken or loaded: the integers, as they were before packing."""
    assert isinstance(module, Int8Linear)
    if module._packed is not None:
        module.weight, module._packed = module._packed.integers(), None


def _forget(module: nn.Module, *_: Any) -> None:
    """Before a state dict is loaded: the packed copy will be of other rows."""
    assert isinstance(module, Int8Table)
    module._packed = None
