"""State as tensors and plain values: what comes back is what was there when it was taken."""

import math
import random
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import nn

from unimodal.training.checkpoints.progress import random_states, set_random_states
from unimodal.training.checkpoints.states import Snapshot, read_state, restore, write_state


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))


def through_files(folder: Path, weights: Any, rest: Any) -> tuple[Any, Any]:
    write_state(folder, Snapshot(weights), Snapshot(rest))
    return read_state(folder)


def test_every_value_comes_back(tmp_path: Path) -> None:
    values = {
        "numbers": [0, -1, 10**30, 0.1, math.pi, 5e-324, math.inf, -math.inf, math.nan, True, None, ""],
        "keys": {0: "zero", 1.5: "float", True: "truth", (1, 2): "pair", "$tensor": "$tuple"},
        "nested": ((), [], {}, ({"a": (1, [2])},)),
        "tensors": {
            "scalar": torch.tensor(3.5),
            "empty": torch.empty(0, 3),
            "bfloat16": torch.randn(3).bfloat16(),
            "half": torch.randn(2, 2).half(),
            "bool": torch.tensor([True, False]),
            "bytes": torch.arange(5, dtype=torch.uint8),
            "turned": torch.randn(3, 4).t(),
            "part": torch.randn(10)[::3],
        },
        "dtype": torch.bfloat16,
    }
    weights, rest = through_files(tmp_path, {"a.b": torch.randn(2)}, values)
    assert weights.keys() == {"a.b"}
    assert same(rest, values)


def test_later_changes_do_not_matter(tmp_path: Path) -> None:
    tensor, names = torch.zeros(3), ["first"]
    snapshot = Snapshot({"tensor": tensor, "names": names})
    tensor.fill_(1.0)
    names.append("second")
    found = restore(snapshot.tree, snapshot.tensors)
    assert torch.equal(found["tensor"], torch.zeros(3)) and found["names"] == ["first"]


def test_a_shared_tensor_is_written_once(tmp_path: Path) -> None:
    table = nn.Embedding(50, 4)
    head = nn.Linear(4, 50, bias=False)
    head.weight = table.weight
    weights = OrderedDict(nn.ModuleDict({"table": table, "head": head}).state_dict())
    found, _ = through_files(tmp_path, weights, {})
    assert list(found) == ["table.weight", "head.weight"]
    assert all(torch.equal(found[name], table.weight) for name in found)
    assert (tmp_path / "weights.safetensors").stat().st_size < 2 * table.weight.nbytes


def test_an_optimiser_goes_on(tmp_path: Path) -> None:
    def trained(steps: int, loaded: dict[str, Any] | None = None) -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        net = nn.Linear(3, 2)
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.1, betas=(0.8, 0.9))
        if loaded is not None:
            net.load_state_dict(loaded["net"])
            optimizer.load_state_dict(loaded["optimizer"])
        for _ in range(steps):
            optimizer.zero_grad()
            net(torch.ones(3)).square().sum().backward()
            optimizer.step()
        return net, optimizer

    whole, _ = trained(5)
    net, optimizer = trained(3)
    weights, rest = through_files(tmp_path, net.state_dict(), {"optimizer": optimizer.state_dict()})
    resumed, _ = trained(2, {"net": weights, **rest})
    assert same(dict(resumed.state_dict()), dict(whole.state_dict()))


def test_random_states_go_on(tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return float(torch.rand(())), float(numpy.random.rand()), random.random()

    states = random_states()
    expected = draw()
    _, rest = through_files(tmp_path, {}, {"random": states})
    set_random_states(rest["random"])
    assert draw() == expected


def test_what_cannot_be_held_is_named() -> None:
    with pytest.raises(ValueError, match=r"callbacks/mine/1: a checkpoint cannot hold a Random"):
        Snapshot({"callbacks": {"mine": [1, random.Random(0)]}})


def test_a_tree_builds_nothing_but_values() -> None:
    with pytest.raises(ValueError, match=r"load: is no dtype"):
        restore({"$dtype": "load"}, {})
