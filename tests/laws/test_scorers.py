"""Laws of every scorer: chances sum to one at most, rows stand alone, states may be taken, forked and gone back to."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.laws.decoding import END, START, TOKENS, items
from tests.laws.parts import final_classes, randomised
from tests.laws.tiny import model_spec
from unimodal.batching import Item
from unimodal.caches.dense import Dense
from unimodal.config import UnimodalConfig
from unimodal.decoding.generate import Prompt
from unimodal.decoding.session import Session
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.scorers import LEAST, Scorer
from unimodal.scorers.connectionist import ConnectionistScorer
from unimodal.scorers.language_model import LanguageModelScorer

VOCABULARY = {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": TOKENS - 1}, {"task": ["a"]}]}


def model_with(architecture: str, readouts: dict[str, Any] | None = None) -> UnimodalForConditionalGeneration:
    torch.manual_seed(4)
    spec = {**model_spec(architecture), "vocabulary": VOCABULARY}
    model = UnimodalForConditionalGeneration(UnimodalConfig(spec=spec, readouts=readouts))
    made: UnimodalForConditionalGeneration = randomised(model).double().eval()
    return made


MODEL = model_with("encoder_decoder", {"text": {"class": "unimodal.heads.OwnHead", "bias": True}})
ASKED = items(MODEL, 7, 1, 12, 4)
LANGUAGE_MODEL = model_with("causal_decoder")
CASES: list[Scorer[Any]] = [ConnectionistScorer("text"), LanguageModelScorer(LANGUAGE_MODEL)]
every_scorer = pytest.mark.parametrize("scorer", CASES, ids=lambda scorer: type(scorer).__name__)


def begin(scorer: Scorer[Any], asked: list[Item]) -> Any:
    prompt, session = Prompt.of(MODEL, asked), Session(MODEL, Dense)
    with torch.no_grad():
        session.prefill(prompt.read(MODEL), prompt.target)
        return scorer.start(session, [END])


def after(scorer: Scorer[Any], state: Any, tokens: Tensor) -> Any:
    with torch.no_grad():
        for column in tokens.T:
            state = scorer.advance(state, column)
    return state


def likely(scorer: Scorer[Any], steps: int) -> Tensor:
    """Tokens [b, steps] that each row may well say."""
    state, written = begin(scorer, ASKED), []
    for step in range(steps):
        scores = scorer.score(state)
        scores[:, [END, START]] = LEAST
        written.append(scores.topk(2, dim=1).indices[:, step % 2])
        state = after(scorer, state, written[-1][:, None])
    return torch.stack(written, dim=1)


def test_every_scorer_of_the_folder_is_tried_here() -> None:
    tried = {f"{type(scorer).__module__}.{type(scorer).__name__}" for scorer in CASES}
    assert set(final_classes("unimodal.scorers", Scorer)) == tried


@every_scorer
@torch.no_grad()
def test_chances_sum_to_one_at_most_and_none_is_below_the_least(scorer: Scorer[Any]) -> None:
    state = begin(scorer, ASKED)
    for column in (*likely(scorer, 4).T, torch.tensor([0, TOKENS - 1, START, 4])):
        scores = scorer.score(state)
        assert scores.shape == (len(ASKED), TOKENS)
        assert (scores >= LEAST).all() and (scores.logsumexp(1) < 1e-6).all()
        state = scorer.advance(state, column)
    assert (scorer.score(state) >= LEAST).all()


@every_scorer
def test_a_row_gets_what_it_gets_alone(scorer: Scorer[Any]) -> None:
    tokens = likely(scorer, 3)
    together = scorer.score(after(scorer, begin(scorer, ASKED), tokens))
    for row, item in enumerate(ASKED):
        alone = scorer.score(after(scorer, begin(scorer, [item]), tokens[row : row + 1]))
        torch.testing.assert_close(alone[0], together[row], rtol=1e-5, atol=1e-5)


@every_scorer
@pytest.mark.parametrize("rows", [[0, 1, 2, 3], [2, 2, 0], [3, 1, 1, 0, 3, 3], [1]])
def test_rows_may_be_taken_before_or_after_a_step(scorer: Scorer[Any], rows: list[int]) -> None:
    tokens, chosen = likely(scorer, 3), torch.tensor(rows)
    state = after(scorer, begin(scorer, ASKED), tokens[:, :2])
    late = scorer.take(after(scorer, state, tokens[:, 2:]), chosen)
    soon = after(scorer, scorer.take(state, chosen), tokens[chosen, 2:])
    torch.testing.assert_close(scorer.score(late), scorer.score(soon), rtol=1e-5, atol=1e-5)


@every_scorer
def test_a_state_may_be_gone_back_to(scorer: Scorer[Any]) -> None:
    tokens = likely(scorer, 3)
    state = after(scorer, begin(scorer, ASKED), tokens[:, :1])
    before, rows = scorer.score(state).clone(), torch.tensor([3, 0, 0])
    first = scorer.score(after(scorer, state, tokens[:, 1:]))
    after(scorer, scorer.take(state, rows), tokens[rows].flip(1))
    assert torch.equal(scorer.score(state), before)
    torch.testing.assert_close(scorer.score(after(scorer, state, tokens[:, 1:])), first, rtol=1e-5, atol=1e-5)


@every_scorer
def test_forked_rows_part(scorer: Scorer[Any]) -> None:
    fork: Callable[[int], Tensor] = lambda token: torch.tensor([[token, 5], [token + 1, 5]])  # noqa: E731
    state = scorer.take(begin(scorer, ASKED), torch.tensor([2, 2]))
    parted = scorer.score(after(scorer, state, fork(4)))
    for row in range(2):
        alone = after(scorer, begin(scorer, ASKED[2:3]), fork(4)[row : row + 1])
        torch.testing.assert_close(scorer.score(alone)[0], parted[row], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(parted[0], parted[1])


@every_scorer
def test_no_row_may_be_left(scorer: Scorer[Any]) -> None:
    none = torch.empty(0, dtype=torch.long)
    scorer.advance(scorer.take(begin(scorer, ASKED), none), none)
