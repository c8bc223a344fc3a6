"""Six spoken-language tasks in one model, and in six twins of one task each; all are scored alike.

python -m scripts.train_speech --out runs/speech --steps 5000 [--twins asr st ...] [--limit 100]

`OUT/all` is the model of all tasks, `OUT/only_asr` and so on are its twins; `OUT/scores.json` has their scores beside
the trivial answers'. A twin takes its task's share of the steps, so that both hear the task equally often. The same
command goes on where it was stopped: what is finished is not done again. With more STEPS a model goes on from where its
learning rate began to fall.
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from scripts.speech_scores import TASKS, TRIALS, score
from unimodal.cli import guarded
from unimodal.loading.hub import load_own
from unimodal.processor import PIECES_FILE
from unimodal.running.stages import Stages
from unimodal.spec import merge_specs
from unimodal.training.recipes import fit, learn_pieces, load_config, of_length, unfinished

ALL = "all"


class Runs:
    """The model and its twins, each trained and scored as a stage of one folder."""

    def __init__(self, config: dict[str, Any], out: Path, *, twins: list[str], limit: int) -> None:
        self.out, self.limit = out, limit
        self.texts = config
        shared = merge_specs(config, {"data": {"pieces": str(out / PIECES_FILE)}})
        self.configs = {ALL: shared, **{f"only_{task}": _only(shared, task) for task in twins}}
        out.mkdir(parents=True, exist_ok=True)
        self.stages = Stages(out, total=2 + 2 * len(self.configs), resume=True)

    def run(self) -> None:
        texts = self.texts["data"]["texts"]
        self.stages.run("learn text pieces", self.learn, key=texts, products=(PIECES_FILE,))
        for name, config in self.configs.items():
            made = (f"{name}/model.safetensors",)
            self.stages.run(f"train {name}", partial(self.train, name), key=config, products=made)
            key, made = [config, self.limit], (f"{name}/scores.json",)
            self.stages.run(f"score {name}", partial(self.score, name), key=key, products=made)
        self.stages.run("compare", self.compare)

    def learn(self) -> str:
        return learn_pieces(self.texts, self.out)

    def train(self, name: str) -> str:
        folder, config = self.out / name, self.configs[name]
        return fit(config, folder, checkpoint=unfinished(config, folder))

    def score(self, name: str) -> str:
        tasks = [*self.configs[name]["data"]["tasks"]]
        scores = score(load_own(self.out / name), tasks, limit=self.limit)
        (self.out / name / "scores.json").write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
        return f"{len(tasks)} tasks"

    def compare(self) -> str:
        """Each measure of the model, of its twin, and of the trivial answers."""
        scores = {
            name: json.loads((self.out / name / "scores.json").read_text(encoding="utf-8")) for name in self.configs
        }
        rows: dict[str, dict[str, dict[str, float]]] = {}
        for name, found in scores[ALL].items():
            twin = scores.get(f"only_{TRIALS[name].task}")
            rows[name] = found if twin is None else {**found, "twin": twin[name]["model"]}
        (self.out / "scores.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        for name, found in rows.items():
            for measure in found["model"]:
                said = ", ".join(f"{whose} {one[measure]:.4g}" for whose, one in found.items() if measure in one)
                self.stages.console.print(f"{name}: {measure}: {said}", soft_wrap=True)
        return str(self.out / "scores.json")


def _only(config: dict[str, Any], task: str) -> dict[str, Any]:
    """One task alone, for as many steps of the same size as are its share of the mixture."""
    data = {**config["data"], "tasks": {task: config["data"]["tasks"][task]}}
    share = data["mixture"]["shares"][task]
    data["mixture"] = {**data["mixture"], "shares": {task: 1.0}}
    return {**of_length(config, round(share * config["trainer"]["max_steps"])), "data": data}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/training/speech.yaml")
    parser.add_argument("--out", type=Path, default=Path("runs/speech"))
    parser.add_argument("--steps", type=int, help="of each run; default: the config's")
    parser.add_argument("--twins", nargs="*", default=list(TASKS), choices=list(TASKS), metavar="TASK")
    parser.add_argument("--limit", type=int, default=100, help="test examples a task")
    options = parser.parse_args()
    return guarded(lambda: run(options))


def run(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    if options.steps is not None:
        config = of_length(config, options.steps)
    Runs(config, options.out, twins=options.twins, limit=options.limit).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
