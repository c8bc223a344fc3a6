"""Gradients of tasks that want the opposite oppose each other; measuring them changes no step."""

import json
import math

import pytest
import torch
from lightning.pytorch import Trainer
from safetensors.torch import load_file

from tests.unit.training.conftest import Fit, rows
from unimodal.batching import EncoderDecoder, Item, Padded, token_piece
from unimodal.training.measuring.conflicts import GradientConflicts, compare, gradients_by_task
from unimodal.training.module import Learner

CALLBACK = "unimodal.training.measuring.conflicts.GradientConflicts"


def item(task: str, answer: int) -> Item:
    labels = torch.tensor([answer])
    return Item(task, (token_piece([7, 8, 9]),), token_piece([3]), labels)


def learner() -> Learner:
    torch.manual_seed(0)
    return Learner(
        "configs/models/tiny.yaml",
        objective={"class": "unimodal.objectives.cross_entropy.CrossEntropy"},
        optimizer={"class": "unimodal.training.optimizer.AdamW", "learning_rate": 0.1},
    )


def test_opposite_answers_to_one_question_conflict() -> None:
    made = learner()
    batch = EncoderDecoder().batch([item("same", 20), item("twin", 20), item("other", 21)], Padded(), made.model.kinds)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    random = torch.get_rng_state()
    cosines, norms = compare(gradients_by_task(made, batch, [r"^backbone\."]))
    assert cosines["same", "twin"] == pytest.approx(1, abs=1e-4)
    assert cosines["other", "same"] < 0.9 and all(norm > 0 for norm in norms.values())
    assert norms["same"] == pytest.approx(norms["twin"], rel=1e-4)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert all(parameter.grad is None for parameter in made.parameters())
    # Each task's gradient is that of its examples alone.
    whole = gradients_by_task(
        made, EncoderDecoder().batch([item("same", 20)], Padded(), made.model.kinds), ["^backbone"]
    )
    assert math.isclose(float(whole["same"].norm()), norms["same"], rel_tol=1e-4)


def test_a_task_without_gradient_has_no_cosine() -> None:
    cosines, norms = compare({"a": torch.tensor([1.0, 0.0]), "b": torch.tensor([-1.0, 1.0]), "c": torch.zeros(2)})
    assert cosines == {("a", "b"): pytest.approx(-(2**-0.5))} and norms["c"] == 0


def test_a_run_is_the_same_with_it_and_leaves_a_heat_map(fit: Fit) -> None:
    arguments = ["--data.tasks", '{"code_summary": null, "code_completion": null}', "--trainer.max_steps", "3"]
    arguments += ["--trainer.val_check_interval", "100"]
    arguments += ["--data.batching.bucketing", "unimodal.training.data.bucketings.mixed.Mixed"]
    mixture = {"class": "unimodal.training.data.mixtures.fixed.Fixed", "shares": {"code_summary": 0.5}}
    arguments += ["--data.mixture", json.dumps(mixture)]
    alone = fit(*arguments, folder="alone")
    watched = fit(*arguments, "--trainer.callbacks+", CALLBACK, "--trainer.callbacks.every", "2", folder="watched")
    expected, found = (load_file(folder / "model.safetensors") for folder in (alone, watched))
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    (cosine,) = json.loads((watched / "gradient_conflicts.json").read_text()).values()
    assert -1 <= cosine <= 1
    assert "code_completion" in (watched / "gradient_conflicts.svg").read_text()
    measured = [row["conflict/code_completion~code_summary"] != "" for row in rows(watched)]
    assert measured == [True, False, True], "what was not measured at a step stands there"


def test_cut_parameters_are_refused() -> None:
    cut = learner()
    vars(cut.model.backbone.decoder.blocks[0].mixer.query.weight)["ds_id"] = 3
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    with pytest.raises(ValueError, match="the strategy cuts parameters among processes"):
        GradientConflicts().on_train_start(trainer, cut)


def test_parameters_that_are_not_there_are_named() -> None:
    with pytest.raises(ValueError, match="parameters: no parameter that learns is called nowhere"):
        trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
        GradientConflicts(parameters=["nowhere"]).on_train_start(trainer, learner())
    with pytest.raises(ValueError, match="every"):
        GradientConflicts(every=0)
