"""What holding to a grammar costs a step: counted calls, and masks by class and not by token."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from unimodal.codecs.boxes import BoxCodec
from unimodal.codecs.events import EventCodec
from unimodal.codecs.labels import LabelCodec
from unimodal.codecs.tables import TableCodec
from unimodal.codecs.text import TextCodec
from unimodal.guides.grammar import GrammarGuide

ROWS = 4


class Calls(TorchDispatchMode):
    """Counts calls of operators, and those whose result is as large as the logits."""

    def __init__(self, size):
        super().__init__()
        self.size, self.count, self.num_large = size, 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.count += 1
        self.num_large += isinstance(result, torch.Tensor) and result.numel() >= self.size
        return result


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (TextCodec, 28),
        (lambda vocabulary: LabelCodec(vocabulary, names=["cat", "car"]), 28),
        (BoxCodec, 90),
        (lambda vocabulary: EventCodec(vocabulary, seconds=9), 90),
        (lambda vocabulary: TableCodec(vocabulary, TextCodec(vocabulary)), 110),
    ],
)
@pytest.mark.parametrize("limit", [None, 99])
def test_a_step_is_a_few_small_calls_and_two_large_ones(vocabulary, make, most, limit):
    guide, size = GrammarGuide(make(vocabulary).grammar(), limit=limit), len(vocabulary.space)
    state, logits = guide.start(ROWS), torch.randn(ROWS, size)
    guide.adjust(logits, state)
    with Calls(ROWS * size) as calls:
        tokens = guide.adjust(logits, state).argmax(-1)
        guide.advance(guide.take(state, torch.arange(ROWS)), tokens)
    assert calls.count <= most
    assert calls.num_large == 2, "a mask is spread over the vocabulary once, and the logits are added in place"
