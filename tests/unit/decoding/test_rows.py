"""Answers side by side, parted again."""

import torch

from unimodal.decoding.rows import Rows


def test_what_steps_wrote_is_parted_by_answer() -> None:
    rows, expected = Rows(4), [list[int]() for _ in range(4)]
    for step, over in enumerate([[], [1], [], [0, 2], [0]]):
        running = rows.running.tolist()
        written = torch.tensor([[10 * answer + step, answer] for answer in running])
        rows.write({"value": written, "first": written[:, 0]})
        for answer in running:
            expected[answer].append(10 * answer + step)
        going = torch.tensor([row not in over for row in range(len(running))])
        kept = rows.keep(going)
        assert (kept is None) == (not over)
        if kept is not None:
            assert kept.tolist() == [row for row in range(len(running)) if row not in over]
    assert len(rows.running) == 0 and len({len(values) for values in expected}) == 3
    for answer, part in enumerate(rows.parted()):
        assert part["first"].tolist() == expected[answer]
        assert part["value"].tolist() == [[value, answer] for value in expected[answer]]


def test_without_a_step_there_is_nothing() -> None:
    assert Rows(2).parted() == [{}, {}] and Rows(0).parted() == []
