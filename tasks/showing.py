"""What tasks read and write, as people look at it and listen to it in a report."""

import inspect
from collections.abc import Callable, Mapping

from markupsafe import Markup
from torch import Tensor

from unimodal.measuring.evaluate import Evaluation
from unimodal.prenets.spectrogram import RATE
from unimodal.prenets.table import Grid
from unimodal.prenets.voice import Voice
from unimodal.prenets.waveform import Waveform
from unimodal.report import media
from unimodal.report.page import Row, Samples
from unimodal.task import Example, Task


def inputs(task: Task, example: Example) -> list[Markup]:
    """Everything that a prompt holds, in its order."""
    return [SHOWN[net](raw) for net, raw in task.prompt(example)]


def answer(task: Task, value: object) -> Markup:
    """A right answer, or a model's."""
    return SHOWN[task.writes](value)


def samples(task: Task, evaluations: Mapping[str, Evaluation]) -> Samples:
    """Some of the examples of evaluations on the same examples, with the answers of each, by name."""
    first, *_ = evaluations.values()
    rows = []
    for place, sample in enumerate(first.samples):
        predictions = {name: found.samples[place].prediction for name, found in evaluations.items()}
        *_, last = predictions.values()
        is_text = task.codec is not None
        rows.append(
            Row(
                inputs=inputs(task, sample.example),
                reference=answer(task, sample.example.answer),
                answers={name: answer(task, prediction) for name, prediction in predictions.items()},
                is_right=is_text and str(last).strip() == str(sample.example.answer).strip(),
            )
        )
    what = (inspect.getdoc(task) or "").partition("\n")[0].replace("`", "")
    return Samples(task.name, what, rows)


def _sound(raw: object) -> Markup:
    match raw:
        case Voice():
            return media.text(f"in the voice of {raw.name}")
        case Waveform():
            return media.sound(raw.samples, raw.rate)
        case Tensor():
            return media.sound(raw, RATE)
    raise AssertionError(f"no sound: {type(raw).__name__}")


def _picture(raw: object) -> Markup:
    assert isinstance(raw, Tensor)
    return media.picture(raw)


def _table(raw: object) -> Markup:
    grid = Grid.of(raw)
    return media.table(grid.header, grid.rows)


SHOWN: dict[str, Callable[[object], Markup]] = {
    "text": media.text,
    "characters": media.text,
    "code": media.code,
    "table": _table,
    "speech": _sound,
    "frames": _sound,
    "image": _picture,
}
"""By the name of the net that reads or writes a value."""
