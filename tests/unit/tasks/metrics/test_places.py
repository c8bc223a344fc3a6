"""Metrics of what is found in pictures, against values worked out by hand."""

import random

import pytest

from unimodal.codecs.spotting import NUM_SIDE, SpottedWord
from unimodal.tasks.metrics.places import OutlineOverlap, PointF1, SpottingF1, overlap


def word(text: str, left: float, top: float, right: float, bottom: float) -> SpottedWord:
    along = [left + (right - left) * place / (NUM_SIDE - 1) for place in range(NUM_SIDE)]
    return SpottedWord(text, tuple([(x, top) for x in along] + [(x, bottom) for x in reversed(along)]))


def test_overlap_by_hand() -> None:
    one, half, other = (word("a", *box).outline for box in ((0, 0, 0.4, 0.2), (0.2, 0, 0.6, 0.2), (0.5, 0.5, 1, 1)))
    assert overlap(one, one) == pytest.approx(1)
    assert overlap(one, half) == pytest.approx(1 / 3)
    assert overlap(one, other) == 0
    assert overlap([(0.5, 0.5)] * 16, one) == 0 == overlap([(0.1, 0.1)] * 16, [(0.1, 0.1)] * 16)
    assert OutlineOverlap()([one, half], [one, one]) == pytest.approx((1 + 1 / 3) / 2)


def test_outlines_that_cross_themselves_have_an_overlap() -> None:
    chance = random.Random(0)
    for _ in range(50):
        wild = [(chance.random(), chance.random()) for _ in range(16)]
        assert 0 <= overlap(wild, word("a", 0.2, 0.2, 0.8, 0.8).outline) <= 1
        assert overlap(wild, wild) == pytest.approx(1)


def test_a_word_is_found_where_it_stands_and_says_the_same() -> None:
    true = [word("12", 0, 0, 0.4, 0.2), word("7", 0.5, 0, 0.7, 0.2), word("12", 0, 0.5, 0.4, 0.7)]
    near = word("12", 0.05, 0, 0.4, 0.2)
    assert SpottingF1()([true, []], [true, []]) == 1 == SpottingF1()([[]], [[]])
    assert SpottingF1()([[near]], [true]) == pytest.approx(2 * 1 / (1 + 3))
    assert SpottingF1()([[near, near]], [true]) == pytest.approx(2 * 1 / (2 + 3)), "a word is found once"
    assert SpottingF1()([[word("21", 0, 0, 0.4, 0.2)]], [true]) == 0, "it says something else"
    assert SpottingF1()([[word("12", 0.3, 0, 0.7, 0.2)]], [true]) == 0, "it stands elsewhere"
    assert SpottingF1()([true, []], [true, true]) == pytest.approx(2 * 3 / (3 + 6)), "pooled over the pictures"
    assert SpottingF1()([true[::-1]], [true]) == 1


def test_points_are_matched_so_that_most_are_found() -> None:
    """Whoever takes the nearest first finds one of the two."""
    true, found = [(0.50, 0.5), (0.54, 0.5)], [(0.52, 0.5), (0.46, 0.5)]
    assert PointF1(tolerance=0.041)([found], [true]) == 1
    assert PointF1(tolerance=0.03)([found], [true]) == pytest.approx(2 * 1 / 4)
    assert PointF1()([[(0.5, 0.5)] * 4], [[(0.5, 0.5)]]) == pytest.approx(2 * 1 / 5)
    assert PointF1()([[]], [[(0.5, 0.5)]]) == 0
