"""The laws of tasks, over every file of `configs/tasks`; a task whose corpus is out of reach is skipped."""

import importlib
import inspect
import math
import pkgutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import unimodal.tasks
from unimodal.build import build
from unimodal.prenets.voice import Voice
from unimodal.prenets.waveform import Waveform
from unimodal.spec import load_spec
from unimodal.tasks import SPLITS, Example, Task
from unimodal.tasks.archived import Archived
from unimodal.tasks.corpora import CorpusUnavailable
from unimodal.tasks.few import FewLabels
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.own_data import OwnData
from unimodal.vocabulary import Vocabulary

CONFIGS = Path(unimodal.tasks.__file__).parents[1] / "configs" / "tasks"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
NETS = {
    "text",
    "characters",
    "code",
    "table",
    "speech",
    "image",
    "video",
    "frames",
    "prompt",
}  # frames are told a voice
QUESTIONS = {"table": "how many rows are there?", "place": "0.25 0.5"}
MOST = 200


def make(name: str, vocabulary: Vocabulary, **settings: object) -> Task:
    spec = {**load_spec(CONFIGS / f"{name}.yaml"), **settings}
    return build(spec, Task, where=f"configs/tasks/{name}.yaml", vocabulary=vocabulary)


@cache
def splits(name: str, vocabulary: Vocabulary) -> dict[str, Sequence[Example]]:
    try:
        return {split: make(name, vocabulary).examples(split) for split in SPLITS}
    except CorpusUnavailable as problem:
        pytest.skip(str(problem))


def some(examples: Sequence[Example], most: int = MOST) -> list[Example]:
    return [examples[i] for i in range(min(most, len(examples)))]


def drawn(examples: Sequence[Example]) -> bool:
    return isinstance(examples, OnDemand)


def classes() -> set[type]:
    modules = (importlib.import_module(f"unimodal.tasks.{found.name}") for found in pkgutil.iter_modules(TASKS_PATH))
    found = (value for module in modules for value in vars(module).values() if inspect.isclass(value))
    tasks = {value for value in found if issubclass(value, Task) and not inspect.isabstract(value)}
    return tasks - {Archived, FewLabels, OwnData}  # which wrap any of them


TASKS_PATH = unimodal.tasks.__path__


def test_every_task_has_a_config_that_names_it(vocabulary: Vocabulary) -> None:
    built = [make(name, vocabulary) for name in NAMES]
    assert [task.name for task in built] == NAMES
    assert {type(task) for task in built} == classes()
    for path in CONFIGS.glob("*.yaml"):
        assert path.read_text().startswith(f"# unimodal run {path.stem} "), "the first comment is the command"


@pytest.mark.parametrize("name", NAMES)
def test_the_splits_share_no_group_and_the_test_is_large_enough(name: str, vocabulary: Vocabulary) -> None:
    found = splits(name, vocabulary)
    # What is drawn is drawn from one split's tables or digits: a few hundred examples tell.
    groups = [
        {example.group for example in some(found[split], 300 if drawn(found[split]) else 10_000)} for split in SPLITS
    ]
    assert all(groups) and not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    assert "" not in set.union(*groups)
    assert len(found["test"]) >= 50 and len(found["train"]) >= 200
    keys = [example.key for example in some(found["test"], 1000)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_the_same_every_time(name: str, vocabulary: Vocabulary) -> None:
    first = splits(name, vocabulary)["validation"]
    task = make(name, vocabulary)
    second = task.examples("validation")
    assert len(first) == len(second)
    for i in (len(first) - 1, 0, len(first) // 2):
        assert first[i].key == second[i].key
        assert alike(first[i].answer, second[i].answer)
        one, other = task.prompt(first[i]), task.prompt(second[i])
        assert {net for net, _ in one} <= NETS
        assert all(a[0] == b[0] and alike(a[1], b[1]) for a, b in zip(one, other, strict=True))


def alike(one: object, other: object) -> bool:
    if isinstance(one, Waveform) and isinstance(other, Waveform):
        return one.rate == other.rate and torch.equal(one.samples, other.samples)
    if isinstance(one, Voice) and isinstance(other, Voice):
        return torch.equal(one.vector, other.vector)
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return one == other


@pytest.mark.parametrize("name", NAMES)
def test_answers_survive_the_codec_and_are_in_its_grammar(name: str, vocabulary: Vocabulary) -> None:
    task = make(name, vocabulary)
    for example in some(splits(name, vocabulary)["train"]):
        if task.codec is None:
            assert task.writes != "text" and isinstance(example.answer, Waveform)
            continue
        ids = task.codec.encode(example.answer)
        assert task.codec.decode(ids) == example.answer
        assert task.codec.grammar().accepts([*ids, vocabulary.space.end])


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_scores_best_and_no_trivial_answer_comes_near(name: str, vocabulary: Vocabulary) -> None:
    task, found = make(name, vocabulary), splits(name, vocabulary)
    test = some(found["test"], 60)
    answers = [example.answer for example in test]
    best = task.metric(answers, answers)
    baselines = task.trivial(found["train"])
    assert baselines
    for trivial in baselines.values():
        score = task.metric([trivial(example) for example in test], answers)
        assert math.isfinite(score)
        assert best > 1.5 * score if task.metric.higher_is_better else best < 0.5 * score


@pytest.mark.parametrize(
    "content", [None, b"", b"\x89PNG\r\n\x1a\n\xff\xfe\x00\x01garbage"], ids=["missing", "empty", "garbage"]
)
@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_cannot_be_used_is_named_in_one_line(
    name: str, content: bytes | None, vocabulary: Vocabulary, tmp_path: Path
) -> None:
    path = tmp_path / "input.bin"
    if content is not None:
        path.write_bytes(content)
    task = make(name, vocabulary)
    question = next((asked for read, asked in QUESTIONS.items() if read in task.reads), None)
    with pytest.raises((ValueError, FileNotFoundError)) as problem:
        task.read([path], question)
    message = str(problem.value)
    assert message.startswith(str(path)) and "\n" not in message


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_is_either_read_or_refused(name: str, vocabulary: Vocabulary, tmp_path: Path) -> None:
    np.save(tmp_path / "voice.npy", np.ones(256))
    task = make(name, vocabulary)
    if "voice" in task.reads:
        task = make(name, vocabulary, voice=str(tmp_path / "voice.npy"))
    if "table" not in task.reads and {"text", "code"} & set(task.reads):
        (example,) = task.read([], "return the value of x")
        assert example.answer is None
        assert len([net for net, _ in task.prompt(example) if net != task.writes or task.codec is not None]) == 1
        with pytest.raises(ValueError, match="^prompt: "):
            task.read([], "  ")
        with pytest.raises(ValueError, match="nothing to read"):
            task.read([])
    elif {*QUESTIONS} & {*task.reads}:
        with pytest.raises(ValueError, match="^prompt: .*(question|place)"):
            task.read([Path("input.bin")])
    else:
        with pytest.raises(ValueError, match=f"^prompt: the task {name} reads files only"):
            task.read([], "what is this?")
