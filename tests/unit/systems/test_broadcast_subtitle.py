"""Verbatim text and subtitles: every invariant holds, and would not where rows enter losses that are not theirs."""

from pathlib import Path
from typing import Any

import pytest
import torch

from unimodal import outputs
from unimodal.build import build
from unimodal.objectives import Objective
from unimodal.spec import load_spec
from unimodal.systems import Invariant, broadcast_subtitle
from unimodal.systems.broadcast_subtitle import BroadcastSubtitle
from unimodal.systems.fixtures.announcements import small_objective

CONFIG = Path(__file__).parents[3] / "configs" / "systems" / "broadcast-subtitle.yaml"


@pytest.mark.parametrize("invariant", BroadcastSubtitle().invariants(), ids=lambda found: found.name)
def test_it_holds(invariant: Invariant) -> None:
    invariant.check()


def test_rows_at_the_wrong_decoder_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = outputs.writers

    def swapped(*given: Any) -> outputs.Writers:
        found = right(*given)
        return {net: found.get("subtitle" if net == "verbatim" else "verbatim", rows) for net, rows in found.items()}

    monkeypatch.setattr(outputs, "writers", lambda *given: {"subtitle": torch.arange(2)})
    with pytest.raises(AssertionError, match="moves what subtitles are written with"):
        broadcast_subtitle._verbatim_rows_leave_the_subtitle_side_alone()
    monkeypatch.setattr(outputs, "writers", swapped)
    with pytest.raises(AssertionError):
        broadcast_subtitle._a_loss_is_averaged_over_the_rows_that_have_its_text()


def test_its_config_is_what_the_claim_measures() -> None:
    config = load_spec(CONFIG)
    assert config["model"]["source"] == "configs/models/broadcast.yaml"
    shipped, measured = build(config["model"]["objective"], Objective), small_objective()
    assert shipped.weights == measured.weights and shipped.objectives.keys() == measured.objectives.keys()
    assert config["data"]["mixture"]["shares"] == {"subtitle": 0.95, "verbatim": 0.05}
