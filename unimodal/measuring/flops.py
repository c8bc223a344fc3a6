"""Floating-point operations that a batch asks of a model, and those that a machine can do at most.

b rows, t entries, d width
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from unimodal.batching import IGNORED, Batch, Sequences
from unimodal.caches.once import Once
from unimodal.hidden import Memory
from unimodal.layout import Layout
from unimodal.model import UnimodalForConditionalGeneration

BACKWARD = 2.0
"""Operations of the backward pass for each of the forward one: gradients of inputs and of weights."""


@final
@dataclass(frozen=True, kw_only=True)
class ModelFlops:
    """Operations of a forward pass through the backbone and the head, a sum and a product counted as two.

    They are linear in entries and in pairs of entries of the same example; the factors are found by counting passes
    over a few entries, so that any part of a block is counted as it is. What padding and packed neighbours cost is no
    use and not counted; attention counts whole, masked or not, as in model-FLOP utilisation (Chowdhery et al. 2022,
    2204.02311). Nets of modalities are left out: a model's share of them is small, and a run's figure a lower bound. So
    are the decoders of a model that has several.
    """

    source: float = 0.0
    source_pair: float = 0.0
    target: float = 0.0
    target_pair: float = 0.0
    read: float = 0.0
    """Of a source entry that a decoder reads: its keys and values."""
    read_pair: float = 0.0
    label: float

    @classmethod
    @torch.no_grad()
    def of(cls, model: UnimodalForConditionalGeneration) -> "ModelFlops":
        """Counts passes over 8 and 16 entries."""
        found: dict[str, float] = {"label": _count(lambda: model.logits(_embeds(model, 8))) / 8}
        if model.backbone.encoder is not None:
            source, pair = _line({size: _encoder(model, size) for size in (8, 16)})
            found |= {"source": source, "source_pair": pair}
        if model.backbone.decoder is not None:
            if model.backbone.encoder is None:
                target, pair = _line({size: _decoder(model, None, size) for size in (8, 16)})
                return cls(target=target, target_pair=pair, **found)
            reading = {(source, size): _decoder(model, source, size) for source in (8, 16) for size in (8, 16)}
            # 64 pairs more and 8 entries read more; then 128 pairs more and 8 entries read more.
            first, second = (reading[16, size] - reading[8, size] for size in (8, 16))
            read_pair = (second - first) / 64
            read = (first - 64 * read_pair) / 8
            target, pair = _line({size: reading[8, size] - 8 * size * read_pair - 8 * read for size in (8, 16)})
            found |= {"target": target, "target_pair": pair, "read": read, "read_pair": read_pair}
        return cls(**found)

    def forward(self, batch: Batch) -> float:
        """Operations of a forward pass over the examples of a batch."""
        sources, targets = (_lengths(side, batch.num_examples) for side in (batch.source, batch.target))
        entries = self.source * sources.sum() + self.source_pair * (sources**2).sum()
        entries = entries + self.target * targets.sum() + self.target_pair * (targets**2).sum()
        if batch.target is not None:
            read = sources[_read(batch.target, batch.num_examples)]
            entries = entries + self.read * sources.sum() + self.read_pair * (read * targets).sum()
        return float(entries + self.label * (batch.labels != IGNORED).sum())


@final
@dataclass(frozen=True)
class Peak:
    """Operations a second that a device can do at most, and how that is known."""

    flops: float
    source: str


# Dense bfloat16 or float16 with float32 sums, from the vendors' data sheets; the more special name stands first.
_VENDORS = (
    ("H200", 989.4e12),
    ("H100 PCIe", 756e12),
    ("H100 NVL", 835e12),
    ("H100", 989.4e12),
    ("B200", 2250e12),
    ("A100", 312e12),
    ("L40S", 362e12),
    ("A10G", 70e12),
    ("RTX 4090", 165.2e12),
    ("RTX 3090", 71e12),
    ("V100", 125e12),
)


@lru_cache(maxsize=8)
def peak(device: torch.device, dtype: torch.dtype) -> Peak:
    """The vendor's figure for 16 bits on a GPU of a known name, otherwise the best of some measured matrix products."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for known, flops in _VENDORS:
            if known in name and dtype in (torch.bfloat16, torch.float16):
                return Peak(flops, f"the vendor's figure for {name} in {_name(dtype)}")
        return Peak(measure_gemm(device, dtype), f"matrix products measured on {name} in {_name(dtype)}")
    threads = torch.get_num_threads()
    return Peak(measure_gemm(device, dtype), f"matrix products measured in {_name(dtype)} on {threads} threads")


def measure_gemm(device: torch.device, dtype: torch.dtype, *, size: int | None = None, rounds: int = 20) -> float:
    """Operations a second of the fastest of some products of square matrices."""
    # A CPU's are short, so that on a busy machine some of them are not interrupted.
    size = size or (8192 if device.type == "cuda" else 512)
    left, right, out = (torch.ones(size, size, device=device, dtype=dtype) for _ in range(3))

    def run() -> float:
        begin = time.perf_counter()
        torch.mm(left, right, out=out)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - begin

    run()
    return 2 * size**3 / min(run() for _ in range(rounds))


def _encoder(model: UnimodalForConditionalGeneration, size: int) -> float:
    return _count(lambda: _memories(model, size))


def _memories(model: UnimodalForConditionalGeneration, size: int) -> dict[str, Memory]:
    embeds = torch.zeros(1, size, model.backbone.encoder_dim, device=model.device, dtype=model.dtype)
    memories: dict[str, Memory]
    _, memories = model.backbone.cascade(model.backbone.encode(embeds, _layout(embeds))[1], None, model)
    return memories


def _decoder(model: UnimodalForConditionalGeneration, source: int | None, size: int) -> float:
    memories: dict[str, Memory] = {}
    if source is not None:
        memories = _memories(model, source)
    target = _embeds(model, size)[None]
    return _count(lambda: model.backbone.decode(target, _layout(target), Once(1, model.device), memories))


def _embeds(model: UnimodalForConditionalGeneration, size: int) -> Tensor:
    return torch.zeros(size, model.embedding.embedding_dim, device=model.device, dtype=model.dtype)


def _layout(embeds: Tensor) -> Layout:
    return Layout.of_valid(torch.ones(embeds.shape[:2], dtype=torch.bool, device=embeds.device))


def _line(counted: dict[int, float]) -> tuple[float, float]:
    """(each entry's, each pair's) of what was counted for 8 and for 16 entries."""
    pair = (counted[16] - 2 * counted[8]) / 128
    return (counted[8] - 64 * pair) / 8, pair


def _count(action: Callable[[], object]) -> float:
    # Written as plain products, attention is counted on every device; its fused kernel for CPUs is not.
    with torch.random.fork_rng(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        action()
    return float(counter.get_total_flops())


def _read(target: Sequences, num_examples: int) -> Tensor:
    """The example whose source each example reads."""
    own = torch.arange(num_examples)
    if target.layout.reads is not None:
        own[target.layout.segments[target.layout.valid].cpu()] = target.layout.reads[target.layout.valid].cpu()
    return own


def _lengths(side: Sequences | None, num_examples: int) -> Tensor:
    """Entries of each example, as float64: pairs of long examples are many."""
    if side is None:
        return torch.zeros(num_examples, dtype=torch.float64)
    segments = side.layout.segments[side.layout.valid]
    return torch.bincount(segments, minlength=num_examples).to("cpu", torch.float64)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
