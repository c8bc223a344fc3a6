"""One process over several shards takes the batches, and draws the noise, of as many processes."""

import pytest

from unimodal.training.data.shards import Shards
from unimodal.training.measuring.step_losses import StepLosses


@pytest.mark.parametrize("ranks", [1, 2, 3, 6])
def test_steps_follow_the_shards_and_not_the_processes(ranks: int) -> None:
    total, steps = 6, 5
    processes = [Shards(total, rank, ranks) for rank in range(ranks)]
    for step in range(steps):
        numbers = range(step * (total // ranks), (step + 1) * (total // ranks))
        taken = {(shards.place(number), shards.seed(7, number)) for shards in processes for number in numbers}
        alone = Shards(total)
        assert taken == {
            (alone.place(number), alone.seed(7, number)) for number in range(step * total, (step + 1) * total)
        }


def test_no_two_batches_have_the_same_noise() -> None:
    seeds = [Shards(4, rank, 2).seed(run, number) for run in (0, 1) for rank in (0, 1) for number in range(100)]
    assert len(set(seeds)) == len(seeds)


def test_shards_are_dealt_evenly() -> None:
    with pytest.raises(ValueError, match=r"data\.batching\.shards: 3 cannot be dealt evenly to 2 processes"):
        Shards(3, 0, 2)


def test_a_step_of_two_batches_is_logged_as_their_mean() -> None:
    losses = StepLosses()
    losses.add(1.0, (10, 20), {"a/x": (3.0, 3)})
    losses.add(2.0, (30, 30), {"a/x": (5.0, 1), "b/x": (4.0, 2)})
    step = losses.gather(6.0, 1)
    assert (step.loss, step.entries, step.real_share, step.seconds) == (1.5, 40, 0.8, 6.0)
    assert step.by_task == {"a/x": 2.0, "b/x": 2.0}
    losses.add(5.0, (1, 1), {})
    assert losses.gather(7.0, 1).loss == 5.0
