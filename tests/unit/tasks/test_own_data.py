"""Every task takes a user's own examples: the sample row of its schema works, and a bad field is named."""

import json
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from unimodal.catalogue import build_task, task_names
from unimodal.commands.manifests import page, sample
from unimodal.data.columns import Files
from unimodal.data.manifest import Division, digest
from unimodal.loading.own import Unimodal
from unimodal.tasks import Task
from unimodal.tasks.own_data import OwnData
from unimodal.vocabulary import Vocabulary

SAMPLES = {"clips": ".wav", "pictures": ".png", "tables": ".csv", "voices": ".npy"}


def put_samples(folder: Path) -> None:
    """The files that the samples of the columns name."""
    from PIL import Image

    for name, suffix in SAMPLES.items():
        (folder / name).mkdir(parents=True)
        file = folder / name / f"0001{suffix}"
        if suffix == ".wav":
            with wave.open(str(file), "wb") as sound:
                sound.setparams((1, 2, 16_000, 0, "NONE", ""))
                sound.writeframes((torch.rand(16_000) * 20_000).to(torch.int16).numpy().tobytes())
        elif suffix == ".png":
            Image.new("RGB", (40, 28), "white").save(file)
        elif suffix == ".npy":
            np.save(file, np.ones(256))
        else:
            file.write_text("price,size\n12.50,3\n4,1\n", encoding="utf-8")


def row_of(task: Task) -> dict[str, object]:
    """The row that the page shows."""
    row: dict[str, object] = json.loads(sample(task))
    return row


def test_the_page_is_what_the_tasks_say() -> None:
    written = Path("docs/manifests.md").read_text(encoding="utf-8")
    assert written == page(), "make docs writes it again"
    assert all(f"## {name}\n" in written for name in task_names())


UNTAUGHT = {
    "spotting": "no window asks for words that begin with 'T'",
    "table_recognition": "HTML does not say where texts stand; teach table_structure and cell_text in its place",
}
"""Of answers in stages, why the sample alone does not teach the parts."""


@pytest.mark.parametrize("name", task_names())
def test_the_sample_row_of_every_task_can_be_taught(
    name: str, tiny: Unimodal, voiced: Unimodal, tmp_path: Path
) -> None:
    put_samples(tmp_path)
    task = build_task(name, tiny.processor.vocabulary)
    processor = (voiced if "voice" in task.options else tiny).processor
    (tmp_path / "manifest.jsonl").write_text(sample(task) + "\n", encoding="utf-8")
    Division(digest(tmp_path / "manifest.jsonl"), (1,), (1,)).save(tmp_path / "division.json")
    own = OwnData(task, manifest=tmp_path / "manifest.jsonl", division=tmp_path / "division.json")
    (example,) = own.examples("test")
    assert len(own.examples("train")) == len(task.schema.versions) and not own.examples("validation")
    if task.staged is not None:
        with pytest.raises(ValueError, match=f"^{name}: {UNTAUGHT[name]}"):
            processor.example(own, example)
        return
    for one in (example, *own.examples("train")):
        item = processor.example(own, one)
        assert item.task == task.name and item.answer is not None
    if task.codec is not None:
        ids = task.codec.encode(example.answer)
        assert task.codec.encode(task.codec.decode(ids)) == ids
    assert own.trivial(own.examples("train"))


WRONG: dict[str, Callable[[Path], object]] = {
    "no string": lambda folder: 7,
    "a list": lambda folder: ["a"],
    "null": lambda folder: None,
    "empty": lambda folder: " ",
    "cut in two": lambda folder: "\0",
}


@pytest.mark.parametrize("name", task_names())
@pytest.mark.parametrize("wrong", WRONG)
def test_a_field_that_cannot_be_used_is_named(name: str, wrong: str, vocabulary: Vocabulary, tmp_path: Path) -> None:
    put_samples(tmp_path)
    task = build_task(name, vocabulary)
    for field in task.schema.columns:
        row = {**row_of(task), field: WRONG[wrong](tmp_path)}
        with pytest.raises(ValueError, match=f"^{field}: ") as problem:
            task.schema.example(row, Files(tmp_path), "mine#1")
        assert "\n" not in str(problem.value)
        del row[field]
        with pytest.raises(ValueError, match=f"^{field}: is missing$"):
            task.schema.example(row, Files(tmp_path), "mine#1")


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("asr", {"speech": "clips/2.wav"}, r"speech: .*clips/2.wav: no such file"),
        ("asr", {"speech": "clips"}, r"speech: .*clips: is a folder"),
        ("asr", {"speech": "pictures/0001.png"}, r"speech: .*0001.png: "),
        ("asr", {"speech": "tables/0001.csv"}, r"speech: .*0001.csv: cannot be read as sound"),
        ("asr", {"answer": "..."}, r"answer: expected what is said, got no words"),
        ("lid", {"answer": "eng"}, r"answer: 'eng' is none of the 6 names; did you mean 'en'\?"),
        ("caption", {"image": "clips/0001.wav"}, r"image: .*0001.wav: cannot be read as a picture"),
        ("table_qa", {"table": "../t.csv"}, r"table: ../t.csv: lies outside the manifest's folder"),
        ("tts", {"answer": "x" * 5000}, r"answer: "),
    ],
)
def test_the_reason_is_said(
    name: str, values: dict[str, object], message: str, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    put_samples(tmp_path)
    task = build_task(name, vocabulary)
    with pytest.raises(ValueError, match=f"^{message}"):
        task.schema.example({**row_of(task), **values}, Files(tmp_path), "mine#1")


def test_what_lasts_too_long_is_told_in_seconds(vocabulary: Vocabulary, tmp_path: Path) -> None:
    put_samples(tmp_path)
    task = build_task("asr", vocabulary, overlay={"max_seconds": 0.5})
    with pytest.raises(ValueError, match=r"speech: .*0001.wav: lasts longer than the limit of 0.5 s"):
        task.schema.example(row_of(task), Files(tmp_path), "mine#1")


def test_labels_of_ones_own(tiny: Unimodal, tmp_path: Path) -> None:
    put_samples(tmp_path)
    task = build_task("classify_image", tiny.processor.vocabulary, overlay={"names": ["cat", "dog"]})
    assert task.schema.example({"image": "pictures/0001.png", "answer": "dog"}, Files(tmp_path), "a#1").answer == "dog"
    assert task.codec is not None and task.codec.decode(task.codec.encode("dog")) == "dog"


def test_a_manifest_that_changed_is_refused(vocabulary: Vocabulary, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text('{"text": "a", "answer": "b"}\n', encoding="utf-8")
    Division("0" * 64, (1,), ()).save(tmp_path / "division.json")
    own = OwnData(build_task("translate_fr", vocabulary), manifest=manifest, division=tmp_path / "division.json")
    with pytest.raises(ValueError, match="manifest.jsonl: is not what it was when .*division.json was written"):
        own.examples("train")
