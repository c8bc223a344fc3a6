"""What is Pix2Struct's own: two configs that have to agree."""

from typing import Any

import pytest

from tests.parity.cases import CASES
from unimodal.conversions.pix2struct import Pix2Struct


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("text_config", {"d_kv": 5}, "text_config.d_kv: 3 heads of 5 do not make up a hidden_size of 12"),
        ("text_config", {"is_decoder": False}, "text_config.is_decoder: false"),
        ("text_config", {"dense_act_fn": "mish"}, "dense_act_fn: 'mish' is none of"),
        ("vision_config", {"hidden_size": 16}, "vision_config.hidden_size: 16 is not that of text_config, 12"),
    ],
)
def test_settings_that_do_not_fit_are_named(part: str, changes: dict[str, Any], message: str) -> None:
    theirs = next(case for case in CASES if case.name == "pix2struct").make()[1]
    with pytest.raises(ValueError, match=message):
        Pix2Struct().config({**theirs, part: {**theirs[part], **changes}})
