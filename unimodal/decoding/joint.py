"""Several opinions of the next token as one: a decoder's, and those of scorers beside it.

b rows, v vocabulary, r rows that go on
"""

from collections.abc import Collection, Mapping
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.decoding.session import Session
from unimodal.guides import Guide
from unimodal.scorers import Scorer

DECODER = "decoder"
"""The decoder's name among the weights."""


@final
class JointScorer:
    """Weighs log-probabilities: the decoder's, those of `scorers` by name, and a `bonus` for every token but the end.

    Hybrid decoding (Watanabe et al. 2017, 10.1109/JSTSP.2017.2763455) with weights of 1 - w and w, shallow fusion
    (Gulcehre et al. 2015, 1503.03535) with a weight for the language model. The decoder's weight is 1 where none is
    given; a scorer of weight 0 is not asked. A beam takes the sums as they are where it does not renormalise them.
    """

    def __init__(self, scorers: Mapping[str, Scorer[Any]], *, weights: Mapping[str, float], bonus: float = 0.0) -> None:
        if DECODER in scorers:
            raise ValueError(f"scorers: {DECODER} is the model's own decoder; call the scorer something else")
        for name in sorted(scorers.keys() - weights.keys()):
            raise ValueError(f"weights: {name} is missing")
        for name in sorted(weights.keys() - scorers.keys() - {DECODER}):
            raise ValueError(f"weights: there is no scorer named {name}")
        for name, weight in sorted(weights.items()):
            if not weight >= 0:
                raise ValueError(f"weights.{name}: expected a number from 0, got {weight}")
        self.weights = {DECODER: 1.0, **weights}
        self.scorers = {name: scorer for name, scorer in scorers.items() if weights[name] > 0}
        self.bonus = bonus

    def guide(self, session: Session, ends: Collection[int]) -> "JointGuide":
        """The guide of one generation; it is told nothing of the session before its `start`."""
        return JointGuide(self, session, ends)


@final
class JointGuide(Guide[dict[str, Any]]):
    """Puts the joint score in the place of the logits; what guides before it have ruled out stays so."""

    def __init__(self, joint: JointScorer, session: Session, ends: Collection[int]) -> None:
        self._joint, self._session, self._ends = joint, session, tuple(ends)

    def start(self, rows: int, device: torch.device | None = None) -> dict[str, Any]:
        assert rows == self._session.rows, "a session has read the prompts of its own rows"
        return {name: self._start(name, scorer) for name, scorer in self._joint.scorers.items()}

    def _start(self, name: str, scorer: Scorer[Any]) -> Any:
        try:
            return scorer.start(self._session, self._ends)
        except ValueError as error:
            raise ValueError(f"decoding.joint.{name}: {error}") from error

    def adjust(self, logits: Float[Tensor, "b v"], state: dict[str, Any]) -> Float[Tensor, "b v"]:
        joint = self._joint
        total = joint.weights[DECODER] * logits.log_softmax(-1)
        for name, scorer in joint.scorers.items():
            total = total + joint.weights[name] * scorer.score(state[name]).to(total)
        if joint.bonus:
            bonus = torch.full_like(total[:1], joint.bonus)
            bonus[:, list(self._ends)] = 0
            total = total + bonus
        return torch.where(logits > -torch.inf, total, -torch.inf)

    def advance(self, state: dict[str, Any], tokens: Int[Tensor, " b"]) -> dict[str, Any]:
        return {name: scorer.advance(state[name], tokens) for name, scorer in self._joint.scorers.items()}

    def take(self, state: dict[str, Any], rows: Int[Tensor, " r"]) -> dict[str, Any]:
        return {name: scorer.take(state[name], rows) for name, scorer in self._joint.scorers.items()}
