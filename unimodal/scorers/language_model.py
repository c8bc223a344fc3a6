"""A language model beside a decoder (shallow fusion).

b rows, t tokens so far, v vocabulary, r rows that go on
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.batching import begin_rows, token_piece
from unimodal.caches.dense import Dense
from unimodal.decoding.session import Session
from unimodal.decoding.tree import TokenTree
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.scorers import LEAST, Scorer


def read(folder: Path) -> UnimodalForConditionalGeneration:
    """The model of a folder, for a config."""
    from unimodal.loading.hub import load_own

    return load_own(folder).model


@final
class Line:
    """A language model's session, which has come as far as the newest state of its generation."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.age = 0


@final
@dataclass(frozen=True, eq=False)
class Read:
    """What rows have written, what comes next, and where a session stands that has read it."""

    written: Int[Tensor, "b t"]
    scores: Float[Tensor, "b v"]
    line: Line
    age: int
    """Of the line when it stood here; an older state than the line's is read anew when it goes on."""
    rows: Int[Tensor, " b"]
    """Of the line's session."""


@final
class LanguageModelScorer(Scorer[Read]):
    """A decoder-only model of ours over the same token space and text pieces, which reads what is written.

    Its session forks with the beams, one pass of one token a step. Raises ValueError for a model with an encoder.
    """

    def __init__(self, model: UnimodalForConditionalGeneration) -> None:
        if model.backbone.encoder is not None or model.backbone.decoder is None:
            raise ValueError("model: a language model has a decoder and no encoder")
        self.model = model.eval()

    def start(self, session: Session, ends: Collection[int]) -> Read:
        theirs, ours = session.model.vocabulary.ranges, self.model.vocabulary.ranges
        if theirs != ours:
            raise ValueError("model: the language model has another token space than the model that writes")
        self.model.to(session.model.device)
        return self._read(session.length.new_empty(session.rows, 0))

    def score(self, state: Read) -> Float[Tensor, "b v"]:
        return state.scores

    def advance(self, state: Read, tokens: Int[Tensor, " b"]) -> Read:
        written, line = torch.cat([state.written, tokens[:, None]], dim=1), state.line
        if not len(tokens):
            return replace(state, written=written)
        if state.age != line.age:
            return self._read(written)
        session, rows = line.session, torch.arange(len(tokens), device=tokens.device)
        if len(rows) != session.rows or not torch.equal(state.rows, rows):
            session.fork(state.rows)
        tree = TokenTree.chain(tokens[:, None])
        hidden = session.forward(tree)[:, -1]
        session.commit_all(tree)
        line.age += 1
        return Read(written, self._scores(hidden), line, line.age, rows)

    def take(self, state: Read, rows: Int[Tensor, " r"]) -> Read:
        return replace(state, written=state.written[rows], scores=state.scores[rows], rows=state.rows[rows])

    def _read(self, written: Int[Tensor, "b t"]) -> Read:
        """From the first token on."""
        start = written.new_full((written.shape[0], 1), self.model.boundaries.start)
        pieces = [token_piece(row) for row in torch.cat([start, written], dim=1).cpu()]
        line = Line(Session(self.model, Dense))
        hidden = line.session.prefill({}, begin_rows(pieces, self.model.kinds))
        return Read(written, self._scores(hidden), line, 0, torch.arange(len(pieces), device=written.device))

    def _scores(self, hidden: Float[Tensor, "b d"]) -> Float[Tensor, "b v"]:
        scores: Tensor = self.model.logits(hidden).float().log_softmax(-1)
        return scores.clamp_min(LEAST)
