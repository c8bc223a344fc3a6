"""Trainings that are compared: each in a folder of its own, trained and scored in stages, taken up where it ended."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, final

from unimodal.loading.hub import load_own
from unimodal.loading.own import Unimodal
from unimodal.processor import PIECES_FILE
from unimodal.running.stages import Stages
from unimodal.spec import merge_specs
from unimodal.training.recipes import fit, learn_pieces, unfinished

SCORES = "scores.json"


class ComparedRuns(ABC):
    """Runs by name, of which the first one's texts give all their text pieces.

    `OUT/NAME` is a model with its scores, `OUT/scores.json` the comparison. What is finished is not done again.
    """

    def __init__(self, configs: Mapping[str, Mapping[str, Any]], out: Path, *, limit: int) -> None:
        """`limit`: test examples a task."""
        self.out, self.limit = out, limit
        self.texts = next(iter(configs.values()))
        shared = {"data": {"pieces": str(out / PIECES_FILE)}}
        self.configs = {name: merge_specs(config, shared) for name, config in configs.items()}
        out.mkdir(parents=True, exist_ok=True)
        self.stages = Stages(out, total=2 + 2 * len(configs), resume=True)

    @final
    def run(self) -> None:
        texts = self.texts["data"]["texts"]
        self.stages.run("learn text pieces", self._learn, key=texts, products=(PIECES_FILE,))
        for name, config in self.configs.items():
            made = (f"{name}/model.safetensors",)
            self.stages.run(f"train {name}", partial(self._train, name), key=config, products=made)
            key, made = [config, self.limit], (f"{name}/{SCORES}",)
            self.stages.run(f"score {name}", partial(self._score, name), key=key, products=made)
        self.stages.run("compare", self._compare)

    @abstractmethod
    def score(self, name: str, model: Unimodal) -> dict[str, Any]:
        """What a run's model is worth."""

    @abstractmethod
    def compare(self, scores: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """The scores of all runs, by their names -> the comparison: for each task, whose, and by measure how much."""

    def _learn(self) -> str:
        return learn_pieces(self.texts, self.out)

    def _train(self, name: str) -> str:
        folder, config = self.out / name, self.configs[name]
        return fit(config, folder, checkpoint=unfinished(config, folder))

    def _score(self, name: str) -> str:
        scores = self.score(name, load_own(self.out / name))
        _write(self.out / name / SCORES, scores)
        return f"{len(scores)} scores"

    def _compare(self) -> str:
        scores = {name: json.loads((self.out / name / SCORES).read_text(encoding="utf-8")) for name in self.configs}
        rows = self.compare(scores)
        _write(self.out / SCORES, rows)
        for name, found in rows.items():
            for measure in next(iter(found.values())):
                said = ", ".join(f"{whose} {one[measure]:.4g}" for whose, one in found.items() if measure in one)
                self.stages.console.print(f"{name}: {measure}: {said}", soft_wrap=True)
        return str(self.out / SCORES)


def _write(file: Path, rows: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
