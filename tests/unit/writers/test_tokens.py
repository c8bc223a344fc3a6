"""What a step of writing tokens costs beside the model: the same few operations for any number of rows."""

from collections.abc import Callable
from typing import final

import pytest
import torch
from torch import Tensor

from tests.unit.counted import Operations, operations
from unimodal.guides.chain import ChainGuide
from unimodal.guides.ngrams import NgramGuide
from unimodal.guides.suppression import SuppressionGuide
from unimodal.samplers import Choice, Growth, Hypothesis, Sampler, Search
from unimodal.samplers.beam import Beam
from unimodal.samplers.greedy import Greedy
from unimodal.samplers.sampling import Sampling
from unimodal.writers.tokens import TokenWriter

SIZE, END = 2600, 1
# The sampler, rows an example, operations of a step at most, transfers to Python.
COSTS: list[tuple[Sampler, int, int, int]] = [
    (Greedy(), 1, 30, 1),
    (Sampling(), 1, 30, 1),
    (Sampling(top_k=4, num_answers=3), 3, 45, 1),
    (Sampling(top_p=0.9), 1, 45, 2),
    (Beam(4), 4, 75, 1),
]


def scores(rows: int) -> Tensor:
    """Logits under which a few tokens hold the most and the end token comes by no means."""
    logits = torch.randn(rows, SIZE)
    logits[:, 5:9] += 12
    logits[:, END] = -torch.inf
    return logits


def later_step(sampler: Sampler, examples: int, width: int) -> Callable[[], object]:
    """The third step, in which no row ends."""
    search = sampler.search(examples, ends=[END], limit=99)
    writer = TokenWriter(lambda hidden: hidden, guide=ChainGuide([]), search=search)
    writer.write(scores(examples))
    writer.write(scores(examples * width))
    third = scores(examples * width)
    return lambda: writer.write(third)


@pytest.mark.parametrize(("sampler", "width", "most", "transfers"), COSTS, ids=lambda value: type(value).__name__)
def test_a_step_is_the_same_few_operations_for_any_number_of_rows(
    sampler: Sampler, width: int, most: int, transfers: int
) -> None:
    with torch.inference_mode():
        counted = [operations(later_step(sampler, examples, width)) for examples in (2, 8, 50)]
    assert counted[0].names == counted[1].names == counted[2].names
    assert counted[0].names.total() <= most and counted[0].transfers == transfers


def test_scores_that_nobody_asks_for_are_not_computed() -> None:
    with torch.inference_mode():
        asked, unasked = (Greedy().search(8, ends=[END], limit=3, scored=scored) for scored in (True, False))
        logits = scores(8)
        counted: list[Operations] = [operations(lambda s=search: s.step(logits)) for search in (asked, unasked)]
    assert [c.names["aten.log_softmax"] + c.names["aten._log_softmax"] for c in counted] == [1, 0]
    pairs = zip(asked.results(), unasked.results(), strict=True)
    assert all(first.tokens == second.tokens and second.score != second.score for (first,), (second,) in pairs)


@final
class Looking(Search):
    """Takes the first token, and keeps the logits that it was given."""

    def step(self, logits: Tensor) -> Choice:
        self.seen = logits
        return Choice(None, logits.new_zeros(len(logits), dtype=torch.long))

    def grown(self) -> list[Growth]:
        return []

    def results(self) -> list[list[Hypothesis]]:
        return []


def test_logits_reach_the_search_without_a_copy_where_nothing_changes_them() -> None:
    idle = ChainGuide([NgramGuide(length=2, strength=0.0), SuppressionGuide([3], strength=0.0), NgramGuide(length=3)])
    search, hidden = Looking(), torch.randn(4, SIZE)
    writer = TokenWriter(lambda hidden: hidden, guide=idle, search=search)
    for _ in range(2):
        writer.write(hidden)
        assert search.seen is hidden
    writer.write(hidden.bfloat16())
    assert search.seen.dtype == torch.float32


def test_an_earlier_guide_outranks_a_later_one() -> None:
    most = [token for token in range(6) if token != 2]
    chain = ChainGuide([SuppressionGuide([2, 4]), SuppressionGuide(most), SuppressionGuide([0])])
    logits = torch.randn(3, 6)
    adjusted = chain.adjust(logits, chain.start(3))
    assert torch.equal(adjusted > -torch.inf, torch.tensor([False, True, False, True, False, True]).expand(3, -1))
