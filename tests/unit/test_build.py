"""The builder: every mistake is one line that starts with its place in the tree, and key order changes nothing."""

import json
import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from unimodal.build import build
from unimodal.spec import load_spec, merge_specs


class Mixer(ABC):
    @abstractmethod
    def mix(self) -> str: ...


class Attention(nn.Module, Mixer):
    def __init__(self, dim: int, *, num_heads: int = 1, dropout: float = 0.0, memories: list[str] | None = None):
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide dim {dim}")
        self.dim, self.num_heads, self.dropout, self.memories = dim, num_heads, dropout, memories
        self.weight = nn.Parameter(torch.randn(dim))

    def mix(self) -> str:
        return "attention"


class Dense(nn.Module):
    def __init__(self, dim: int, *, hidden: int, activation: Callable[[Tensor], Tensor] = torch.relu):
        super().__init__()
        self.linear, self.activation = nn.Linear(dim, hidden), activation


class Block(nn.Module):
    def __init__(self, dim: int, *, mixer: Callable[..., Mixer], feedforward: Callable[[int], Dense]):
        super().__init__()
        self.mixer, self.feedforward = mixer(dim), feedforward(dim)


class Wrapped(nn.Module, Mixer):
    def __init__(self, dim: int, *, inner: Mixer):
        super().__init__()
        self.dim, self.inner = dim, inner

    def mix(self) -> str:
        return f"wrapped {self.inner.mix()}"


class Recursion:
    def __init__(self, times: int):
        self.times = times


class Stack(nn.Module):
    def __init__(self, *, dim: int, layers: Sequence[Callable[..., Block]], plan: Recursion | None = None):
        super().__init__()
        self.layers, self.plan = nn.ModuleList([layer(dim) for layer in layers]), plan


@dataclass(frozen=True)
class Ranges:
    sizes: list[dict[str, int | list[str]]]
    nets: Mapping[str, Mixer]
    extra: Any = None


class Shares:
    def __init__(self, vocabulary: object, size: tuple[int, float], first: Callable[..., Recursion] | None = None):
        self.vocabulary, self.size, self.first = vocabulary, size, first


def square(x: Tensor) -> Tensor:
    return x * x


def num_layers(x: Tensor) -> int:
    return len(x)


PARTS = (Mixer, Attention, Dense, Block, Wrapped, Recursion, Stack, Ranges, Shares, square, num_layers)


@pytest.fixture(autouse=True)
def parts(monkeypatch):
    """The parts above as the module `unimodal.toy`, which also holds a stranger: Path."""
    module = types.ModuleType("unimodal.toy")
    for part in PARTS:
        monkeypatch.setattr(part, "__module__", "unimodal.toy")
        setattr(module, part.__name__, part)
    module.Path, module.LIMIT = Path, 3
    monkeypatch.setitem(sys.modules, "unimodal.toy", module)


def named(name, **arguments):
    return {"class": f"unimodal.toy.{name}", **arguments}


def stack(**changes):
    block = named("Block", mixer=named("Attention", num_heads=2), feedforward=named("Dense", hidden=6))
    return named("Stack", dim=4, layers=[block, block], **changes)


def test_builds_nested_factories_with_fresh_layers():
    built = build(stack(plan=named("Recursion", times=3)), Stack)
    assert [layer.mixer.num_heads for layer in built.layers] == [2, 2]
    assert built.plan.times == 3
    assert built.layers[0].mixer.weight is not built.layers[1].mixer.weight


def test_a_factory_builds_its_nested_instances_anew_at_each_call():
    make = build(named("Wrapped", inner=named("Attention", dim=2)), Callable[..., Mixer])
    assert make(3).inner is not make(3).inner
    assert make(dim=3).mix() == "wrapped attention"


def test_key_order_changes_nothing_that_a_seed_draws():
    def backwards(spec):
        if isinstance(spec, dict):
            return {key: backwards(spec[key]) for key in reversed(spec)}
        return [backwards(item) for item in spec] if isinstance(spec, list) else spec

    spec = named("Ranges", sizes=[], nets={"a": named("Attention", dim=3), "b": named("Attention", dim=3)})
    states = []
    for tree in (spec, backwards(spec)):
        torch.manual_seed(0)
        nets = build(tree, Ranges).nets
        states.append((list(nets), nets["a"].weight, nets["b"].weight))
    assert states[0][0] == states[1][0]
    assert torch.equal(states[0][1], states[1][1])
    assert torch.equal(states[0][2], states[1][2])


def test_plain_values_and_unions():
    attention = build(named("Attention", dim=4, dropout=1, memories=["source"]), Mixer)
    assert type(attention.dropout) is float
    assert attention.memories == ["source"]
    assert build(named("Ranges", sizes=[{"text": 9}, {"task": ["asr"]}], nets={}), Ranges).sizes == [
        {"text": 9},
        {"task": ["asr"]},
    ]
    assert build(named("Ranges", sizes=[], nets={}, extra={"class": "untouched"}), Ranges).extra == {
        "class": "untouched"
    }
    assert build("unimodal.toy.Dense", Callable[..., Dense])(2, hidden=3).linear.out_features == 3


def test_a_function_stands_where_its_result_fits():
    make = build(named("Dense", hidden=2, activation="unimodal.toy.square"), Callable[..., Dense])
    assert make(2).activation(torch.tensor(3.0)) == 9


def test_context_reaches_every_depth_and_keeps_its_identity():
    vocabulary = ["a", "b"]
    built = build(named("Shares", size=[1, 2]), Shares, vocabulary=vocabulary, times=4)
    assert built.vocabulary is vocabulary
    assert built.size == (1, 2.0)
    first = build(named("Shares", size=[1, 2], first="unimodal.toy.Recursion"), Shares, vocabulary=0, times=4).first
    assert first().times == 4
    assert first(5).times == 5


def change(tree, path, value):
    *parents, last = path
    for key in parents:
        tree = tree[key]
    tree[last] = value


BLOCK = ("layers", 1)
MISTAKES = [
    ((*BLOCK, "feedforward", "hiden"), 3, "config.layers[1].feedforward.hiden: Dense takes no 'hiden'; did you mean"),
    ((*BLOCK, "mixer"), named("Dense"), "config.layers[1].mixer: unimodal.toy.Dense is not a Mixer"),
    (
        (*BLOCK, "mixer"),
        "unimodal.toy.Atention",
        "config.layers[1].mixer: cannot import 'unimodal.toy.Atention' (no attribute 'Atention')",
    ),
    ((*BLOCK, "mixer"), "unimodal.toi.X", "config.layers[1].mixer: cannot import 'unimodal.toi.X' (No module named"),
    ((*BLOCK, "mixer"), "unimodal.toy.Mixer", "config.layers[1].mixer: unimodal.toy.Mixer is abstract"),
    ((*BLOCK, "mixer"), "unimodal.toy.LIMIT", "config.layers[1].mixer: unimodal.toy.LIMIT is neither a class nor"),
    ((*BLOCK, "mixer"), "unimodal.toy.Path", "config.layers[1].mixer: 'unimodal.toy.Path' comes from pathlib and may"),
    ((*BLOCK, "mixer"), "os.system", "config.layers[1].mixer: 'os.system' is not below unimodal. and may not be"),
    ((*BLOCK, "mixer"), "unimodal", "config.layers[1].mixer: 'unimodal' is not below unimodal. and may not be"),
    ((*BLOCK, "mixer"), {"num_heads": 2}, "config.layers[1].mixer: expected a Mixer (a mapping with 'class:' or a"),
    ((*BLOCK, "mixer", "num_heads"), "2", "config.layers[1].mixer.num_heads: expected int, got '2'"),
    ((*BLOCK, "mixer", "num_heads"), True, "config.layers[1].mixer.num_heads: expected int, got True"),
    ((*BLOCK, "mixer", "dropout"), "1e-1", "config.layers[1].mixer.dropout: expected float, got '1e-1'; YAML reads"),
    ((*BLOCK, "mixer", "memories"), ["a", 1], "config.layers[1].mixer.memories[1]: expected str, got 1"),
    ((*BLOCK, "mixer", "memories"), 1, "config.layers[1].mixer.memories: expected list[str] or null, got 1"),
    ((*BLOCK, "mixer", "num_heads"), 3, "config.layers[1].mixer: num_heads 3 does not divide dim 4"),
    ((*BLOCK, "mixer", "dim"), 3, "config.layers[1].mixer.dim: is set by the part above and cannot be set here"),
    ((*BLOCK, "feedforward", "dim"), 3, "config.layers[1].feedforward.dim: is set by the part above and cannot be"),
    ((*BLOCK, "feedforward"), named("Dense"), "config.layers[1].feedforward: Dense needs hidden"),
    ((*BLOCK, "feedforward", "activation"), "unimodal.toy.num_layers", "unimodal.toy.num_layers is not a Tensor"),
    (("layers",), "unimodal.toy.Block", "config.layers: expected Sequence"),
    (("plan",), named("Recursion"), "config.plan: Recursion needs times"),
    (("plan",), named("Recursion", times=1, width=2), "config.plan.width: Recursion takes no 'width'; it takes times"),
    (("dim",), None, "config.dim: expected int, got None"),
]


@pytest.mark.parametrize(("path", "value", "message"), MISTAKES, ids=[case[2][:60] for case in MISTAKES])
def test_a_mistake_is_one_line_with_its_place(path, value, message):
    tree = json.loads(json.dumps(stack()))
    build(tree, Stack)
    change(tree, path, value)
    with pytest.raises(ValueError) as caught:
        build(tree, Stack)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_factory_lacks_is_told_with_its_place_when_called():
    make = build("unimodal.toy.Dense", Callable[..., Dense], "config.feedforward")
    with pytest.raises(ValueError, match=r"^config\.feedforward: Dense needs hidden$"):
        make(4)


def test_a_caller_may_allow_more():
    with pytest.raises(ValueError, match="may not be imported"):
        build({"class": "torch.nn.Linear", "in_features": 2, "out_features": 3}, nn.Module)
    linear = build({"class": "torch.nn.ReLU"}, nn.Module, allow=("unimodal.", "torch.nn."))
    assert type(linear) is nn.ReLU


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    return path


def test_overlays_merge_and_another_class_replaces_its_branch(tmp_path):
    write(tmp_path, "models/tiny.yaml", "dim: 2\ncache: {class: A, rank: 3}\nplan: {class: P, times: 2}\n")
    write(tmp_path, "models/nano.yaml", "base: tiny.yaml\ndim: 4\n")
    overlay = write(tmp_path, "systems/x.yaml", "base: ../models/nano.yaml\ncache: {class: B}\nplan: {times: 5}\n")
    assert load_spec(overlay) == {"dim": 4, "cache": {"class": "B"}, "plan": {"class": "P", "times": 5}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("- 1", "expected a mapping, got list"),
        ("a: b: c", "line 1: mapping values are not allowed here"),
        ("a: !!python/object:os.system {}", "could not determine a constructor"),
        ("base: missing.yaml", r"missing\.yaml: no such file"),
        ("base: x.yaml", "is its own base"),
        ("base: [a]", "base: expected the path"),
    ],
)
def test_a_bad_file_is_named_in_one_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_spec(write(tmp_path, "x.yaml", text))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


plain = st.recursive(st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3))


@given(st.dictionaries(st.sampled_from("abc"), plain), st.dictionaries(st.sampled_from("abc"), plain))
def test_merging_keeps_the_overlay_and_is_idempotent(base, overlay):
    merged = merge_specs(base, overlay)
    assert merge_specs(merged, overlay) == merged
    assert merge_specs(base, {}) == base
    assert set(merged) == {*base, *overlay}
