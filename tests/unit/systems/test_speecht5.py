"""SpeechT5: every invariant holds and would not for what is wrong; each ablation takes one part away."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unimodal.build import build
from unimodal.measuring.measure import Meter
from unimodal.objectives import Objective
from unimodal.objectives.hidden_spans import HiddenSpans
from unimodal.objectives.shared_codes import SharedCodes
from unimodal.spec import load_spec
from unimodal.systems import Invariant, speecht5
from unimodal.systems.fixtures.few_labels import ABLATIONS, ARMS, LABELLED, PRETRAINING, SCRATCH, FewLabels
from unimodal.systems.speecht5 import SpeechT5
from unimodal.training.recipes import load_config

CONFIG = Path(__file__).parents[3] / "configs" / "systems" / "speecht5.yaml"


@pytest.mark.parametrize("invariant", SpeechT5().invariants(), ids=lambda found: found.name)
def test_it_holds(invariant: Invariant) -> None:
    invariant.check()


def test_codes_for_too_many_entries_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = SharedCodes._drawn

    def more(self, segments, batch):
        rows, entries = drawn(self, segments, batch)
        return rows[:-1], entries[:-1]

    monkeypatch.setattr(SharedCodes, "_drawn", more)
    with pytest.raises(AssertionError, match="entries are codes"):
        speecht5._a_tenth_of_each_examples_entries_become_codes()


def test_a_target_taken_after_hiding_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = HiddenSpans.prepare
    monkeypatch.setattr(HiddenSpans, "prepare", lambda self, batch: replace(prepare(self, batch), target=None))
    with pytest.raises(AssertionError, match="the answer changed"):
        speecht5._hidden_speech_is_written_clean()


def test_the_config_is_that_of_pretraining() -> None:
    assert load_spec(CONFIG) == load_config(PRETRAINING)


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_takes_away_what_its_name_says(name: str) -> None:
    whole, less = load_config(PRETRAINING), load_config(PRETRAINING)
    ABLATIONS[name](less)
    said = json.dumps(less)
    assert said != json.dumps(whole) and len(said) < len(json.dumps(whole))
    gone = {"units": "MaskedUnits", "frames": "frames.Frames", "text": "infill", "codes": "Gumbel"}[name.split()[1]]
    left = [*less["data"]["tasks"]] if name == "without text" else less["model"]
    assert gone in json.dumps([whole["model"], [*whole["data"]["tasks"]]]) and gone not in json.dumps(left)
    objective = build(less["model"]["objective"], Objective, dim=32, space=None)
    assert isinstance(objective, torch.nn.Module) and "hidden_spans" in less["model"]["objective"]["class"]


def test_what_a_folder_has_is_not_done_again(tmp_path: Path) -> None:
    study = FewLabels(tmp_path, 10, 20)
    for arm in ARMS:
        folder = study._folder("labelled", arm, 3)
        folder.mkdir(parents=True)
        (folder / "score.json").write_text('{"value": 0.25}')
        meter = Meter()
        assert study.arm(arm)(3, meter) == 0.25 and meter.spent == {"labelled steps": 20}


def test_both_arms_are_taught_alike(tmp_path: Path) -> None:
    """From the same text pieces, in as many steps, by the same objective: only where the weights come from differs."""
    study = FewLabels(tmp_path, 10, 20)
    first, second = (study._sized(load_config(LABELLED), 1, 20) for _ in range(2))
    assert first == second and first["data"]["pieces"].startswith(str(tmp_path)) and SCRATCH in ARMS
    assert str(tmp_path) in json.dumps(study._pretraining(1)["model"])
