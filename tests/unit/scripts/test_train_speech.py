"""One model of several tasks and its twins: what is trained on what, what is scored, and going on after a stop."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts import compared_runs, speech_scores, train_speech
from scripts.speech_scores import Answered, converted
from scripts.train_speech import Runs
from unimodal.prenets.voice import Voice
from unimodal.spec import load_spec
from unimodal.task import Example


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Runs, list[tuple[str, Any]]]:
    """Two tasks and their twins, whose training and scoring only note what they are asked."""
    asked: list[tuple[str, Any]] = []

    def learn(config: Any, folder: Path) -> str:
        (folder / "tokenizer.model").touch()
        return "pieces"

    def fit(config: Any, folder: Path, *, checkpoint: Path | None = None) -> str:
        asked.append((folder.name, config))
        folder.mkdir()
        (folder / "model.safetensors").touch()
        return "trained"

    def score(model: Path, names: list[str], *, limit: int) -> dict[str, Any]:
        asked.append((f"score {model.name}", names))
        found = {"asr": {"character error rate": 0.5}, "sid": {"exact match": 0.25}}
        return {name: {"model": found[name], "trivial": dict.fromkeys(found[name], 1.0)} for name in names}

    monkeypatch.setattr(compared_runs, "learn_pieces", learn)
    monkeypatch.setattr(compared_runs, "fit", fit)
    monkeypatch.setattr(compared_runs, "load_own", lambda folder: folder)
    monkeypatch.setattr(train_speech, "score", score)
    config = load_spec("configs/training/speech.yaml")
    config["data"]["tasks"] = {name: config["data"]["tasks"][name] for name in ("asr", "sid")}
    return Runs(config, tmp_path / "out", twins=["asr", "sid"], limit=5), asked


def test_each_twin_takes_its_share_of_the_steps_on_its_task_alone(runs: tuple[Runs, list[tuple[str, Any]]]) -> None:
    one, asked = runs
    one.run()
    configs = {name: config for name, config in asked if not name.startswith("score")}
    assert list(configs) == ["all", "only_asr", "only_sid"]
    assert list(configs["all"]["data"]["tasks"]) == ["asr", "sid"]
    twin = configs["only_sid"]
    assert list(twin["data"]["tasks"]) == ["sid"] and twin["data"]["mixture"]["shares"] == {"sid": 1.0}
    share, whole = configs["all"]["data"]["mixture"]["shares"]["sid"], configs["all"]["trainer"]["max_steps"]
    assert twin["trainer"] == {**configs["all"]["trainer"], "max_steps": round(share * whole)}
    schedules = [config["model"].pop("schedule") for config in (twin, configs["all"])]
    assert [schedule["steps"] for schedule in schedules] == [round(share * whole), whole]
    assert schedules[0]["decay"] / schedules[1]["decay"] == pytest.approx(share, abs=0.01)
    assert twin["model"] == configs["all"]["model"]
    assert len({config["data"]["pieces"] for config in configs.values()}) == 1
    scores = json.loads((one.out / "scores.json").read_text())
    assert scores["sid"] == {
        name: {"exact match": value} for name, value in (("model", 0.25), ("trivial", 1.0), ("twin", 0.25))
    }


def test_what_is_finished_is_not_done_again(runs: tuple[Runs, list[tuple[str, Any]]]) -> None:
    one, asked = runs
    one.run()
    (one.out / "only_sid" / "scores.json").unlink()
    done = len(asked)
    Runs(one.texts, one.out, twins=["asr", "sid"], limit=5).run()
    assert [name for name, _ in asked[done:]] == ["score only_sid"]


def test_a_changed_voice_is_measured_between_source_and_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three answers: in the target's voice, in the source's, and nearer to the target's."""
    voices = {"target": [1.0, 0.0], "source": [0.0, 1.0], "near": [0.9, 0.5]}
    heard = {name: Voice(torch.tensor(vector), name) for name, vector in voices.items()}
    monkeypatch.setattr(speech_scores, "voice_of", lambda raw: heard[raw])
    monkeypatch.setattr(Answered, "sounds", lambda self: self.answers)
    monkeypatch.setattr(speech_scores, "MelCepstralDistortion", lambda: lambda predictions, references: 7.0)
    examples = [Example("g#1", {"speech": "source", "voice": "target"}, None)] * 3
    found = converted(Answered(examples, ["target", "source", "near"]))
    assert found["closer to the target"] == pytest.approx(2 / 3)
    assert found["cosine to the target"] == pytest.approx((1 + 0 + 0.9 / (0.81 + 0.25) ** 0.5) / 3)
    assert found["mel cepstral distortion"] == 7.0
