"""A batch that a run stumbled over, as files: python -m unimodal.training.replay RUN/non_finite/step-000012."""

import argparse
import json
import shutil
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor

from unimodal.batching import Batch, Pieces, Sequences
from unimodal.cli import guarded
from unimodal.layout import Layout
from unimodal.training.measuring.finiteness import arrays, first_non_finite

if TYPE_CHECKING:
    from unimodal.training.module import Learner

ARRAYS, NOTES, WEIGHTS, CONFIG = "batch.safetensors", "batch.json", "learner.safetensors", "config.yaml"
COMMAND = f"python -m {__name__}"


def write_replay(folder: Path, learner: "Learner", batch: Batch, *, config: Path, notes: dict[str, Any]) -> None:
    """Writes a batch, the weights before its step, the run's config, and notes with the noise's `seed`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: array.detach().cpu().contiguous() for name, array in arrays(batch)}, folder / ARRAYS)
    (folder / NOTES).write_text(json.dumps({**notes, "tasks": batch.tasks}, indent=1) + "\n", encoding="utf-8")
    shutil.copyfile(config, folder / CONFIG)
    save_model(learner, str(folder / WEIGHTS))


def read_batch(folder: Path) -> tuple[Batch, dict[str, Any]]:
    """The batch and the notes of a folder. Raises ValueError where a file is none of `write_replay`'s."""
    notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
    try:
        tree = _nested(load_file(folder / ARRAYS))
        source, target = (_sequences(tree[side]) if side in tree else None for side in ("source", "target"))
        return Batch(source, target, tree["labels"], tuple(notes["tasks"])), notes
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / ARRAYS}: holds no batch ({error})") from error


def replay(folder: Path) -> str:
    """Runs the batch of a folder again; gives the place of the first non-finite value in words."""
    from unimodal.training.module import Learner

    if not (folder / NOTES).is_file():
        raise FileNotFoundError(f"{folder / NOTES}: no such file; is {folder} the folder of a saved batch?")
    batch, notes = read_batch(folder)
    learner = Learner(**yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))["model"])
    load_model(learner, str(folder / WEIGHTS))
    learner.train()
    found = first_non_finite(learner.model, learner.objective, batch, notes["seed"])
    return f"step {notes['step']}, {len(batch.tasks)} examples of {', '.join(sorted(set(batch.tasks)))}: " + (
        "all values are finite here" if found is None else f"the first non-finite value is in {found}"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog=COMMAND, description="Runs a batch again that gave non-finite values.")
    parser.add_argument("folder", type=Path)
    print(replay(parser.parse_args(arguments).folder))
    return 0


def _nested(flat: dict[str, Tensor]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, tensor in flat.items():
        *path, last = name.split(".")
        place = tree
        for step in path:
            place = place.setdefault(step, {})
        place[last] = tensor
    return tree


def _sequences(tree: dict[str, Any]) -> Sequences:
    layout = Layout(**{field.name: tree["layout"].get(field.name) for field in fields(Layout)})
    return Sequences(layout, {net: Pieces(**pieces) for net, pieces in tree.get("pieces", {}).items()})


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
