"""How far a run is, in the words in which Lightning's loops take it up again between two steps, and random states."""

import random
from typing import Any

import numpy
import torch


def between_steps(loops: dict[str, Any]) -> dict[str, Any]:
    """The loops' states as of a checkpoint in `on_train_batch_end`, the one place that Lightning counts right.

    A checkpoint is taken when the next batch is there already, after the step's metrics were written and its validation
    is over, or at the end of a run, when the one endless epoch counts as over. Resumed from these, Lightning's own
    counts shift by one: it would log under the wrong step, or begin a second epoch.
    """
    fit = dict(loops["fit_loop"])
    batches = {name: dict(value) for name, value in _counts(fit["epoch_loop.batch_progress"]).items()}
    for counts in batches.values():
        done = counts["completed"]
        counts |= {"ready": done, "started": done, "processed": done, "completed": done - 1}
    fit["epoch_loop.batch_progress"] = {**fit["epoch_loop.batch_progress"], **batches, "is_last_batch": False}
    stepped = fit["epoch_loop.state_dict"]["_batches_that_stepped"] - 1
    fit["epoch_loop.state_dict"] = {**fit["epoch_loop.state_dict"], "_batches_that_stepped": stepped}
    begun = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    epochs = {name: {**value, **begun} for name, value in _counts(fit["epoch_progress"]).items()}
    fit["epoch_progress"] = {**fit["epoch_progress"], **epochs}
    return {**loops, "fit_loop": fit}


def random_states() -> dict[str, Any]:
    """Of every generator that torch, numpy and Python keep for a process."""
    name, words, *rest = numpy.random.get_state()
    words = numpy.asarray(words).tolist()
    states = {"torch": torch.get_rng_state(), "numpy": (name, words, *rest), "python": random.getstate()}
    return states | ({"cuda": torch.cuda.get_rng_state_all()} if torch.cuda.is_available() else {})


def set_random_states(states: dict[str, Any]) -> None:
    """Those of `random_states`; states of a GPU are left out where there are other GPUs."""
    torch.set_rng_state(states["torch"])
    numpy.random.set_state(states["numpy"])
    random.setstate(states["python"])
    if len(states.get("cuda", ())) == torch.cuda.device_count() > 0:
        torch.cuda.set_rng_state_all(states["cuda"])


def _counts(progress: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {name: progress[name] for name in ("total", "current")}
