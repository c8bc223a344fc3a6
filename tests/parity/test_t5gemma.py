"""What is T5Gemma's own: settings by stack, in newer and older spellings, and the ones that ours lack."""

from typing import Any

import pytest

from tests.parity.cases import CASES
from unimodal.conversions.t5gemma import T5Gemma


@pytest.fixture
def theirs() -> dict[str, Any]:
    return next(case for case in CASES if case.name == "t5gemma").make()[1]


def decoder(theirs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**theirs, "decoder": {**theirs["decoder"], **changes}}


def test_the_masks_of_a_stack_are_the_shortest_list_that_repeats(theirs: dict[str, Any]) -> None:
    spec = T5Gemma().config(theirs)["backbone"]
    window = "unimodal.masks.window.Window"
    assert spec["encoder"]["mask"] == [{"class": window, "width": 5, "ahead": 4}, "unimodal.masks.full.Full"]
    assert spec["decoder"]["mask"] == [{"class": window, "width": 4}, "unimodal.masks.causal.Causal"]
    full = decoder(theirs, layer_types=["full_attention"] * 3, sliding_window=None)
    assert T5Gemma().config(full)["backbone"]["decoder"]["mask"] == ["unimodal.masks.causal.Causal"]


def test_older_files_name_the_base_of_rotary_positions_by_itself(theirs: dict[str, Any]) -> None:
    spec = T5Gemma().config(decoder(theirs, rope_theta=500.0))["backbone"]
    assert (spec["encoder"]["position"]["base"], spec["decoder"]["position"]["base"]) == (10000.0, 500.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_types": ["full_attention"] * 2}, "decoder.layer_types: names 2 blocks of 3"),
        ({"layer_types": ["chunked_attention"] * 3}, "decoder.layer_types: 'chunked_attention' is none of"),
        ({"sliding_window": None}, "decoder.layer_types: 'sliding_attention' is none of full_attention"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0}}, "decoder.rope_parameters: rope_type: 'yarn'"),
        ({"hidden_activation": "mish"}, "hidden_activation: 'mish' is none of"),
    ],
)
def test_a_setting_that_ours_lack_is_named(theirs: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        T5Gemma().config(decoder(theirs, **changes))
