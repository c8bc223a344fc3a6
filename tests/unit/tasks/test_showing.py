"""Raw values as a report shows them."""

from unittest.mock import Mock

import pytest
import torch

from unimodal.annotations import Annotation
from unimodal.model import SMALLEST
from unimodal.report import media
from unimodal.spec import load_spec
from unimodal.task import Example, Schema, Task
from unimodal.tasks import showing
from unimodal.tasks.columns.picture import Picture
from unimodal.tasks.columns.places import Place, Points
from unimodal.tasks.showing import SHOWN
from unimodal.tasks.windows import Window

GREY = torch.full((3, 40, 60), 0.5)


def test_every_net_of_the_shipped_model_can_be_shown() -> None:
    assert set(load_spec(SMALLEST.with_name("nano.yaml"))["processors"]) <= set(SHOWN)


@pytest.mark.parametrize(
    ("asks", "value", "expected"),
    [
        ("place", (0.25, 0.5), Annotation(((0.25, 0.5),))),
        ("window", Window(0.1, 0.2, 0.6, 0.7, "a", "f"), Window(0.1, 0.2, 0.6, 0.7, "a", "f").annotation),
    ],
)
def test_what_is_asked_and_answered_about_a_picture_is_drawn_into_it(
    asks: str, value: object, expected: Annotation
) -> None:
    columns = {"image": Picture(), **({"place": Place()} if asks == "place" else {})}
    task = Mock(
        spec=Task,
        schema=Schema(columns, Points()),
        writes="text",
        prompt=lambda example: [("image", example.inputs["image"]), ("prompt", torch.tensor([1, 2]))],
    )
    example = Example("a#0", {"image": GREY, asks: value}, [])
    (shown,) = showing.inputs(task, example)
    assert shown == media.picture(GREY, [expected]) != media.picture(GREY)
    found = [(0.5, 0.5), (0.75, 0.25)]
    answer = showing.answer(task, example, found)
    assert answer == media.picture(GREY, Points().annotations(found)) != media.picture(GREY)
    assert showing.answer(task, example, []) == media.picture(GREY)
