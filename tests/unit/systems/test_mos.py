"""Mixtures of shards: every invariant holds, and would not for one that shares or pairs in another way."""

from pathlib import Path

import pytest
import torch

from unimodal.adapters import Adapter
from unimodal.build import build
from unimodal.spec import load_spec
from unimodal.systems import Invariant, mos
from unimodal.systems.mos import MixtureOfShardsSystem, pair_shards, shard_layers, shards, share_all_shards

CONFIG = Path(__file__).parents[3] / "configs" / "systems" / "mos.yaml"


@pytest.mark.parametrize("invariant", MixtureOfShardsSystem().invariants(), ids=lambda found: found.name)
def test_it_holds(invariant: Invariant) -> None:
    invariant.check()


def test_what_is_taken_away_for_comparison_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mos._adapted
    for change, said in ((pair_shards, "the same shards for both"), (share_all_shards, "two layers take the same")):

        def less(adapter: Adapter, *, moved: bool = True, change=change):
            model = whole(adapter, moved=moved)
            change(model)
            return model

        monkeypatch.setattr(mos, "_adapted", less)
        with pytest.raises(AssertionError, match=said):
            mos._repeats_no_shard_and_pairs_at_random()


def test_sharing_all_keeps_the_rank_and_the_numbers() -> None:
    model = mos._adapted(shards(private_rank=0))
    share_all_shards(model)
    layers = [layer for name, layer in shard_layers(model).items() if name.endswith("query")]
    first, *others = [layer.get_delta_weight("default") for layer in layers]
    assert all(torch.equal(other, first) for other in others)
    assert torch.linalg.matrix_rank(first) == 8


def test_its_config_is_what_the_claim_measures() -> None:
    adapter = build(load_spec(CONFIG)["model"]["adapter"], Adapter)
    claimed = shards()
    for name in ("rank", "equivalent_rank", "private_rank", "num_shards", "alpha"):
        assert getattr(adapter, name) == getattr(claimed, name)
