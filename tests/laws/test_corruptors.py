"""Laws of every corruptor: the text comes back, the same generator draws the same, nothing foreign is written."""

import random

import pytest
import torch

from tests.laws.parts import ARGUMENTS, final_classes, label, specs
from unimodal.build import build
from unimodal.corruptors import Corruptor
from unimodal.vocabulary import Vocabulary

every_corruptor = pytest.mark.parametrize("spec", specs("unimodal.corruptors"), ids=label)


def made(spec: object, vocabulary: Vocabulary) -> Corruptor:
    return build(spec, Corruptor, vocabulary=vocabulary)


def texts(vocabulary: Vocabulary) -> list[list[int]]:
    """Of all lengths, short ones above all, with tokens that come again and again."""
    draw = random.Random(0)
    ids = vocabulary.space.ids("text")
    return [[draw.choice(ids[: 5 + length]) for _ in range(length)] for length in [*range(12), 40, 90, 200]]


def test_every_corruptor_is_tried() -> None:
    tried = {name for name in ARGUMENTS if name.startswith("unimodal.corruptors.")}
    assert set(final_classes("unimodal.corruptors", Corruptor)) == tried


@every_corruptor
def test_the_text_comes_back(spec: object, vocabulary: Vocabulary) -> None:
    corruptor = made(spec, vocabulary)
    for text in texts(vocabulary):
        for seed in range(30):
            found = corruptor.corrupt(text, torch.Generator().manual_seed(seed))
            assert corruptor.restore(found.source, found.target) == text
            assert len(found.asked) == len(found.target)
            assert {*found.source, *found.target} <= {*text, *corruptor.marks}


@every_corruptor
def test_all_that_is_drawn_comes_from_the_generator(spec: object, vocabulary: Vocabulary) -> None:
    corruptor, text = made(spec, vocabulary), texts(vocabulary)[-1]
    first, second, third = (corruptor.corrupt(text, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    torch.manual_seed(7)
    again = corruptor.corrupt(text, torch.Generator().manual_seed(1))
    assert first == second == again != third


@every_corruptor
def test_a_text_with_a_mark_is_refused(spec: object, vocabulary: Vocabulary) -> None:
    corruptor = made(spec, vocabulary)
    with pytest.raises(ValueError, match="mark"):
        corruptor.corrupt([7, corruptor.marks[0], 8], torch.Generator())
