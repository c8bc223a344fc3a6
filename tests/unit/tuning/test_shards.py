"""The tuner of shards: known to peft, roles by place and width, ranks that a role can have."""

import pytest
import torch
from torch import nn

from unimodal.adapters.mos import MixtureOfShards
from unimodal.tuning.shards import PEFT_TYPE, PREFIX, ShardConfig, ShardTuner, Share, role_of


def test_peft_knows_it_where_it_looks_kinds_up() -> None:
    """Fails when peft moves its tables: then `register` has to follow."""
    import peft.mapping
    import peft.mapping_func
    import peft.peft_model
    import peft.utils.save_and_load

    assert peft.mapping_func.PEFT_TYPE_TO_PREFIX_MAPPING[PEFT_TYPE] == PREFIX
    assert peft.mapping.get_peft_config({"peft_type": "MOS", "r": 3}) == ShardConfig(r=3)
    for module in (peft.peft_model, peft.utils.save_and_load):
        assert module.PEFT_TYPE_TO_TUNER_MAPPING[PEFT_TYPE] is ShardTuner
    assert PEFT_TYPE not in list(peft.PeftType), "peft has it now: ours may go"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("backbone.encoder.blocks.3.mixer.query", "mixer.query"),
        ("backbone.decoder.blocks.0.mixer.query", "mixer.query"),
        ("backbone.decoder.blocks.11.reads.encoder.query", "reads.encoder.query"),
        ("prenets.image.project", "prenets.image.project"),
    ],
)
def test_a_role_is_a_place_in_a_block_with_its_widths(name: str, role: str) -> None:
    assert role_of(name, nn.Linear(8, 4)) == f"{role} 8 x 4"


@pytest.mark.parametrize(("num_layers", "rank"), [(1, 2), (2, 3), (7, 8), (20, 8)])
def test_a_role_of_few_layers_has_the_rank_that_its_shards_give(num_layers: int, rank: int) -> None:
    share = Share(config=ShardConfig(), num_layers=num_layers, place=0)
    assert share.rank == rank
    drawn = share.draw()
    assert len(drawn) == rank * 4 == len(drawn.unique()) and drawn.max() < share.pool_size


def test_layers_draw_anew_and_a_seed_draws_again() -> None:
    share = Share(config=ShardConfig(), num_layers=8, place=2)
    torch.manual_seed(1)
    first, second = share.draw(), share.draw()
    torch.manual_seed(1)
    assert torch.equal(share.draw(), first) and not torch.equal(first, second)
    assert first[-4:].tolist() == [32 + 8 + place for place in range(4)], "the last of the pool's third private run"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 1}, r"rank: expected at least equivalent_rank \(2\), got 1"),
        ({"private_rank": 3}, r"private_rank: expected 0 to equivalent_rank \(2\), got 3"),
        ({"equivalent_rank": 0}, "rank: expected at least 1, got 0"),
    ],
)
def test_settings_that_contradict_are_named(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixtureOfShards(**settings)
