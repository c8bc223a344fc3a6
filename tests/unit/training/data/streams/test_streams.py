"""Draws are a function of seed, shard and window, keep the shares, and go through each round once over all shards."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise

import pytest

from unimodal.batching import Draw
from unimodal.training.data.rounds import Rounds
from unimodal.training.data.streams import BATCHES_A_WINDOW, Stream
from unimodal.training.data.streams.mixed import MixedStream
from unimodal.training.data.streams.task_pure import TaskPureStream

BLOCKS = {"large": [300, 500, 100], "middle": [90], "small": [10], "unasked": [5]}
SHARES = {"large": 0.61, "middle": 0.3, "small": 0.09, "unasked": 0.0}
MEANS = {"large": 20.0, "middle": 60.0, "small": 150.0, "unasked": 10.0}

PARTS: list[Callable[..., Stream]] = [MixedStream, TaskPureStream]
every_stream = pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)


def stream(part: Callable[..., Stream], seed: int = 0, shards: int = 1) -> Stream:
    return part(Rounds(BLOCKS, seed=seed, shards=shards), shares=SHARES, means=MEANS, entries=160)


def draws(part: Stream, shard: int, number: int) -> list[Draw]:
    return [draw for group in part.window(shard, number) for draw in group.draws]


@every_stream
def test_windows_are_a_function_of_seed_shard_and_number(part: Callable[..., Stream]) -> None:
    forward, backward = stream(part, shards=3), stream(part, shards=3)
    drawn = [forward.window(1, number) for number in range(12)]
    assert [backward.window(1, number) for number in reversed(range(12))] == drawn[::-1]
    assert stream(part, seed=1, shards=3).window(1, 7) != drawn[7]
    assert stream(part, shards=3).window(2, 7) != drawn[7]


@every_stream
def test_a_window_makes_its_batches(part: Callable[..., Stream]) -> None:
    for number in range(50):
        groups = stream(part).window(0, number)
        assert sum(group.batches for group in groups) == BATCHES_A_WINDOW
        assert all(len(group.draws) >= group.batches for group in groups)


@every_stream
@pytest.mark.parametrize("shards", [1, 3])
def test_examples_come_in_rounds_that_all_shards_go_through_once(part: Callable[..., Stream], shards: int) -> None:
    found: dict[tuple[str, int], list[int]] = defaultdict(list)
    drawn, last = stream(part, shards=shards), dict.fromkeys(BLOCKS, 10**9)
    for shard in range(shards):
        own = [draw for number in range(60) for draw in draws(drawn, shard, number)]
        for draw in own:
            found[draw.task, draw.round].append(draw.example)
        last = {task: min(last[task], max((d.round for d in own if d.task == task), default=-1)) for task in BLOCKS}
    assert last["large"] >= 2 and last["unasked"] == -1
    for (task, round_), examples in found.items():
        assert len(set(examples)) == len(examples), (task, round_)
        if round_ < last[task]:
            assert sorted(examples) == list(range(sum(BLOCKS[task]))), (task, round_)
    assert found["large", 0] != found["large", 1]


@every_stream
@pytest.mark.parametrize("shards", [1, 4])
def test_tasks_keep_their_shares(part: Callable[..., Stream], shards: int) -> None:
    counts, drawn = Counter(dict.fromkeys(BLOCKS, 0)), stream(part, shards=shards)
    # By the quotas, all shards together are never off by an example; by van der Corput, by a few batches a shard.
    most = {task: 1.0 if part is MixedStream else 4 * shards * max(1, 160 / MEANS[task]) for task in BLOCKS}
    for number in range(40):
        for shard in range(shards):
            counts.update(draw.task for draw in draws(drawn, shard, number))
        for task, share in SHARES.items():
            assert abs(counts[task] - share * counts.total()) <= most[task] + 1, (number, task)


@every_stream
def test_a_far_window_is_opened_as_fast_as_the_first(part: Callable[..., Stream]) -> None:
    def seconds(number: int) -> float:
        fresh = stream(part, shards=2)
        begin = time.perf_counter()
        assert draws(fresh, 1, number)
        return time.perf_counter() - begin

    near, far = (min(seconds(first + ahead) for ahead in range(8)) for first in (0, 10**9))
    assert far < 5 * near + 0.01


def test_batches_of_one_task_are_spread_evenly() -> None:
    drawn = stream(TaskPureStream, shards=2)
    for shard in range(2):
        for number in range(30):
            for group in drawn.window(shard, number):
                assert len({draw.task for draw in group.draws}) == 1
                assert len(group.draws) == group.batches * max(1, round(160 / MEANS[group.draws[0].task]))
    windows_with = [{group.draws[0].task for group in drawn.window(0, number)} for number in range(30)]
    assert all({"large", "middle"} <= tasks for tasks in windows_with)


def test_each_shard_reads_neighbouring_blocks() -> None:
    """With one file after the other, a shard of four reads only its part of them in a round."""
    blocks = [50] * 40
    rounds = Rounds({"task": blocks}, seed=0, shards=4)
    for round_ in (0, 1):
        read = []
        for shard in range(4):
            own = [rounds.draw("task", shard, round_ * 500 + number) for number in range(500)]
            assert {draw.round for draw in own} == {round_}
            files = [draw.example // 50 for draw in own]
            assert len(set(files)) <= 11
            assert sum(one != other for one, other in pairwise(files)) == len(set(files)) - 1
            read.append(set(files))
        assert set.union(*read) == set(range(40))
