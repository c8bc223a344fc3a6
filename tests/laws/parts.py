"""All parts of a plural folder, found by walking it, each with the arguments that its laws are tried with."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from unimodal.attention import Pattern
from unimodal.build import build
from unimodal.layout import Layout
from unimodal.masks import Mask
from unimodal.positions import Position

DIM, HEADS, HEAD_DIM = 8, 4, 2

Spec = Mapping[str, Any]

# A class that is new in one of these folders fails its folder's first law until it has an entry here.
ARGUMENTS: dict[str, list[Spec]] = {
    "unimodal.masks.causal.Causal": [{}],
    "unimodal.masks.chunk.Chunk": [{"size": 3, "left": 1}, {"size": 2, "left": 0}],
    "unimodal.masks.full.Full": [{}],
    "unimodal.masks.prefix.Prefix": [{}],
    "unimodal.masks.window.Window": [{"width": 3}, {"width": 1}, {"width": 2, "ahead": 3}],
    "unimodal.positions.both.Both": [
        {
            "first": "unimodal.positions.sinusoidal.Sinusoidal",
            "second": {"class": "unimodal.positions.clipped.Clipped", "head_dim": HEAD_DIM, "longest": 3},
        },
        {
            "first": "unimodal.positions.rotary.Rotary",
            "second": {"class": "unimodal.positions.bucketed.Bucketed", "heads": HEADS, "bidirectional": True},
        },
    ],
    "unimodal.positions.bucketed.Bucketed": [
        {"heads": HEADS, "bidirectional": True, "num_buckets": 8, "longest": 6},
        {"heads": HEADS, "bidirectional": False, "num_buckets": 8, "longest": 6},
    ],
    "unimodal.positions.clipped.Clipped": [{"head_dim": HEAD_DIM, "longest": 3}],
    "unimodal.positions.dropped.Dropped": [{"position": "unimodal.positions.sinusoidal.Sinusoidal", "rate": 0.3}],
    "unimodal.positions.learned.Learned": [{"longest": 64}, {"longest": 64, "offset": 2}],
    "unimodal.positions.none.NoPosition": [{}],
    "unimodal.positions.rotary.Rotary": [
        {},
        {"base": 100.0},
        {"scaling": {"class": "unimodal.scalings.Linear", "factor": 3.0}},
    ],
    "unimodal.positions.sine_cosine.SineCosine": [{}, {"offset": 2, "inclusive": True}],
    "unimodal.positions.sinusoidal.Sinusoidal": [{}],
    "unimodal.mixers.attention.SelfAttention": [
        {"heads": HEADS},
        {"heads": HEADS, "groups": 2, "scale": 1.0, "biases": []},
        {"heads": HEADS, "groups": 1, "head_dim": 6},
    ],
    "unimodal.mixers.capped.Capped": [
        {"mixer": {"class": "unimodal.mixers.attention.SelfAttention", "heads": HEADS, "groups": 2}, "cap": 0.8},
    ],
    "unimodal.mixers.attention.CrossAttention": [{"heads": HEADS}, {"heads": HEADS, "groups": 2, "head_dim": 6}],
    "unimodal.feedforwards.dense.Dense": [
        {"hidden": 12, "activation": "unimodal.activations.ReLU"},
        {"hidden": 12, "activation": "unimodal.activations.TanhGELU", "bias": False},
    ],
    "unimodal.feedforwards.gated.Gated": [
        {"hidden": 12, "activation": "unimodal.activations.SiLU"},
        {"hidden": 12, "activation": "unimodal.activations.GELU", "bias": True},
    ],
    "unimodal.caches.dense.Dense": [{}, {"capacity": 1}],
    "unimodal.caches.once.Once": [{}],
    "unimodal.caches.quantized.Quantized": [{}],
    "unimodal.corruptors.infilling.Infilling": [{}, {"share": 0.6, "mean_length": 1.5, "random": 0.5}],
    "unimodal.corruptors.sentinels.Sentinels": [{}, {"share": 0.5, "mean_length": 1.0}],
    "unimodal.quantizers.gumbel.Gumbel": [{"entries": 6}, {"groups": 4, "entries": 5, "hottest": 1.0}],
    "unimodal.objectives.by_task.ByTask": [
        {
            "objective": {"class": "unimodal.objectives.cross_entropy.CrossEntropy", "smoothing": 0.1},
            "weights": {"asr": 0.5, "translate_fr": 2.0},
        }
    ],
    "unimodal.objectives.connectionist.Connectionist": [
        {"net": "speech", "tasks": ["asr"]},
        {"net": "speech", "tasks": ["asr"], "readout": "speech", "block": 1},
    ],
    "unimodal.objectives.cross_entropy.CrossEntropy": [{}, {"smoothing": 0.1}],
    "unimodal.objectives.frames.Frames": [{}],
    "unimodal.objectives.guided_attention.GuidedAttention": [{"net": "frames"}],
    "unimodal.objectives.histogram.Histogram": [{"net": "speech", "tasks": ["asr"]}],
    "unimodal.objectives.hidden_spans.HiddenSpans": [
        {"objective": "unimodal.objectives.frames.Frames", "net": "speech", "tasks": ["asr"], "share": 0.4, "span": 3}
    ],
    "unimodal.objectives.masked_units.MaskedUnits": [
        {
            "net": "speech",
            "units": {
                "class": "unimodal.units.Units",
                "features": "unimodal.prenets.cepstra.Cepstra",
                "number": 5,
                "centroids": "units.safetensors",
            },
            "width": 6,
        }
    ],
    "unimodal.objectives.shared_codes.SharedCodes": [
        {
            "objective": "unimodal.objectives.cross_entropy.CrossEntropy",
            "quantizer": {"class": "unimodal.quantizers.gumbel.Gumbel", "entries": 6},
            "tasks": ["asr", "tts"],
            "share": 1.0,
        }
    ],
    "unimodal.objectives.weighted.Weighted": [
        {
            "objectives": {
                "heard": {
                    "class": "unimodal.objectives.connectionist.Connectionist",
                    "net": "speech",
                    "tasks": ["asr", "lid"],
                },
                "diagonal": {
                    "class": "unimodal.objectives.guided_attention.GuidedAttention",
                    "net": "frames",
                    "heads": 1,
                },
            },
            "weights": {"heard": 0.3},
        }
    ],
    "unimodal.adapters.dora.Dora": [{}, {"targets": ["up$", "^prenets"], "rank": 2}],
    "unimodal.adapters.lora.Lora": [{}, {"targets": ["up$", "^prenets"], "rank": 2}],
    "unimodal.adapters.mos.MixtureOfShards": [
        {},
        {"targets": ["up$", "query"], "rank": 3, "private_rank": 0, "num_shards": 2},
    ],
    "unimodal.adapters.prefix.EncoderPrefix": [{"num_rows": 4}],
    "unimodal.adapters.vb_lora.VbLora": [
        {"num_vectors": 16, "vector_length": 8},
        {"targets": ["up$", "query"], "rank": 2, "num_vectors": 8, "top": 3, "vector_length": 16},
    ],
    "unimodal.adapters.vera.Vera": [{"rank": 16}, {"targets": ["up$", "^prenets"], "rank": 8, "seed": 3}],
    "unimodal.adapters.with_parts.WithParts": [
        {"adapter": "unimodal.adapters.lora.Lora", "modules": ["prenets.characters"]},
        {
            "adapter": {"class": "unimodal.adapters.prefix.EncoderPrefix", "num_rows": 4},
            "modules": ["prenets.characters"],
        },
    ],
    "unimodal.plans.repeated.Repeated": [{"times": 1}, {"times": 3}],
    "unimodal.plans.sequential.Sequential": [{}],
    "unimodal.quantizations.int4.Int4": [{}],
    "unimodal.quantizations.int8.Int8": [{}],
    "unimodal.quantizations.none.NoQuantization": [{}],
    "unimodal.rewrites.joined.Joined": [{}],
    "unimodal.rewrites.reordered.Reordered": [{}],
}


def final_classes(package: str, contract: type) -> list[str]:
    """Dotted paths of a folder's parts."""
    folder = importlib.import_module(package)
    return sorted(
        f"{module}.{name}"
        for _, module, _ in pkgutil.iter_modules(folder.__path__, f"{package}.")
        for name, part in vars(importlib.import_module(module)).items()
        if inspect.isclass(part)
        and part.__module__ == module
        and issubclass(part, contract)
        and not inspect.isabstract(part)
    )


def specs(package: str) -> list[dict[str, Any]]:
    """A spec of every part of a folder, with every list of arguments in the table."""
    found = [name for name in ARGUMENTS if name.startswith(f"{package}.")]
    return [{"class": name, **arguments} for name in found for arguments in ARGUMENTS[name]]


def label(spec: Any) -> str:
    """A test's name for a spec."""
    if not isinstance(spec, Mapping):
        return spec.rpartition(".")[2] if isinstance(spec, str) else str(spec)
    rest = [f"{key}={label(value)}" for key, value in spec.items() if key != "class"]
    return f"{label(spec['class'])}({','.join(rest)})"


def factory(spec: Any, contract: type) -> Callable[..., Any]:
    made: Callable[..., Any] = build(spec, Callable[..., contract])
    return made


def randomised(module: Any) -> Any:
    """The module with weights at which every part of it matters."""
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return module.eval()


def layout_of(examples: list[list[int]], **changes: Any) -> Layout:
    """Rows of examples, given by their lengths, one after the other and padded at the end."""
    time = max(map(sum, examples))
    positions, segments = torch.zeros(len(examples), time, dtype=torch.long), torch.full((len(examples), time), -1)
    number = 0
    for row, lengths in enumerate(examples):
        begin = 0
        for length in lengths:
            positions[row, begin : begin + length] = torch.arange(length)
            segments[row, begin : begin + length] = number
            number, begin = number + 1, begin + length
    zeros = torch.zeros_like(positions)
    fields = {"positions": positions, "index": torch.arange(time)[None], "segments": segments, "kinds": zeros}
    return Layout(**{**fields, "valid": segments >= 0, "base": zeros[:, 0], "prefix": zeros, **changes})


def pattern_of(layout: Layout, mask: Mask, position: Position, *, keep_weights: bool = False) -> Pattern:
    return Pattern(mask, position, layout, keep_weights=keep_weights)


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    assert found.shape == expected.shape
    assert torch.isfinite(found).all()
    scale = expected.abs().max().clamp(min=1) if expected.numel() else torch.tensor(1.0)
    distance = ((found - expected).abs().max() / scale).item() if expected.numel() else 0.0
    assert distance <= tolerance, f"differs by {distance:.1e}"
