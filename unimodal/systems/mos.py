"""Evidence for mixtures of shards (MoS; 2410.00938): the tuner is `unimodal.adapters.mos.MixtureOfShards`."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from unimodal.adapters import Adapter, load
from unimodal.adapters.lora import Lora
from unimodal.adapters.mos import MixtureOfShards
from unimodal.adapters.vb_lora import VbLora
from unimodal.adapters.vera import Vera
from unimodal.measuring.measure import Arm, Claim, Direction, Meter
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.systems import Invariant, System
from unimodal.systems.fixtures import fresh
from unimodal.systems.fixtures.language_model import fit, mean_loss, micro_spec, tiny_language_model
from unimodal.systems.texts import draw_windows, spread_windows, tokens_of, topics_text
from unimodal.training.optimizer import AdamW

TARGETS = ("query", "key", "value", "out", "gate", "up", "down")
STEPS, ROWS, TIME = 100, 8, 128
RATE = 0.01
"""Of both arms: the best of three for either after 40 steps, on a seed that the claim does not use."""


@final
class MixtureOfShardsSystem(System):
    """Low-rank adapters from shared shards, beside LoRA of as many parameters."""

    def invariants(self) -> Iterable[Invariant]:
        checks: list[Callable[[], None]] = [
            _refuses_what_cannot_be_cut,
            _counts_as_low_rank_adapters_do,
            _changes_nothing_at_first,
            _repeats_no_shard_and_pairs_at_random,
            _shares_public_shards_alone,
            _is_low_rank_adaptation_where_nothing_is_shared,
            _keeps_its_indices_while_it_learns,
            _merges_to_the_same,
            _comes_back_from_its_file,
        ]
        return [Invariant(check.__name__.strip("_").replace("_", " "), check) for check in checks]

    def claim(self) -> Claim:
        """On prose, a model of source code comes at least as far with shards as with LoRA of as many parameters."""
        return Claim(
            method=arm(shards(), RATE),
            baseline=arm(Lora(targets=TARGETS, rank=2), RATE),
            seeds=range(5),
            budget={"steps": STEPS, "parameters": num_trainable(shards())},
            threshold=1.0,
            direction=Direction.LOWER,
        )


def shards(**changes: Any) -> MixtureOfShards:
    """The setting of the claim: rank 8 from the parameters of rank 2, half of them private."""
    return MixtureOfShards(**{"targets": TARGETS, "rank": 8, "equivalent_rank": 2, "private_rank": 1, **changes})


def arm(adapter: Adapter, rate: float, change: Callable[[nn.Module], None] = lambda model: None) -> Arm:
    """Fits an adapter of the tiny language model to the topics of `help()`; the held-out loss in nats a byte.

    `change` is done to the fresh adapter, for what takes away one of its ideas.
    """

    def run(seed: int, meter: Meter) -> float:
        model, tokens = tiny_language_model(), tokens_of(topics_text("train"))
        torch.manual_seed(seed)
        adapter.attach(model)
        change(model)
        generator = torch.Generator().manual_seed(seed)
        fit(
            model,
            lambda step: draw_windows(tokens, ROWS, TIME, generator),
            steps=STEPS,
            optimizer=AdamW(learning_rate=rate, weight_decay=0.0),
        )
        meter.add("steps", STEPS)
        meter.add("parameters", sum(p.numel() for p in model.parameters() if p.requires_grad))
        return mean_loss(model, spread_windows(tokens_of(topics_text("validation")), 64, TIME))

    return run


def ablations() -> dict[str, Arm]:
    """The method without one of its ideas: `scripts/bench_shards.py` measures what each is worth."""
    return {
        "pure sharing": arm(shards(private_rank=0), RATE, share_all_shards),
        "same pairs": arm(shards(), RATE, pair_shards),
        "nothing private": arm(shards(private_rank=0), RATE),
    }


def rivals() -> dict[str, Arm]:
    """Other adapters of as many parameters, within half a percent; their learning rates were not searched."""
    return {
        "VB-LoRA": arm(VbLora(targets=TARGETS, rank=2, num_vectors=31, vector_length=32), 0.01),
        "VeRA": arm(Vera(targets=TARGETS, rank=494), 0.02),
    }


def num_trainable(adapter: Adapter) -> int:
    """The parameters of an adapter of the tiny language model."""
    model = tiny_language_model()
    adapter.attach(model)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def shard_layers(model: nn.Module) -> dict[str, Any]:
    """The adapted layers by name."""
    from unimodal.tuning.shards import ShardLayer

    return {name: part for name, part in model.named_modules() if isinstance(part, ShardLayer)}


def share_all_shards(model: nn.Module) -> None:
    """Pure sharing: every layer of a role takes what its first layer takes."""
    for layers in _by_role(model).values():
        for layer in layers:
            for name in ("mos_index_A", "mos_index_B"):
                getattr(layer, name)["default"] = getattr(layers[0], name)["default"].clone()


def pair_shards(model: nn.Module) -> None:
    """Without dissociation: both factors take the same places of their pools."""
    for layer in shard_layers(model).values():
        layer.mos_index_B["default"] = layer.mos_index_A["default"].clone()


def _by_role(model: nn.Module) -> dict[int, list[Any]]:
    roles: dict[int, list[Any]] = {}
    for layer in shard_layers(model).values():
        roles.setdefault(id(layer.mos_pool_A), []).append(layer)
    return roles


def _base(depth: int = 4) -> UnimodalForConditionalGeneration:
    model = fresh(micro_spec(depth), seed=0)
    model.eval()
    return model


def _adapted(adapter: Adapter, *, moved: bool = True) -> UnimodalForConditionalGeneration:
    """With an adapter whose every number is drawn, so that nothing is zero by accident."""
    model = _base()
    torch.manual_seed(1)
    adapter.attach(model)
    if moved:
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.normal_(std=0.1)
    return model


@torch.no_grad()
def _logits(model: UnimodalForConditionalGeneration) -> Tensor:
    ids = torch.arange(60).view(3, 20) % 50 + 30
    logits: Tensor = model(input_ids=ids).logits
    return logits


def _assert_close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    distance = float((found - expected).abs().max() / expected.abs().max())
    assert distance <= tolerance, f"differs by {distance:.1e}"


def _refuses_what_cannot_be_cut() -> None:
    for settings in ({"num_shards": 5}, {"private_rank": 3}, {"rank": 1}):
        try:
            shards(**settings).attach(_base())
        except ValueError as error:
            assert next(iter(settings)) in str(error), error
        else:
            raise AssertionError(f"{settings} is taken")


def _counts_as_low_rank_adapters_do() -> None:
    """Of equivalent rank e: e numbers for each input and output of each layer, whatever the assembled rank."""
    for adapter in (shards(), shards(rank=4, private_rank=2, num_shards=2), shards(equivalent_rank=3)):
        model = _adapted(adapter)
        layers = shard_layers(model).values()
        expected = adapter.equivalent_rank * sum(layer.in_features + layer.out_features for layer in layers)
        found = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        assert found == expected, f"{found} numbers learn where {expected} should"


def _changes_nothing_at_first() -> None:
    assert torch.equal(_logits(_adapted(shards(), moved=False)), _logits(_base()))


def _repeats_no_shard_and_pairs_at_random() -> None:
    draws = []
    for name, layer in shard_layers(_adapted(shards())).items():
        a, b = layer.mos_index_A["default"], layer.mos_index_B["default"]
        assert len(a) == len(a.unique()) and len(b) == len(b.unique()), f"{name} takes a shard twice"
        assert not torch.equal(a, b), f"{name} takes the same shards for both factors"
        draws.append(a)
    assert len({tuple(draw.tolist()) for draw in draws}) == len(draws), "two layers take the same shards"


def _shares_public_shards_alone() -> None:
    """Counted by gradients: a private shard is moved by one layer, a public one by several on average."""
    for layers in _by_role(_adapted(shards())).values():
        for pool in ("mos_pool_A", "mos_pool_B"):
            movers: Counter[int] = Counter()
            for layer in layers:
                parameter = getattr(layer, pool)["default"]
                (gradient,) = torch.autograd.grad(layer.get_delta_weight("default").square().sum(), parameter)
                movers.update(torch.nonzero(gradient.abs().sum(1)).flatten().tolist())
            num_public = 4 * len(layers)
            size = getattr(layers[0], pool)["default"].shape[0]
            private = [movers[shard] for shard in range(num_public, size)]
            assert private == [1] * len(private), "a private shard is moved by several layers, or by none"
            assert sum(movers[shard] for shard in range(num_public)) / num_public > 1.5, "hardly a shard is shared"


def _is_low_rank_adaptation_where_nothing_is_shared() -> None:
    """Whole rows, all private: with the same numbers, the outputs of LoRA."""
    model = _adapted(shards(rank=2, equivalent_rank=2, private_rank=2, num_shards=1))
    plain = _adapted(Lora(targets=TARGETS, rank=2))
    for name, layer in shard_layers(model).items():
        a, b = layer.factors("default")
        twin: Any = plain.get_submodule(name)
        with torch.no_grad():
            twin.lora_A["default"].weight.copy_(a)
            twin.lora_B["default"].weight.copy_(b.T)
    _assert_close(_logits(model), _logits(plain))


def _keeps_its_indices_while_it_learns() -> None:
    model = _adapted(shards(), moved=False)
    before = [layer.mos_index_A["default"].clone() for layer in shard_layers(model).values()]
    ids = torch.arange(64).view(2, 32) + 40
    fit(model, lambda step: ids, steps=3, optimizer=AdamW(learning_rate=0.01))
    after = [layer.mos_index_A["default"] for layer in shard_layers(model).values()]
    assert all(map(torch.equal, before, after))


def _merges_to_the_same() -> None:
    adapter = shards()
    model = _adapted(adapter)
    before = _logits(model)
    adapter.merge(model)
    _assert_close(_logits(model), before)
    assert not shard_layers(model)


def _comes_back_from_its_file() -> None:
    """Bit for bit, indices included, and no pool is there twice."""
    from safetensors.torch import load_file

    adapter = shards()
    model, again = _adapted(adapter), _base()
    with tempfile.TemporaryDirectory() as folder:
        adapter.save(model, Path(folder))
        pools = [name for name in load_file(Path(folder, "adapter_model.safetensors")) if "pool" in name]
        load(again, Path(folder))
    assert len(pools) == 2 * len(_by_role(model)), f"{len(pools)} pools are in the file"
    for layer, twin in zip(shard_layers(model).values(), shard_layers(again).values(), strict=True):
        assert torch.equal(layer.mos_index_A["default"], twin.mos_index_A["default"])
        assert torch.equal(layer.mos_index_B["default"], twin.mos_index_B["default"])
    assert torch.equal(_logits(again.eval()), _logits(model))
