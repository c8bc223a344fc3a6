"""Every example is in one batch, batches are of about the same work, and alike lengths stand together."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimodal.training.data.bucketings import Bucketing
from unimodal.training.data.bucketings.by_length import ByLength
from unimodal.training.data.bucketings.mixed import Mixed

PARTS: list[Bucketing] = [ByLength(), Mixed()]


def mixture(num: int) -> list[tuple[int, int]]:
    """Speech in, speech out and text, as tasks have them."""
    draw = Random(0)
    kinds = ((100, 200, 5, 15), (5, 15, 100, 200), (10, 20, 10, 20))
    return [(draw.randint(a, b), draw.randint(c, d)) for a, b, c, d in (draw.choice(kinds) for _ in range(num))]


def padded(lengths: list[tuple[int, int]], batches: list[list[int]]) -> int:
    return sum(
        len(batch) * sum(max(lengths[example][side] for example in batch) for side in (0, 1)) for batch in batches
    )


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 300), st.integers(0, 300)), min_size=16, max_size=80),
    batches=st.integers(1, 16),
    seed=st.integers(0, 3),
)
def test_every_example_is_in_one_batch(
    part: Bucketing, lengths: list[tuple[int, int]], batches: int, seed: int
) -> None:
    split = part.split(lengths, batches, Random(seed))
    assert len(split) == batches and all(split)
    assert sorted(example for batch in split for example in batch) == list(range(len(lengths)))
    assert part.split(lengths, batches, Random(seed)) == split


@pytest.mark.parametrize(("part", "most"), [(Mixed(), 1.005), (ByLength(), 4.0)])
def test_batches_are_of_about_the_same_work(part: Bucketing, most: float) -> None:
    lengths = mixture(800)
    work = [sum(sum(lengths[example]) for example in batch) for batch in part.split(lengths, 16, Random(0))]
    assert max(work) < most * min(work)


def test_alike_lengths_stand_together() -> None:
    lengths = mixture(800)
    real = sum(map(sum, lengths))
    assert padded(lengths, ByLength().split(lengths, 16, Random(0))) < 1.2 * real
    assert padded(lengths, Mixed().split(lengths, 16, Random(0))) > 2 * real


def test_mixed_batches_are_samples_of_the_whole() -> None:
    lengths = mixture(800)
    for batch in Mixed().split(lengths, 8, Random(0)):
        long_sources = sum(lengths[example][0] >= 100 for example in batch) / len(batch)
        assert 0.15 < long_sources < 0.55
