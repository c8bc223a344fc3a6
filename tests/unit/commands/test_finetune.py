"""`unimodal finetune` from a manifest to an answer: bad rows named, new letters learned, what is held out kept out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from unimodal import cli
from unimodal.commands.finetune import own_task
from unimodal.loading.hub import load_own
from unimodal.loading.own_tasks import OwnTask
from unimodal.spec import load_spec, merge_specs
from unimodal.training import fine_tuning

Finetune = Callable[..., tuple[int, str, str]]

WORDS = ("αλφα", "βήτα", "γάμμα", "δέλτα", "έψιλον", "ζήτα", "ήτα", "θήτα", "γιώτα", "κάππα")


def write_manifest(folder: Path, good: int = 60) -> Path:
    """Good rows of `translate_fr` into Greek, and five bad ones in between."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"text": f"say the letter {i}", "answer": " ".join((WORDS[i % 10], WORDS[i // 10]))} for i in range(good)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    lines[3:3] = ['{"text": "a", "answer"', json.dumps({"text": "a"}), json.dumps({"text": 7, "answer": "b"})]
    lines[20:20] = [json.dumps({"text": " ", "answer": "b"}), json.dumps({"text": "word " * 500, "answer": "b"})]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "manifest.jsonl"


@pytest.fixture
def finetune(
    tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Finetune:
    """Runs the command with the tiny model for a few steps: (status, stdout, stderr)."""
    recipe = {
        "trainer": {"max_steps": 3},
        "checkpoint": {"every": 2},
        "model": {"objective": {"objectives": {"diagonal": {"heads": 1}}}},
        "data": {"batching": {"entries": 256}},
    }
    config = merge_specs(load_spec("configs/training/finetune.yaml"), recipe)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    monkeypatch.setitem(fine_tuning.SCORING, "limit", 12)
    shutil.copytree(tiny_folder, tmp_path / "model")

    def run(task: str, manifest: Path, *arguments: str) -> tuple[int, str, str]:
        given = ["--model", str(tmp_path / "model"), "--out", str(tmp_path / "out")]
        given += ["--config", str(tmp_path / "config.yaml"), *arguments]
        status = cli.main(["finetune", task, str(manifest), *given])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_a_manifest_becomes_an_adapter_that_answers(
    finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_manifest(tmp_path / "data")
    status, said, error = finetune("translate_fr", manifest, "--language", "el")
    assert status == 0, error
    out = tmp_path / "out"
    for line, reason in ((4, "is no JSON"), (5, "answer: is missing"), (6, "text: expected"), (21, "text: expected")):
        assert f"line {line}: {reason}" in said
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["line"] for row in rejected] == [4, 5, 6, 21, 22]
    division = json.loads((out / "division.json").read_text(encoding="utf-8"))
    assert len(division["train"]) + len(division["test"]) == 60 and not set(division["train"]) & set(division["test"])
    assert f"{len(division['train'])} examples to learn from, {len(division['test'])} held out, 5 rows left out" in said
    files = {"adapter_config.json", "adapter_model.safetensors", "README.md", "metrics.json", "tasks.json"}
    assert files | {"tokenizer.model", "processor_config.json"} <= {path.name for path in out.iterdir()}
    assert not (out / "extended").exists() and not (out / "model.safetensors").exists()
    (row,) = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert row["task"] == "translate_el" and row["n_test"] == len(division["test"]) and row["base_value"] is not None
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "translate_el" in card and "before | after" in card
    model = load_own(out)
    codec = model.task("translate_el").codec
    assert codec is not None and len(codec.encode("αλφα")) == 4 and codec.decode(codec.encode("γάμμα")) == "γάμμα"
    assert said.splitlines()[-1] == f"unimodal run translate_el INPUT --model {out}"
    assert cli.main(["run", "translate_el", "--prompt", "say it", "--model", str(out)]) == 0
    capsys.readouterr()
    assert cli.main(["tasks", "--model", str(out)]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"translate_el", "translate_fr"} <= set(listed) and listed == sorted(listed)


def test_what_cannot_be_asked_is_one_line(finetune: Finetune, tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "data")
    bad = tmp_path / "data" / "bad.jsonl"
    bad.write_text('{"text": 1}\n[]\n', encoding="utf-8")
    cases = {
        ("translate_fr", bad): "bad.jsonl: none of its 2 rows can be used",
        ("translate_fr", tmp_path / "none.jsonl"): "none.jsonl: no such file",
        ("sing", manifest): "unknown task 'sing'",
        ("caption", manifest, "--language", "es"): "--language: the task caption is of no language",
        ("translate_fr", manifest, "--adapter", "glue"): "adapter: there is no 'glue' among",
        ("translate_fr", manifest, "--set", "cache=/tmp"): "--set.cache: no such thing can be set here",
        ("translate_fr", manifest, "--set", "max_words"): "--set max_words: expected NAME=VALUE",
        ("translate_fr", manifest, "--held-out", "2"): "--held-out: expected a share",
        ("translate_fr", manifest, "--minutes", "0"): "--minutes: expected more than 0",
        ("translate_fr", manifest, "--out", str(tmp_path / "model")): "is the base's own folder",
    }
    for (task, file, *arguments), message in cases.items():
        status, _, error = finetune(task, file, *arguments)
        assert status == 2 and message in error and len(error.strip().splitlines()) == 1, (message, error)
    rejected = (tmp_path / "out" / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["line"] for line in rejected] == [1, 2]


@pytest.mark.parametrize(
    ("name", "language", "settings"),
    [
        ("asr", None, {}),
        ("asr", "en", {}),
        ("asr", "es", {"language": "es", "name": "asr_es"}),
        ("asr_fr", "es", {"language": "es", "name": "asr_es"}),
        ("translate_fr", "el", {"language": "el"}),
    ],
)
def test_another_language_has_a_name_of_its_own(name: str, language: str | None, settings: dict[str, str]) -> None:
    assert own_task(name, language, {}) == OwnTask(name, settings)


def test_without_an_adapter_all_weights_learn(finetune: Finetune, tmp_path: Path) -> None:
    status, _, error = finetune("translate_fr", write_manifest(tmp_path / "data"), "--full")
    assert status == 0, error
    out = tmp_path / "out"
    names = {path.name for path in out.iterdir()}
    assert {"model.safetensors", "config.json", "processor_config.json", "README.md", "metrics.json"} <= names
    assert not {"adapter_config.json", "base", "extended"} & names
    tuned, base = load_own(out), load_own(tmp_path / "model")
    changed = {
        name.partition(".")[0]
        for name, value in tuned.model.state_dict().items()
        if name not in base.model.state_dict() or not value.equal(base.model.state_dict()[name])
    }
    assert {"embedding", "backbone"} <= changed
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "A model, all weights tuned for the task `translate_fr`" in card and "base" not in card


@pytest.mark.parametrize("more", [[], ["--full"]], ids=["adapter", "all weights"])
def test_a_voice_changer_is_tuned(more: list[str], finetune: Finetune, voiced_folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "model")
    shutil.copytree(voiced_folder, tmp_path / "model")
    rng, rows = np.random.default_rng(0), []
    for number in range(6):
        soundfile.write(tmp_path / f"{number}.wav", rng.standard_normal(4000) * 0.1, 16_000)
        voice = rng.standard_normal(256).round(3).tolist() if number else [1.0] * 7
        rows.append(json.dumps({"speech": f"{number}.wav", "voice": voice, "answer": f"{number}.wav"}))
    (tmp_path / "manifest.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    status, said, error = finetune("vc", tmp_path / "manifest.jsonl", *more)
    assert status == 0, error
    assert "line 1: voice: the list: a voice is 256 numbers, not 7" in said
    tuned, base = load_own(tmp_path / "out").model, load_own(tmp_path / "model").model
    name = "prenets.frames.voice.weight"
    assert not tuned.state_dict()[name].equal(base.state_dict()[name])
    if not more:
        settings = json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))
        assert sorted(settings["modules_to_save"]) == [
            "postnets.frames",
            "prenets.frames",
            "prenets.speech",
            "readouts.speech",
        ]
