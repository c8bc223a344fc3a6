"""Every resizing found in the folder: the content is inside the canvas and keeps its aspect."""

import importlib
import inspect
import pkgutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unimodal.prenets.resizings
from unimodal.prenets.resizings import Resizing
from unimodal.prenets.resizings.area import Area
from unimodal.prenets.resizings.boxed import Boxed
from unimodal.prenets.resizings.strip import Strip

EXAMPLES = [Area(pixels=4096, longest=256), Boxed(height=64, width=48), Strip(height=32, longest=200)]
sides = st.integers(1, 5000)


def test_every_resizing_stands_in_this_test():
    found = set()
    for module in pkgutil.iter_modules(unimodal.prenets.resizings.__path__):
        members = inspect.getmembers(
            importlib.import_module(f"unimodal.prenets.resizings.{module.name}"), inspect.isclass
        )
        found |= {one for _, one in members if issubclass(one, Resizing) and not inspect.isabstract(one)}
    assert found == {type(example) for example in EXAMPLES}


@pytest.mark.parametrize("resizing", EXAMPLES, ids=lambda resizing: type(resizing).__name__)
@settings(deadline=None, max_examples=100)
@given(height=sides, width=sides)
def test_content_is_inside_the_canvas_and_keeps_its_aspect(resizing, height, width):
    fit = resizing.fit(height, width)
    assert all(1 <= content <= canvas for content, canvas in zip(fit.content, fit.canvas, strict=True))
    longer = max((height, fit.content[0]), (width, fit.content[1]))
    for content, side in zip(fit.content, (height, width), strict=True):
        assert abs(content - side * longer[1] / longer[0]) <= 1, "off by more than a pixel's rounding"


@given(height=sides, width=sides)
def test_an_area_is_a_budget_and_never_enlarges(height, width):
    fit = Area(pixels=4096, longest=256).fit(height, width)
    assert fit.content[0] <= height and fit.content[1] <= width and max(fit.canvas) <= 256
    # Each side is rounded to a pixel, half a pixel up at most.
    assert fit.content[0] * fit.content[1] <= 4096 + (fit.content[0] + fit.content[1]) / 2 + 1


@given(height=sides, width=sides)
def test_a_box_fills_a_side_and_a_strip_its_height(height, width):
    boxed = Boxed(height=64, width=48).fit(height, width)
    assert boxed.canvas == (64, 48) and (boxed.content[0] == 64 or boxed.content[1] == 48)
    strip = Strip(height=32, longest=200).fit(height, width)
    assert strip.canvas[0] == 32 and strip.canvas[1] <= 200 and (strip.content[0] == 32 or strip.content[1] == 200)
