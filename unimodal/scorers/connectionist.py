"""Log-probabilities of a prefix, summed over all ways in which frames spell it (connectionist temporal classification).

b rows, e examples, t frames, c classes of a readout (the first ids), v vocabulary, w rows of one example
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unimodal.decoding.session import Session
from unimodal.scorers import LEAST, Scorer
from unimodal.vocabulary import TokenSpace

BLANK = TokenSpace.pad
NONE = -1
"""Stands for the last token of an empty prefix."""
_NEVER = -1e9
"""Stands for -inf where it is summed over frames."""


@final
@dataclass(frozen=True, eq=False)
class Frames:
    """What a readout says of each example's frames. A frame behind the last is a blank for certain: it changes nothing.

    In float64: the chances of a whole answer lie far apart, and the sums cost little.
    """

    logs: Float[Tensor, "e t c"]
    chances: Float[Tensor, "e t c"]
    num_tokens: int
    ends: tuple[int, ...]

    @classmethod
    def of(
        cls, scores: Float[Tensor, "e t c"], inside: Bool[Tensor, "e t"], *, num_tokens: int, ends: Collection[int]
    ) -> "Frames":
        """From a readout's scores; `inside`: which frames are an example's own."""
        logs = scores.double().log_softmax(-1).clamp_min(LEAST)
        certain = torch.full_like(logs[0, 0], _NEVER)
        certain[BLANK] = 0
        logs = torch.where(inside[..., None], logs, certain)
        return cls(logs, logs.exp(), num_tokens, tuple(ends))


@final
@dataclass(frozen=True, eq=False)
class Spelled:
    """How likely the first 0, 1, ... frames spell a row's prefix, with their last a token or a blank."""

    frames: Frames
    example: Int[Tensor, " b"]
    token: Float[Tensor, "b u"]
    blank: Float[Tensor, "b u"]
    last: Int[Tensor, " b"]
    prefix: Float[Tensor, " b"]
    """Log-probability that the answer begins so."""

    @classmethod
    def nothing(cls, frames: Frames, example: Int[Tensor, " b"]) -> "Spelled":
        """An empty prefix of each row."""
        blank = torch.nn.functional.pad(frames.logs[..., BLANK].cumsum(1), (1, 0))[example]
        last = torch.full_like(example, NONE)
        return cls(frames, example, torch.full_like(blank, -torch.inf), blank, last, torch.zeros_like(blank[:, 0]))

    @property
    def whole(self) -> Float[Tensor, " b"]:
        """Log-probability that the answer is the prefix and no more."""
        return torch.logaddexp(self.token[:, -1], self.blank[:, -1])

    def before(self, same: Bool[Tensor, "b 1"]) -> Float[Tensor, "b t"]:
        """The prefix before each frame, in which a token begins; the `same` token again needs a blank between."""
        token = self.token.masked_fill(same, -torch.inf)
        return torch.logaddexp(token, self.blank)[:, :-1]


@final
class ConnectionistScorer(Scorer[Spelled]):
    """What the frames of a net say of each next token, by the model's readout of that net, or by another `readout`.

    Prefix scores of hybrid decoding (Watanabe et al. 2017, 10.1109/JSTSP.2017.2763455), of all rows at once (Seki et
    al. 2019, 1811.04568). They score the decoder's best tokens alone; here one product of matrices gives all of them,
    and a prefix's new column over all frames is a sum that runs in one operation. A token that the readout does not
    know is impossible, and the end is as likely as the whole answer.
    """

    def __init__(self, net: str, *, readout: str | None = None) -> None:
        self.net, self.readout = net, net if readout is None else readout

    def start(self, session: Session, ends: Collection[int]) -> Spelled:
        model = session.model
        if self.readout not in model.readouts:
            known = ", ".join(sorted(model.readouts)) or "none"
            raise ValueError(f"net: the model has no readout of {self.readout} (it has {known}), so frames say nothing")
        memory = session.memories.get(model.readout_memory(self.readout))
        if memory is None:
            raise ValueError(f"readout: {self.readout} hears a memory that the decoder of this answer does not read")
        here = memory.layout.valid & (memory.layout.kinds == model.kinds[self.net])
        lengths = here.sum(1)
        if not bool(lengths.all()):
            raise ValueError(f"net: a prompt holds no {self.net}, which this decoding scores its answer by")
        inside = torch.arange(int(lengths.max()), device=here.device) < lengths[:, None]
        entries = here.int().argsort(dim=1, descending=True, stable=True)[:, : inside.shape[1]]
        heard = memory.hidden.gather(1, entries[..., None].expand(-1, -1, memory.hidden.shape[-1]))
        scores = model.read_off(self.readout, heard)
        frames = Frames.of(scores, inside, num_tokens=len(model.vocabulary), ends=ends)
        return Spelled.nothing(frames, torch.arange(session.rows, device=here.device))

    def score(self, state: Spelled) -> Float[Tensor, "b v"]:
        frames, rows = state.frames, state.prefix.shape[0]
        found = state.prefix.new_full((rows, frames.num_tokens), LEAST)
        known = frames.logs.shape[-1]
        first = state.before(torch.zeros_like(state.last, dtype=torch.bool)[:, None]) - state.prefix[:, None]
        found[:, :known] = _multiply(first.exp(), frames.chances, state.example).log()
        # After a blank alone the last token may be said again.
        last = state.last.clamp_min(0)
        again = (state.blank[:, :-1] - state.prefix[:, None]).exp() * _column(frames.chances, state.example, last)
        repeated = torch.where(state.last == NONE, found[torch.arange(rows), last], again.sum(1).log())
        found[torch.arange(rows), last] = repeated
        found[:, BLANK] = LEAST
        found[:, list(frames.ends)] = (state.whole - state.prefix)[:, None]
        return found.clamp_min(LEAST)

    def advance(self, state: Spelled, tokens: Int[Tensor, " b"]) -> Spelled:
        frames = state.frames
        known = ((tokens < frames.logs.shape[-1]) & (tokens != BLANK))[:, None]
        said = _column(frames.logs, state.example, torch.where(known[:, 0], tokens, BLANK))
        begun = state.before((tokens == state.last)[:, None]).masked_fill(~known, -torch.inf)
        token = _run(begun, said)
        blank = _run(token[:, :-1], frames.logs[..., BLANK][state.example])
        prefix = (begun + said).logsumexp(1)
        never = prefix < _NEVER / 2  # more tokens than frames, say
        token, blank = (column.masked_fill(never[:, None], -torch.inf) for column in (token, blank))
        last = torch.where(known[:, 0], tokens, NONE)
        return Spelled(frames, state.example, token, blank, last, prefix.masked_fill(never, _NEVER))

    def take(self, state: Spelled, rows: Int[Tensor, " r"]) -> Spelled:
        taken = {name: value[rows] for name, value in vars(state).items() if name != "frames"}
        return replace(state, **taken)


def _column(frames: Float[Tensor, "e t c"], example: Int[Tensor, " b"], token: Int[Tensor, " b"]) -> Tensor:
    """[b, t]: each row's token in its example's frames."""
    return frames[example[:, None], torch.arange(frames.shape[1], device=token.device), token[:, None]]


def _run(begun: Float[Tensor, "b t"], steps: Float[Tensor, "b t"]) -> Float[Tensor, "b u"]:
    """log x[t] with x[t] = (x[t-1] + exp begun[t]) * exp steps[t] and x[0] = 0, for all t in one sum that runs."""
    passed = steps.cumsum(1)
    run = passed + (begun - (passed - steps)).logcumsumexp(1)
    return torch.nn.functional.pad(run, (1, 0), value=-torch.inf)


def _multiply(
    weights: Float[Tensor, "b t"], chances: Float[Tensor, "e t c"], example: Int[Tensor, " b"]
) -> Float[Tensor, "b c"]:
    """Each row's weights times its example's chances, which no beam gets a copy of."""
    place = (example[:, None] == example[None]).tril(-1).sum(1)
    table = weights.new_zeros(chances.shape[0], int(place.max()) + 1, weights.shape[1])
    table[example, place] = weights
    return (table @ chances)[example, place]
