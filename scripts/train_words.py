"""Words in pictures, found and read in two stages and in one sequence: trained at equal budgets, scored alike.

python -m scripts.train_words --out runs/words --steps 20000 [--arms staged interleaved] [--limit 200]

`OUT/staged` and `OUT/interleaved` are the models; `OUT/scores.json` has their scores. Both take as many steps, each as
large. The same command goes on where it was stopped: what is finished is not done again.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

from unimodal.cli import guarded
from unimodal.codecs.points import Point
from unimodal.codecs.spotting import SpottedWord
from unimodal.decoding.generate import Decoding
from unimodal.loading.hub import load_own
from unimodal.loading.own import Unimodal
from unimodal.processor import PIECES_FILE
from unimodal.running.stages import Stages
from unimodal.running.work import Result
from unimodal.samplers.greedy import Greedy
from unimodal.spec import merge_specs
from unimodal.task import Example, Task
from unimodal.tasks.windows import Window
from unimodal.training.recipes import fit, learn_pieces, load_config, of_length, unfinished

BATCH = 8
MANY_WORDS = 10
"""Words of a picture from which on serial steps are compared."""
GREEDY = Decoding(Greedy(), limit=700)


class Arm(NamedTuple):
    """A training run, and the task by which it finds words."""

    config: str
    task: str


ARMS = {
    "staged": Arm("configs/training/words.yaml", "spotting"),
    "interleaved": Arm("configs/training/words_interleaved.yaml", "spotting_interleaved"),
}


class Runs:
    """The arms, each trained and scored as a stage of one folder."""

    def __init__(self, out: Path, *, arms: Sequence[str], steps: int | None, limit: int) -> None:
        self.out, self.limit = out, limit
        configs = {arm: load_config(ARMS[arm].config) for arm in arms}
        if steps is not None:
            configs = {arm: of_length(config, steps) for arm, config in configs.items()}
        pieces = {"data": {"pieces": str(out / PIECES_FILE)}}
        self.texts = configs[arms[0]]
        self.configs = {arm: merge_specs(config, pieces) for arm, config in configs.items()}
        out.mkdir(parents=True, exist_ok=True)
        self.stages = Stages(out, total=2 + 2 * len(arms), resume=True)

    def run(self) -> None:
        texts = self.texts["data"]["texts"]
        self.stages.run("learn text pieces", self.learn, key=texts, products=(PIECES_FILE,))
        for arm, config in self.configs.items():
            made = (f"{arm}/model.safetensors",)
            self.stages.run(f"train {arm}", partial(self.train, arm), key=config, products=made)
            key, made = [config, self.limit], (f"{arm}/scores.json",)
            self.stages.run(f"score {arm}", partial(self.score, arm), key=key, products=made)
        self.stages.run("compare", self.compare)

    def learn(self) -> str:
        return learn_pieces(self.texts, self.out)

    def train(self, arm: str) -> str:
        folder, config = self.out / arm, self.configs[arm]
        return fit(config, folder, checkpoint=unfinished(config, folder))

    def score(self, arm: str) -> str:
        scores = score(load_own(self.out / arm), ARMS[arm].task, limit=self.limit)
        (self.out / arm / "scores.json").write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
        return ", ".join(f"{name} {value:.3g}" for name, value in scores.items())

    def compare(self) -> str:
        rows = {arm: json.loads((self.out / arm / "scores.json").read_text(encoding="utf-8")) for arm in self.configs}
        file = self.out / "scores.json"
        file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        return str(file)


def score(model: Unimodal, name: str, *, limit: int) -> dict[str, float]:
    """End-to-end F1, and the decoder's serial steps for pictures of many words; of two stages, what windows do."""
    task = model.task(name)
    examples = some(task, limit)
    answers = [answer for batch in batches(examples) for answer in model.answer(task, batch, decoding=GREEDY)]
    found = [answer.value for answer in answers]
    scores = {task.metric.name: task.metric(found, [example.answer for example in examples])}
    steps = [serial_steps(model, task, one) for one in examples if len(words_of(one)) >= MANY_WORDS]
    if steps:
        scores[f"serial steps at {MANY_WORDS} words or more"] = sum(steps) / len(steps)
    return scores if task.staged is None else {**scores, **obedience(model, limit)}


def serial_steps(model: Unimodal, task: Task, example: Example) -> int:
    """Passes of the decoder, one after the other, until one picture is answered."""
    with counted_passes(model) as passes:
        model.answer(task, [example], decoding=GREEDY)
    return len(passes)


@contextmanager
def counted_passes(model: Unimodal) -> Iterator[list[int]]:
    """Grows by an entry with each pass of the decoder."""
    passes: list[int] = []
    decoder = model.model.backbone.decoder
    assert decoder is not None
    hook = decoder.register_forward_pre_hook(lambda *given: passes.append(1))
    try:
        yield passes
    finally:
        hook.remove()


def obedience(model: Unimodal, limit: int) -> dict[str, float]:
    """Of the places written about random windows, the share that lies in the window; of words there, in the range."""
    points, text = model.task("word_points"), model.task("word_text")
    examples = some(points, limit)
    asked: list[tuple[Window, Example]] = []
    for batch in batches(examples):
        for example, answer in zip(batch, model.answer(points, batch, decoding=GREEDY), strict=True):
            asked += [(window_of(example), at(example, place)) for place in places_of(answer)]
    questions = [question for _, question in asked]
    read = [answer.text for batch in batches(questions) for answer in model.answer(text, batch, decoding=GREEDY)]
    inside = [window.covers(*place_of(question)) for window, question in asked]
    named = [window.first <= word[0] <= window.last for (window, _), word in zip(asked, read, strict=True) if word]
    return {"inside the window": mean(inside), "first characters in the range": mean(named), "places": len(asked)}


def at(example: Example, place: Point) -> Example:
    """The same picture, asked about at a place."""
    return Example(example.key, {"image": example.inputs["image"], "place": place})


def window_of(example: Example) -> Window:
    return cast(Window, example.inputs["window"])


def place_of(question: Example) -> Point:
    return cast(Point, question.inputs["place"])


def places_of(answer: Result) -> list[Point]:
    return cast(list[Point], answer.value)


def words_of(example: Example) -> list[SpottedWord]:
    return cast(list[SpottedWord], example.answer)


def some(task: Task, limit: int) -> list[Example]:
    examples = task.examples("test")
    return [examples[i] for i in range(min(limit, len(examples)))]


def batches(examples: Sequence[Example]) -> Iterator[Sequence[Example]]:
    return (examples[i : i + BATCH] for i in range(0, len(examples), BATCH))


def mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else float("nan")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/words"))
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS), metavar="ARM")
    parser.add_argument("--steps", type=int, help="of each run; default: the configs'")
    parser.add_argument("--limit", type=int, default=200, help="test pictures")
    options = parser.parse_args()
    return guarded(lambda: run(options))


def run(options: argparse.Namespace) -> int:
    Runs(options.out, arms=options.arms, steps=options.steps, limit=options.limit).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
