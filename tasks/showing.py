"""What tasks read and write, as people look at it and listen to it in a report."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup
from torch import Tensor

from unimodal.annotations import Annotation
from unimodal.data.columns import Places
from unimodal.html_tables import HtmlTable
from unimodal.measuring.evaluate import Evaluation
from unimodal.prenets.spectrogram import RATE
from unimodal.prenets.table import Grid
from unimodal.prenets.voice import Voice
from unimodal.prenets.waveform import Waveform
from unimodal.report import media
from unimodal.report.page import Row, Samples
from unimodal.task import Example, Task
from unimodal.tasks.windows import Window


def inputs(task: Task, example: Example) -> list[Markup]:
    """Everything that a prompt holds, in its order; what it asks about in a picture is drawn in there."""
    asked, shown = _asked(task, example), []
    for net, raw in task.prompt(example):
        if net == "image":
            shown.append(_picture(raw, asked))
        elif net != "prompt":  # tokens for what is drawn in
            shown.append(SHOWN[net](raw))
    return shown


def answer(task: Task, example: Example, value: Any) -> Markup:
    """A right answer, or a model's; what it points at is drawn into the example's picture."""
    if isinstance(task.schema.answer, Places):
        return _picture(example.inputs["image"], task.schema.answer.annotations(value))
    if isinstance(value, HtmlTable):
        return media.html_table(value)
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
                reference=answer(task, sample.example, sample.example.answer),
                answers={name: answer(task, sample.example, prediction) for name, prediction in predictions.items()},
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


def _picture(raw: object, annotations: Sequence[Annotation] = ()) -> Markup:
    assert isinstance(raw, Tensor)
    return media.picture(raw, annotations)


def _asked(task: Task, example: Example) -> list[Annotation]:
    """The window and the places of a picture that are asked about."""
    found = []
    for name, value in example.inputs.items():
        column = task.schema.inputs.get(name)
        if isinstance(column, Places):
            found += column.annotations(value)
        elif isinstance(value, Window):
            found.append(value.annotation)
    return found


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
