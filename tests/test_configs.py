"""Every shipped config is built, and opens with the command that uses it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from unimodal.adapters import Adapter
from unimodal.build import build
from unimodal.catalogue import adapter_spec, build_task, checkpoint_task_specs, task_names
from unimodal.config import UnimodalConfig
from unimodal.conversions.families import FAMILIES
from unimodal.decoding.generate import decoding_of
from unimodal.loading.checkpoint_tasks import task_class
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.processor import UnimodalProcessor
from unimodal.spec import load_spec
from unimodal.task import Task
from unimodal.training.checkpoints.saving import SaveCheckpoints
from unimodal.training.cli import DEFAULTS
from unimodal.training.data.module import TaskData
from unimodal.training.module import Learner
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary

CONFIGS = Path(__file__).parents[1] / "configs"
TRAINING = {"seed_everything", "trainer", "checkpoint", "model", "data"}


def configs(folder: str) -> Any:
    return pytest.mark.parametrize("path", sorted((CONFIGS / folder).glob("*.yaml")), ids=lambda path: path.stem)


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_config_opens_with_what_it_is(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")


@configs("models")
def test_a_model_is_built_with_its_processors(path: Path, pieces: TextPieces) -> None:
    spec = load_spec(path)
    torch.manual_seed(0)
    model = UnimodalForConditionalGeneration(UnimodalConfig(**spec))
    assert model.kinds.keys() == spec["processors"].keys()
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    first, *others = model.vocabulary.ranges
    assert first.keys() == {"text"}
    space = TokenSpace([{"text": len(pieces)}, *others])  # the pieces of this test
    if "table" in spec["processors"] or "code" not in spec["processors"]:
        assert UnimodalProcessor(spec["processors"], Vocabulary(space, pieces)).nets.keys() == model.kinds.keys()


RUNS = [path for path in sorted((CONFIGS / "training").glob("*.yaml")) if "trainer" in load_spec(path)]


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_a_training_run_is_built(path: Path, tmp_path: Path, vocabulary: Vocabulary) -> None:
    config = load_spec(path)
    assert set(config) <= TRAINING
    trainer = Trainer(**{**DEFAULTS, **config["trainer"], "logger": False, "default_root_dir": str(tmp_path)})
    assert trainer.max_steps > 0
    SaveCheckpoints(**config["checkpoint"])
    settings = config["model"]
    if not settings["source"].endswith(".yaml"):  # a folder that another run writes
        settings["source"] = "configs/models/tiny.yaml"
    learner = Learner(**settings)
    assert learner.configure_optimizers()["optimizer"].param_groups
    data = TaskData(**config["data"])
    names = [learner.model.vocabulary.name(tag) for tag in learner.model.vocabulary.ids("task")]
    tasks = [build(spec, Task, vocabulary=vocabulary) for spec in data.task_specs.values()]
    assert {part.tag or part.name for task in tasks for part in task.taught} <= set(names)


@configs("adapters")
def test_an_adapter_is_built(path: Path) -> None:
    assert isinstance(build(adapter_spec(path.stem), Adapter), Adapter)


@configs("decoding")
def test_a_decoding_is_built(path: Path) -> None:
    assert decoding_of(path.stem).limit > 0


@configs("checkpoints")
def test_what_a_family_of_checkpoints_does_is_known_by_its_conversion_and_its_class(path: Path) -> None:
    assert path.stem in FAMILIES
    kinds = [task_class(name, spec) for name, spec in checkpoint_task_specs(path.stem).items()]
    assert kinds and all(kind.reads and kind.writes in ("text", "speech") for kind in kinds)


def test_every_task_is_built(vocabulary: Vocabulary) -> None:
    assert [build_task(name, vocabulary).name for name in task_names()] == task_names()
