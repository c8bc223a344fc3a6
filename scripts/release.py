"""A trained model as it is kept in this repository: small weights, its scores and losses, and a card.

python -m scripts.release runs/speech/all models/speech --command "make speech STEPS=7000 OUT=runs/speech"

Weights are stored in float16, and read as float32 again. What the folder of the run holds besides stays there.
"""

import argparse
import csv
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from unimodal.cli import guarded
from unimodal.processor import PIECES_FILE

MOST_BYTES = 40_000_000
KEPT = ("config.json", "generation_config.json", "processor_config.json", PIECES_FILE, "scores.json")
VALIDATION = "validation/"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the folder of a model that was trained and scored")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--command", required=True, help="what trained it")
    options = parser.parse_args()
    return guarded(lambda: release(options.run, options.out, options.command))


def release(run: Path, out: Path, command: str) -> int:
    """Writes the folder; raises ValueError or FileNotFoundError for a run that lacks something, or is too large."""
    from safetensors.torch import load_file, save_file

    for name in (*KEPT, "model.safetensors", "metrics.csv"):
        if not (run / name).is_file():
            raise FileNotFoundError(f"{run / name}: not there; train the model and score it first")
    whole = load_file(run / "model.safetensors")
    states = {name: value.half() if value.dtype == torch.float32 else value for name, value in whole.items()}
    size = sum(value.nbytes for value in states.values())
    if size > MOST_BYTES:
        raise ValueError(f"{run}: {size:,} bytes of weights are more than {MOST_BYTES:,}")
    out.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        shutil.copyfile(run / name, out / name)
    save_file(states, out / "model.safetensors", metadata={"format": "pt"})
    num_lines = write_losses(run / "metrics.csv", out / "losses.csv")
    num_parameters = sum(value.numel() for value in states.values())
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    (out / "README.md").write_text(card(out.name, command, num_parameters, scores), encoding="utf-8")
    print(f"{out}: {size:,} bytes of weights, {len(scores)} scores, {num_lines} lines of losses")
    return 0


def write_losses(metrics: Path, out: Path) -> int:
    """The losses on held-out examples, a line for each time that they were measured; how many lines."""
    with metrics.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        names = ["step", *(name for name in reader.fieldnames or () if name.startswith(VALIDATION))]
        rows = [{name: row[name] for name in names} for row in reader if any(row[name] for name in names[1:])]
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def card(name: str, command: str, num_parameters: int, scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """What a reader of the folder should know: how the model came to be, and each measure beside those of others."""
    lines = [
        "---\nlibrary_name: unimodal\nlicense: apache-2.0\ntags: [unimodal, encoder-decoder]\n---\n",
        f"# {name}\n",
        f"{num_parameters / 1e6:.1f} M parameters, trained by `{command}`.\n",
        f"```\nunimodal tasks --model models/{name}\n```\n",
        "On held-out examples (`scores.json`; losses on others in `losses.csv`):\n",
        "| task | measure | model | beside it |\n|---|---|---|---|",
    ]
    for task, found in scores.items():
        for measure, value in found["model"].items():
            beside = [
                f"{whose} {one[measure]:.3g}" for whose, one in found.items() if whose != "model" and measure in one
            ]
            lines.append(f"| {task} | {measure} | {value:.3g} | {', '.join(beside)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
