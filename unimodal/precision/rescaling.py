"""Rescaling: the same function by smaller numbers, so that float16 can hold them.

Where every sublayer reads the stream through an RMSNorm (T5, Llama), the stream may be multiplied by 2^-k: the norms
undo it when their epsilon becomes 4^-k times as large. So the embeddings and what every sublayer adds are multiplied by
2^-k, the latter half in the sublayer's last map and half in the map before it, which keeps the weights' exponents, too.
Powers of two change no digit: in float32 the logits are equal bit for bit.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from unimodal.config import UnimodalConfig
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.norms import RMSNorm
from unimodal.precision.audit import Activation, audit_precision

HEADROOM = 16
"""How many times as large as those of the probe activations may be."""
_PRE_NORM, _RMS_NORM, _DROPPED = "unimodal.residuals.PreNorm", "unimodal.norms.RMSNorm", "unimodal.norms.Dropped"
_NO_NORM, _DENSE, _RELU = "unimodal.norms.NoNorm", "unimodal.feedforwards.dense.Dense", "unimodal.activations.ReLU"
_FEEDFORWARDS = (_DENSE, "unimodal.feedforwards.gated.Gated")
_ATTENTIONS = tuple(f"unimodal.mixers.attention.{name}Attention" for name in ("Self", "Cross"))
_POSITIONS = tuple(f"unimodal.positions.{name}" for name in ("bucketed.Bucketed", "none.NoPosition", "rotary.Rotary"))
"""Those that leave the stream alone."""
_PRENETS = ("unimodal.prenets.text.TextPrenet",)
"""Those whose embeddings all come from the token table."""
_STREAM = re.compile(r"backbone\.\w+\.(blocks\.\d+(\.\w+_residuals?(\.\w+)?)?|input_norm)")
_ADDED = re.compile(r"backbone\.\w+\.blocks\.\d+\.(mixer|reads\.\w+|feedforward)")
_LAST_MAPS = {"mixer": ("value", "out"), "reads": ("value", "out"), "feedforward": ("up", "down")}
"""Of each sublayer: the map before the last, in which the answer is linear, and the last."""


def is_rescalable(spec: Mapping[str, Any]) -> bool:
    """Whether a model with this spec computes the same whatever the scale of its stream."""
    return reads_tokens(spec) and all(map(_is_scale_free, _stacks(spec["backbone"])))


def reads_tokens(spec: Mapping[str, Any]) -> bool:
    """Whether all that a model reads are tokens of its table, so that `probe` knows what it reads."""
    return all(_name(prenet) in _PRENETS for prenet in spec["prenets"].values())


def rescale(
    model: UnimodalForConditionalGeneration, inputs: Mapping[str, Any], dtype: torch.dtype = torch.float16
) -> None:
    """Rescales a float32 model in place, where `inputs` show that `dtype` could overflow; `dtype` is not applied.

    Raises ValueError for a model that cannot be rescaled, and names the module that overflows all the same.
    """
    assert model.config.spec is not None
    if not is_rescalable(model.config.spec):
        raise ValueError("dtype: only a model whose sublayers read the stream through RMSNorm can be rescaled")
    if model.config.rescaling is not None:
        raise ValueError("dtype: the model was rescaled already")
    activations = audit_precision(model, inputs, dtype)
    stream = _exponent([*_seen(activations, _STREAM, "in", "out"), *_seen(activations, _ADDED, "out")], dtype)
    exponents = _exponents(model, activations, stream, dtype)
    if not any(exponents.values()):
        return
    spec = _rescaled_spec(model.config.spec, stream)
    with torch.device("meta"):
        rebuilt = UnimodalForConditionalGeneration(UnimodalConfig(spec=spec))
    rebuilt.load_state_dict(_multiplied(model.state_dict(), exponents), assign=True)
    model.backbone, model.embedding_scale = rebuilt.backbone.train(model.training), rebuilt.embedding_scale
    model.config.spec, model.config.rescaling = spec, {name: power for name, power in exponents.items() if power}
    for left in audit_precision(model, inputs, dtype):
        if left.overflows:
            raise ValueError(f"{left.module}: reaches {left.largest:.3g}, which no rescaling brings into {dtype}")


def undo_rescaling(states: Mapping[str, Tensor], rescaling: Mapping[str, int] | None) -> dict[str, Tensor]:
    """The tensors as they were before `rescale`. Raises ValueError where a type has dropped digits since."""
    exponents = rescaling or {}
    for name in exponents:
        tensor = states[name]
        if bool(((tensor != 0) & (tensor.abs() < torch.finfo(tensor.dtype).tiny)).any()):
            raise ValueError(
                f"{name}: was rescaled for {tensor.dtype} and lost digits there; go back from the original"
            )
    return _multiplied(states, {name: -power for name, power in exponents.items()})


def probe(model: UnimodalForConditionalGeneration) -> dict[str, Tensor]:
    """Inputs of a model that reads tokens: four rows for each side, with the vocabulary's first tokens among them."""
    sides = [model.source] if model.backbone.encoder is not None else []
    sides += [model.target] if model.backbone.decoder is not None else []
    size = len(model.vocabulary)
    drawn = torch.randint(size, (192,), generator=torch.Generator().manual_seed(0))
    ids = torch.cat([torch.arange(64) % size, drawn]).reshape(4, 64).to(model.device)
    return {side.names["input_ids"]: ids for side in sides}


def _exponents(
    model: UnimodalForConditionalGeneration, activations: list[Activation], stream: int, dtype: torch.dtype
) -> dict[str, int]:
    """Our tensor -> the power of two that it is multiplied by."""
    exponents: dict[str, int] = {}
    names = model.state_dict().keys()
    for sublayer in sorted({found.group() for name in names if (found := _ADDED.match(name))}):
        first, last = _LAST_MAPS[sublayer.split(".")[4]]
        between = [
            *_seen(activations, re.compile(re.escape(f"{sublayer}.{first}")), "out"),
            *_seen(activations, re.compile(re.escape(f"{sublayer}.{last}")), "in"),
        ]
        half = max(_exponent(between, dtype), stream // 2)
        powers = {f"{first}.weight": -half, f"{first}.bias": -half}
        powers |= {f"{last}.weight": half - stream, f"{last}.bias": -stream}
        exponents |= {f"{sublayer}.{name}": power for name, power in powers.items() if f"{sublayer}.{name}" in names}
    return exponents


def _seen(activations: list[Activation], modules: re.Pattern[str], *sides: str) -> Iterator[float]:
    """The largest values on some sides of some modules."""
    for activation in activations:
        if activation.side in sides and modules.fullmatch(activation.module):
            yield activation.largest


def _exponent(largest: Iterable[float], dtype: torch.dtype) -> int:
    """By how many powers of two too large these are."""
    reached = max(largest, default=0.0) * HEADROOM
    return max(0, math.ceil(math.log2(reached / torch.finfo(dtype).max))) if reached else 0


def _multiplied(states: Mapping[str, Tensor], exponents: Mapping[str, int]) -> dict[str, Tensor]:
    return {name: tensor * 2.0 ** exponents[name] if exponents.get(name) else tensor for name, tensor in states.items()}


def _rescaled_spec(spec: Mapping[str, Any], stream: int) -> dict[str, Any]:
    """The spec with smaller embeddings, and smaller epsilons in the norms that read the stream."""
    rescaled = deepcopy(dict(spec))
    rescaled["embedding_scale"] = spec.get("embedding_scale", 1.0) * 2.0**-stream
    for stack in _stacks(rescaled["backbone"]):
        residual = stack["block"]["residual"]
        residual["norm"] = _finer(residual["norm"], stream)
        stack["final_norm"] = _finer(stack["final_norm"], stream)
    return rescaled


def _finer(norm: Any, stream: int) -> dict[str, Any]:
    if _name(norm) == _DROPPED:
        return {**norm, "norm": _finer(norm["norm"], stream)}
    given = norm if isinstance(norm, Mapping) else {"class": norm}
    epsilon = given.get("epsilon", signature(RMSNorm).parameters["epsilon"].default)
    return {**given, "epsilon": epsilon * 4.0**-stream}


def _stacks(backbone: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [backbone[side] for side in ("encoder", "decoder") if backbone.get(side) is not None]


def _is_scale_free(stack: Mapping[str, Any]) -> bool:
    block = stack["block"]
    if not isinstance(block, Mapping):
        return False
    attentions = [block["mixer"], *(reading["mixer"] for reading in block.get("reads", []))]
    feedforward = block["feedforward"]
    positions = stack["position"] if isinstance(stack["position"], list) else [stack["position"]]
    return (
        _name(block["residual"]) == _PRE_NORM
        and _name(block["residual"]["norm"]) == _RMS_NORM
        and _inner_name(stack["final_norm"]) == _RMS_NORM
        and _inner_name(stack["input_norm"]) == _NO_NORM
        and all(_name(position) in _POSITIONS for position in positions)
        and all(_name(attention) in _ATTENTIONS for attention in attentions)
        and _name(feedforward) in _FEEDFORWARDS
        and (_name(feedforward) != _DENSE or _name(feedforward["activation"]) == _RELU)
    )


def _inner_name(norm: Any) -> str:
    return _inner_name(norm["norm"]) if _name(norm) == _DROPPED else _name(norm)


def _name(part: Any) -> str:
    """The import path of a part in a spec."""
    return str(part["class"] if isinstance(part, Mapping) else part)
