"""Words in pictures, found and read in two stages and in one sequence: trained at equal budgets, scored alike.

python -m scripts.train_words --out runs/words --steps 20000 [--arms staged interleaved] [--limit 200]

`OUT/staged` and `OUT/interleaved` are the models; `OUT/scores.json` has their scores. Both take as many steps, each as
large. The same command goes on where it was stopped: what is finished is not done again.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast, final

from scripts.compared_runs import ComparedRuns
from unimodal.cli import guarded
from unimodal.codecs.points import Point
from unimodal.codecs.spotting import SpottedWord
from unimodal.decoding.generate import Decoding
from unimodal.loading.own import Unimodal
from unimodal.samplers.greedy import Greedy
from unimodal.task import Example, Task
from unimodal.tasks.spotting import WordPoints
from unimodal.tasks.windows import Window
from unimodal.training.recipes import load_config, of_length

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


@final
class Runs(ComparedRuns):
    """The arms, at equal budgets."""

    def __init__(self, out: Path, *, arms: Sequence[str], steps: int | None, limit: int) -> None:
        configs = {arm: load_config(ARMS[arm].config) for arm in arms}
        if steps is not None:
            configs = {arm: of_length(config, steps) for arm, config in configs.items()}
        super().__init__(configs, out, limit=limit)

    def score(self, name: str, model: Unimodal) -> dict[str, Any]:
        return score(model, ARMS[name].task, limit=self.limit)

    def compare(self, scores: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        return {"words": scores}


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
    """What windows do: the share of places written that lie in the one asked for, and of words, that begin as asked."""
    points, words = model.task("word_points"), model.task("spotting")
    assert isinstance(points, WordPoints)
    inside, named, alphabet = list[bool](), list[bool](), points.lexicon.alphabet
    for batch in batches(some(points, limit)):
        windows = [cast(Window, example.inputs["window"]) for example in batch]
        for window, answer in zip(windows, model.answer(points, batch, decoding=GREEDY), strict=True):
            inside += [window.covers(*place) for place in cast(list[Point], answer.value)]
        for window, answer in zip(windows, model.answer(words, batch, decoding=GREEDY), strict=True):
            named += [window.begins(word.text, alphabet) for word in cast(list[SpottedWord], answer.value)]
    return {"inside the window": mean(inside), "first characters in the range": mean(named), "places": len(inside)}


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
