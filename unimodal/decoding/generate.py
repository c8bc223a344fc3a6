"""Generation: the one decoding loop, and what a user may choose about it.

b rows, d width
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.batching import Item, Piece, Sequences, token_piece
from unimodal.build import build
from unimodal.caches import Cache
from unimodal.caches.dense import Dense
from unimodal.captures import Capture
from unimodal.captures.eager import Eager
from unimodal.decoding.joint import JointScorer
from unimodal.decoding.session import Session
from unimodal.decoding.tree import TokenTree
from unimodal.guides import Guide
from unimodal.guides.chain import ChainGuide
from unimodal.hidden import Memory
from unimodal.samplers import Growth, Hypothesis, Sampler
from unimodal.samplers.greedy import Greedy
from unimodal.spec import load_spec
from unimodal.vocabulary import Vocabulary
from unimodal.writers import Writer
from unimodal.writers.frames import ANY_PACE, Ends, FrameWriter, Pace
from unimodal.writers.tokens import TokenWriter

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

LIMIT = 256
"""Steps of the longest answer where nothing else is said."""
DECODINGS = Path(__file__).parents[1] / "configs" / "decoding"


@final
class Decoding:
    """How answers are decoded: sampler, guides beside the task's own, cache, and the longest answer in steps.

    `joint`: what else than the decoder scores tokens. `capture`: how a step's pass is run.
    """

    def __init__(
        self,
        sampler: Sampler,
        *,
        guides: Sequence[Guide[Any]] = (),
        joint: JointScorer | None = None,
        cache: Callable[..., Cache] = Dense,
        capture: Capture | None = None,
        limit: int = LIMIT,
    ) -> None:
        if limit < 1:
            raise ValueError(f"limit: an answer has at least 1 step, not {limit}")
        self.sampler = sampler
        self.guides = tuple(guides)
        self.joint = joint
        self.cache = cache
        self.capture = Eager() if capture is None else capture
        self.limit = limit

    def session(self, model: "UnimodalForConditionalGeneration", *, limit: int | None = None) -> Session:
        """What a generation runs in; `limit`: steps that are expected of it, by default the longest answer's."""
        run = self.capture.runner(model)
        return Session(model, self.cache, limit=self.limit if limit is None else limit, run=run)


def decoding_of(choice: str | Mapping[str, Any] | Decoding | None, vocabulary: Vocabulary | None = None) -> Decoding:
    """A Decoding by its name or file, by a spec, or as it is; greedy where nothing is chosen.

    Parts that leave out `vocabulary` or `limit` are given the model's, and the longest answer's steps.
    """
    if isinstance(choice, Decoding):
        return choice
    if choice is None:
        return Decoding(Greedy())
    if isinstance(choice, str):
        choice = load_spec(find_decoding(choice))
    context = {"limit": choice.get("limit", LIMIT), **({} if vocabulary is None else {"vocabulary": vocabulary})}
    chosen: Decoding = build(
        {"class": "unimodal.decoding.generate.Decoding", **choice}, Decoding, where="decoding", **context
    )
    return chosen


def find_decoding(name: str) -> Path:
    """The file of a decoding: a YAML file's own path, or a name in `configs/decoding/`. Raises ValueError."""
    if Path(name).suffix == ".yaml" and Path(name).is_file():
        return Path(name)
    known = sorted(path.stem for path in DECODINGS.glob("*.yaml"))
    if name not in known:
        raise ValueError(f"decoding: there is no '{name}' among {', '.join(known)}")
    return DECODINGS / f"{name}.yaml"


@final
@dataclass(frozen=True, eq=False)
class Branches:
    """Answers that go on from shared rows, each with tokens of its own: what was read and encoded stays one."""

    rows: Int[Tensor, " n"]
    """The row that each goes on from; of one that is not named nothing is asked."""
    tokens: Int[Tensor, "n t"]


@final
@dataclass(frozen=True, eq=False)
class Prompt:
    """What a generation begins with: how to read the sources, and what stands in the decoder before the answers."""

    read: Callable[["UnimodalForConditionalGeneration"], Mapping[str, Memory]]
    """Runs the encoder, where the model has one."""
    target: Sequences
    """One row an answer, or one for all its branches."""
    branches: Branches | None = None

    @property
    def rows(self) -> int:
        """Answers that are asked for."""
        return len(self.target.layout.valid if self.branches is None else self.branches.rows)

    @classmethod
    def of(
        cls, model: "UnimodalForConditionalGeneration", items: Sequence[Item], start: Sequence[Piece] | None = None
    ) -> "Prompt":
        """The prompts of items. `start`: what the decoder reads first, one an item; None: the model's start token."""
        first = [token_piece([model.boundaries.start])] * len(items) if start is None else start
        source, target = model.arrangement.prompt(items, first, model.kinds)
        layout = target.layout
        return cls(lambda model: {} if source is None else model.encode_for(source.to(model.device), layout), target)


def steps(session: Session, prompt: Prompt, writer: Writer[Any]) -> Iterator[None]:
    """The one decoding loop: reads the prompts, then writes until no row is left; yields after every step."""
    if not prompt.rows:
        return
    model = session.model
    was_training = model.training
    if was_training:
        model.eval()
    try:
        with torch.inference_mode():
            hidden = session.prefill(prompt.read(model), prompt.target)
            step = writer.write(hidden if prompt.branches is None else _branch(session, prompt.branches))
        yield
        while not step.is_last:
            with torch.inference_mode():
                if step.rows is not None:
                    session.fork(step.rows)
                hidden = session.forward(step.tree)[:, -1]
                session.commit_all(step.tree)
                step = writer.write(hidden)
            yield
    finally:
        if was_training:
            model.train()


def _branch(session: Session, branches: Branches) -> Float[Tensor, "n d"]:
    """The hidden state of each branch's last token."""
    session.fork(branches.rows.to(session.model.device))
    tree = TokenTree.chain(branches.tokens.to(session.model.device))
    hidden = session.forward(tree)[:, -1]
    session.commit_all(tree)
    return hidden


def write_tokens(
    model: "UnimodalForConditionalGeneration",
    prompt: Prompt,
    decoding: Decoding,
    *,
    guide: Guide[Any] | None = None,
    ends: Collection[int] | None = None,
    scored: bool = True,
) -> list[list[Hypothesis]]:
    """For every row its hypotheses, the best first; one without an end token was cut off by the limit.

    `ends`: the tokens that end an answer, by default the model's. `scored`: as Sampler.search.
    """
    ends = model.boundaries.ends if ends is None else ends
    session = decoding.session(model)
    writer = _token_writer(session, prompt, decoding, guide, ends, scored=scored)
    for _ in steps(session, prompt, writer):
        pass
    return writer.answers()


def stream_tokens(
    model: "UnimodalForConditionalGeneration",
    prompt: Prompt,
    decoding: Decoding,
    *,
    guide: Guide[Any] | None = None,
) -> Iterator[Growth]:
    """Each token as it is written, with the number of its row; together they are the first answers of `write_tokens`.

    Raises ValueError at once where the sampler is not sure of a token before the answer is whole.
    """
    if not decoding.sampler.streams:
        name = type(decoding.sampler).__name__
        raise ValueError(f"decoding: {name} does not stream, for what it has written may still change")
    session = decoding.session(model)
    return _growing(session, prompt, _token_writer(session, prompt, decoding, guide, model.boundaries.ends))


def _growing(session: Session, prompt: Prompt, writer: TokenWriter) -> Iterator[Growth]:
    for _ in steps(session, prompt, writer):
        yield from writer.grown()


def _token_writer(
    session: Session,
    prompt: Prompt,
    decoding: Decoding,
    guide: Guide[Any] | None,
    ends: Collection[int],
    *,
    scored: bool = True,
) -> TokenWriter:
    search = decoding.sampler.search(prompt.rows, ends=ends, limit=decoding.limit, scored=scored)
    own = [] if guide is None else [guide]
    joint = [] if decoding.joint is None else [decoding.joint.guide(session, ends)]
    guides = ChainGuide([*own, *joint, *decoding.guides])
    return TokenWriter(session.score, guide=guides, search=search)


def write_frames(
    model: "UnimodalForConditionalGeneration",
    items: Sequence[Item],
    net: str,
    decoding: Decoding,
    *,
    pace: Pace = ANY_PACE,
) -> list[dict[str, Tensor]]:
    """For every item what the post-net `net` decoded at its steps; `pace` counts the longest piece of the prompt."""
    start = model.postnet(net).start()
    prompt = Prompt.of(model, items, [Piece(net, {**start, **item.beside}, 1) for item in items])
    beside = {name: [item.beside[name] for item in items] for name in (items[0].beside if items else ())}
    context = {name: torch.stack(arrays).to(model.device) for name, arrays in beside.items()}
    longest = torch.tensor([max(piece.positions for piece in item.prompt) for item in items])
    ends = pace.ends(longest, limit=decoding.limit)
    return go_on_with_frames(model, prompt, net, decoding, ends=ends, context=context)


def go_on_with_frames(
    model: "UnimodalForConditionalGeneration",
    prompt: Prompt,
    net: str,
    decoding: Decoding,
    *,
    ends: Ends,
    context: Mapping[str, Tensor] | None = None,
) -> list[dict[str, Tensor]]:
    """For every row of a prompt what the post-net `net` decoded at its steps; `context` as FrameWriter."""
    prenet = model.prenet(net)

    def feed(arrays: Mapping[str, Tensor]) -> Tensor:
        rows = next(iter(arrays.values())).shape[0]
        return prenet.embed(arrays, torch.ones(rows, dtype=torch.long), model.embed_tokens)

    writer = FrameWriter(model.postnet(net), feed=feed, ends=ends, context=context)
    limit = int(ends.longest.max()) if prompt.rows else 0
    for _ in steps(decoding.session(model, limit=limit), prompt, writer):
        pass
    return writer.answers()
