"""What a step of writing frames costs beside the model: the same few operations for any number of rows."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from tests.unit.counted import operations
from unimodal.prenets.frames import FramePostnet
from unimodal.prenets.refinement import Refinement
from unimodal.writers.frames import Ends, FrameWriter, Pace

DIM = 6


def writer(ends: Ends, fed: list[Mapping[str, Tensor]]) -> FrameWriter:
    def feed(arrays: Mapping[str, Tensor]) -> Tensor:
        fed.append(arrays)
        return torch.zeros(len(arrays["steps"]), 1, DIM)

    postnet = FramePostnet(DIM, refinement=partial(Refinement, width=4))
    with torch.no_grad():
        postnet.stop.weight.copy_(torch.tensor([[10.0, 0, 0, 0, 0, 0]]))  # of each frame of a step
        postnet.stop.bias.zero_()
    context = {"voice": torch.arange(len(ends.longest))[:, None, None]}
    return FrameWriter(postnet, feed=feed, ends=ends, context=context)


@torch.inference_mode()
def test_a_step_is_the_same_few_operations_for_any_number_of_rows() -> None:
    counted = []
    for examples in (2, 8, 50):
        writing, hidden = writer(Ends.alike(examples, longest=9), []), torch.full((examples, DIM), -1.0)
        writing.write(hidden)
        counted.append(operations(lambda w=writing, h=hidden: w.write(h)))
    assert counted[0].names == counted[1].names == counted[2].names
    assert counted[0].transfers == 1


@torch.inference_mode()
def test_rows_end_one_by_one_and_the_context_stays_with_its_row() -> None:
    fed: list[Mapping[str, Tensor]] = []
    writing = writer(Ends.alike(4, longest=4, shortest=2), fed)
    running, lengths = [0, 1, 2, 3], []
    for over in ([0], [1, 3], [], [0, 2]):  # before the shortest answer none ends
        hidden = torch.full((len(running), DIM), -1.0)
        hidden[[running.index(answer) for answer in over if answer in running], 0] = 1.0
        step = writing.write(hidden)
        rows = range(len(running)) if step.rows is None else step.rows.tolist()
        running = [running[row] for row in rows]
        lengths.append(len(running))
        assert step.is_last == (not running)
        if running:
            assert fed[-1]["voice"].flatten().tolist() == running
    assert lengths == [4, 2, 2, 0]
    assert [len(answer["stop"]) for answer in writing.answers()] == [4, 2, 4, 2]


@torch.inference_mode()
def test_each_answer_has_bounds_of_its_own() -> None:
    """The first of three says at once that it is over, the others never do."""
    writing = writer(Pace(least=1.0, most=1.5).ends(torch.tensor([2, 3, 9]), limit=6), [])
    running = torch.arange(3)
    for _ in range(6):
        hidden = torch.where(running[:, None] == 0, 1.0, -1.0).expand(-1, DIM)
        step = writing.write(hidden)
        running = running if step.rows is None else running[step.rows]
    assert step.is_last
    assert [len(answer["stop"]) for answer in writing.answers()] == [2, 5, 6]
