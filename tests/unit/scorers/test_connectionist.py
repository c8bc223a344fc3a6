"""Prefix scores beside every way of reading some frames, counted out."""

import itertools
import math
from collections import defaultdict

import pytest
import torch
from torch import Tensor

from unimodal.scorers import LEAST
from unimodal.scorers.connectionist import BLANK, ConnectionistScorer, Frames, Spelled

END, TOKENS = 1, 9
LETTERS = (4, 5, 6)
LENGTHS = (4, 2, 1, 3)
"""Frames of each example."""
SCORER = ConnectionistScorer("speech")


def readout() -> Tensor:
    """Scores of 7 classes, three of which no answer holds; what stands behind an example's end is anything."""
    scores = 2 * torch.randn(len(LENGTHS), max(LENGTHS), 7)
    scores[..., 1:4] = -torch.inf
    return scores


def begin(scores: Tensor) -> Spelled:
    inside = torch.arange(scores.shape[1]) < torch.tensor(LENGTHS)[:, None]
    frames = Frames.of(scores, inside, num_tokens=TOKENS, ends=[END])
    return Spelled.nothing(frames, torch.arange(len(LENGTHS)))


def answers(scores: Tensor, length: int) -> dict[tuple[int, ...], float]:
    """The chance of every answer: of all alignments that spell it."""
    chances: dict[tuple[int, ...], float] = defaultdict(float)
    frames = scores[:length].double().softmax(-1).tolist()
    for labels in itertools.product((BLANK, *LETTERS), repeat=length):
        spelled = tuple(label for label, _ in itertools.groupby(labels) if label != BLANK)
        chances[spelled] += math.prod(frame[label] for frame, label in zip(frames, labels, strict=True))
    return chances


def after(state: Spelled, prefix: tuple[int, ...]) -> Spelled:
    for token in prefix:
        state = SCORER.advance(state, torch.full_like(state.last, token))
    return state


PREFIXES = [prefix for length in range(5) for prefix in itertools.product(LETTERS, repeat=length)]


def test_scores_of_every_prefix_are_those_of_all_alignments() -> None:
    scores = readout()
    found = [answers(scores[row], length) for row, length in enumerate(LENGTHS)]
    tried = 0
    for prefix in PREFIXES:
        state = after(begin(scores), prefix)
        following = SCORER.score(state)
        for row, chances in enumerate(found):
            begins = sum(chance for answer, chance in chances.items() if answer[: len(prefix)] == prefix)
            if begins == 0:
                assert state.prefix[row] < LEAST and (following[row] == LEAST).all()
                continue
            assert math.exp(state.prefix[row]) == pytest.approx(begins)
            expected = {END: chances.get(prefix, 0.0)}
            for token in LETTERS:
                longer = (*prefix, token)
                expected[token] = sum(c for answer, c in chances.items() if answer[: len(longer)] == longer)
            for token, chance in expected.items():
                assert math.exp(following[row, token]) == pytest.approx(chance / begins, rel=1e-9)
            assert following[row].exp().sum() == pytest.approx(1)
            others = [token for token in range(TOKENS) if token not in expected]
            assert (following[row, others] == LEAST).all()
            tried += 1
    assert tried > 60


def test_the_whole_answer_is_what_torch_sums() -> None:
    scores = readout().double()
    for answer in ((4,), (4, 4), (5, 6, 5), (4, 5)):
        state = after(begin(scores), answer)
        for row, length in enumerate(LENGTHS):
            loss = torch.nn.functional.ctc_loss(
                scores[row, :length].log_softmax(-1),
                torch.tensor(answer),
                torch.tensor(length),
                torch.tensor(len(answer)),
                reduction="sum",
            )
            assert float(state.whole[row]) == pytest.approx(-float(loss))


def test_long_and_certain_frames_stay_exact() -> None:
    """Thousands of nats below one, and nothing of the sum is lost."""
    scores = 40 * torch.randn(1, 300, 7, dtype=torch.float64)
    frames = Frames.of(scores, torch.ones(1, 300, dtype=torch.bool), num_tokens=TOKENS, ends=[END])
    state = Spelled.nothing(frames, torch.zeros(1, dtype=torch.long))
    total = torch.zeros(())
    answer = [4, 4, 5, 6, 6, 6, 4] * 6
    for token in answer:
        following = SCORER.score(state)[0, token]
        before, state = state.prefix[0], SCORER.advance(state, torch.tensor([token]))
        assert float(state.prefix[0] - before) == pytest.approx(float(following), rel=1e-6) or following == LEAST
        total = state.prefix[0]
    assert total > -1e5 and state.whole.isfinite().all()
    loss = torch.nn.functional.ctc_loss(
        scores[0].log_softmax(-1), torch.tensor(answer), torch.tensor(300), torch.tensor(len(answer)), reduction="sum"
    )
    assert float(state.whole[0]) == pytest.approx(-float(loss), rel=1e-9)


def test_tokens_that_the_readout_does_not_know_are_impossible() -> None:
    state = begin(readout())
    for token in (7, 8, BLANK):
        assert (SCORER.score(state)[:, token] == LEAST).all()
        gone = SCORER.advance(state, torch.full((len(LENGTHS),), token))
        assert (SCORER.score(gone) == LEAST).all()
        assert (SCORER.score(SCORER.advance(gone, torch.full((len(LENGTHS),), 4))) == LEAST).all()
