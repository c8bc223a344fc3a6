"""Six spoken-language tasks in one model, and in six twins of one task each; all are scored alike.

python -m scripts.train_speech --out runs/speech --steps 5000 [--twins asr st ...] [--limit 100]

`OUT/all` is the model of all tasks, `OUT/only_asr` and so on are its twins; `OUT/scores.json` has their scores beside
the trivial answers'. A twin takes its task's share of the steps, so that both hear the task equally often. The same
command goes on where it was stopped: what is finished is not done again. With more STEPS a model goes on from where its
learning rate began to fall.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from scripts.compared_runs import ComparedRuns
from scripts.speech_scores import TASKS, TRIALS, score
from unimodal.cli import guarded
from unimodal.loading.own import Unimodal
from unimodal.training.recipes import load_config, of_length

ALL = "all"


@final
class Runs(ComparedRuns):
    """The model and its twins."""

    def __init__(self, config: dict[str, Any], out: Path, *, twins: list[str], limit: int) -> None:
        super().__init__({ALL: config, **{f"only_{task}": _only(config, task) for task in twins}}, out, limit=limit)

    def score(self, name: str, model: Unimodal) -> dict[str, Any]:
        return score(model, [*self.configs[name]["data"]["tasks"]], limit=self.limit)

    def compare(self, scores: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """Each measure of the model, of its twin, and of the trivial answers."""
        rows = {}
        for name, found in scores[ALL].items():
            twin = scores.get(f"only_{TRIALS[name].task}")
            rows[name] = found if twin is None else {**found, "twin": twin[name]["model"]}
        return rows


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
