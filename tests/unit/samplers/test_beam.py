"""Beam search over random scores: what tensors find for all examples at once, a plain loop finds for each."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.unit.samplers.plain_beam import PlainBeam
from unimodal.samplers.beam import Beam
from unimodal.samplers.patience import NoPatience, WhilePossible

Prefix = tuple[int, ...]


class Scores:
    """Logits of every prefix of every example, drawn once, some of them forbidden; ends are likelier in some examples.

    Numbers with so many digits that no two sums are equal.
    """

    def __init__(self, size: int, *, ends: tuple[int, ...], forbidden: float) -> None:
        self.size, self.ends, self.forbidden = size, ends, forbidden
        self.known: dict[tuple[int, Prefix], Tensor] = {}

    def of(self, example: int, prefix: Prefix) -> Tensor:
        if (example, prefix) not in self.known:
            logits = torch.randn(self.size, dtype=torch.float64) * 2
            logits[[end for end in self.ends if end < self.size]] += example % 4 - 2
            left = torch.randint(self.size, ())
            dropped = torch.rand(self.size) < self.forbidden
            dropped[left] = False
            self.known[example, prefix] = logits.masked_fill(dropped, -torch.inf)
        return self.known[example, prefix]


CASES: list[dict[str, Any]] = [
    {"beam": Beam(1)},
    {"beam": Beam(4)},
    {"beam": Beam(4), "steps": 3},
    {"beam": Beam(3, length_penalty=0.0), "ends": (1, 4, 7)},
    {"beam": Beam(3, length_penalty=2.0, patience=WhilePossible())},
    {"beam": Beam(2, length_penalty=-1.0, patience=NoPatience())},
    {"beam": Beam(4, renormalised=False), "forbidden": 0.5},
    {"beam": Beam(5), "forbidden": 0.9},
    {"beam": Beam(3), "ends": ()},
    {"beam": Beam(40), "size": 5, "limit": 4},
    {"beam": Beam(4), "size": 3, "forbidden": 0.6},
    {"beam": Beam(4), "limit": 1},
    {"beam": Beam(4), "size": 2500},
    {"beam": Beam(2), "size": 1025, "ends": (0, 1024, 5000)},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{vars(case['beam'])}{case}"[:60])
def test_tensors_find_what_a_plain_loop_finds(case: dict[str, Any]) -> None:
    torch.manual_seed(0)
    beam, ends, limit, examples = case["beam"], case.get("ends", (1,)), case.get("limit", 9), 7
    scores = Scores(case.get("size", 12), ends=ends, forbidden=case.get("forbidden", 0.0))
    plain = [PlainBeam(beam, ends, limit) for _ in range(examples)]
    search, rows = beam.search(examples, ends=ends, limit=limit), [(example, ()) for example in range(examples)]
    grown = []
    for step in itertools.count():
        running = [example for example in range(examples) if not plain[example].done]
        assert sorted({example for example, _ in rows}) == running
        if not rows or step == case.get("steps"):
            break
        choice = search.step(torch.stack([scores.of(*row) for row in rows]))
        grown += search.grown()
        for example in running:
            plain[example].step({prefix: scores.of(example, prefix) for prefix, _ in plain[example].running})
        assert choice.rows is not None
        rows = [
            (rows[row][0], (*rows[row][1], token))
            for row, token in zip(choice.rows.tolist(), choice.tokens.tolist(), strict=True)
        ]
        for example in {example for example, _ in rows}:
            prefixes = [prefix for prefix, _ in plain[example].running]
            assert [prefix for other, prefix in rows if other == example][: len(prefixes)] == prefixes
    for found, expected in zip(search.results(), (one.results() for one in plain), strict=True):
        assert [hypothesis.tokens for hypothesis in found] == [tokens for tokens, _ in expected]
        assert [hypothesis.score for hypothesis in found] == pytest.approx([score for _, score in expected])
    first = {more.example: (more.tokens, more.score) for more in grown}
    assert first == {
        example: (best.tokens, best.score) for example, (best, *_) in enumerate(search.results()) if plain[example].done
    }
    assert len(grown) == len(first)


def test_examples_have_as_many_rows_each_side_by_side() -> None:
    """Where one has fewer prefixes than others its best is repeated: nothing forbidden is read on."""
    search = Beam(3).search(2, ends=[1], limit=5)
    logits = torch.randn(2, 8).masked_fill(torch.tensor([[True], [False]]) & (torch.arange(8) != 4), -torch.inf)
    choice = search.step(logits)
    assert choice.rows is not None
    assert choice.rows.tolist() == [0, 0, 0, 1, 1, 1]
    assert choice.tokens[:3].tolist() == [4, 4, 4] and len(set(choice.tokens[3:].tolist())) == 3


def test_nothing_is_found_before_the_first_step() -> None:
    assert [[answer.tokens for answer in found] for found in Beam(3).search(2, ends=[1], limit=5).results()] == [
        [()]
    ] * 2
