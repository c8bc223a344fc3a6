"""Generation: the one decoding loop, and what a user may choose about it.

b rows, d width
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, final

import torch
from torch import Tensor

from unimodal.batching import Item, Piece, token_piece
from unimodal.build import build
from unimodal.caches import Cache
from unimodal.caches.dense import Dense
from unimodal.guides import Guide
from unimodal.guides.chain import ChainGuide
from unimodal.samplers import Hypothesis, Sampler
from unimodal.samplers.beam import Beam
from unimodal.samplers.greedy import Greedy
from unimodal.samplers.sampling import Sampling
from unimodal.session import Session
from unimodal.spec import load_spec
from unimodal.writers import Writer
from unimodal.writers.frames import FrameWriter
from unimodal.writers.tokens import TokenWriter

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

T = TypeVar("T")
DECODINGS = Path(__file__).parent / "configs" / "decoding"


@final
class Decoding:
    """How answers are decoded: sampler, guides beside the task's own, cache, and the longest answer in steps."""

    def __init__(
        self,
        sampler: Sampler,
        *,
        guides: Sequence[Guide[Any]] = (),
        cache: Callable[[int, torch.device], Cache] = Dense,
        limit: int = 256,
    ) -> None:
        if limit < 1:
            raise ValueError(f"limit: an answer has at least 1 step, not {limit}")
        self.sampler = sampler
        self.guides = tuple(guides)
        self.cache = cache
        self.limit = limit


def decoding_of(choice: str | Mapping[str, Any] | Decoding | None) -> Decoding:
    """A Decoding by its name in `configs/decoding/`, by a spec, or as it is; greedy where nothing is chosen."""
    if isinstance(choice, Decoding):
        return choice
    if choice is None:
        return Decoding(Greedy())
    if isinstance(choice, str):
        known = sorted(path.stem for path in DECODINGS.glob("*.yaml"))
        if choice not in known:
            raise ValueError(f"decoding: there is no '{choice}' among {', '.join(known)}")
        choice = load_spec(DECODINGS / f"{choice}.yaml")
    return build({"class": "unimodal.generate.Decoding", **choice}, Decoding, where="decoding")


def sampler_of(
    num_beams: int, do_sample: bool, temperature: float, top_k: int, top_p: float, length_penalty: float
) -> Sampler:
    """The Sampler that transformers' keyword names ask for."""
    if do_sample and num_beams > 1:
        raise ValueError("do_sample, num_beams: sampling within beams is not offered; choose one of them")
    if do_sample:
        return Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    return Beam(num_beams, length_penalty=length_penalty) if num_beams > 1 else Greedy()


def steps(session: Session, hidden: Tensor, writer: Writer[Any]) -> Iterator[None]:
    """The one decoding loop: from the prompt's last hidden state until no row is left; yields after every step."""
    while True:
        step = writer.write(hidden)
        yield
        if step.rows.shape[0] == 0:
            return
        if not torch.equal(step.rows, torch.arange(hidden.shape[0], device=step.rows.device)):
            session.fork(step.rows)
        hidden = session.forward(step.tree).last[:, -1]
        session.commit_all(step.tree)


@torch.inference_mode()
def write_tokens(
    model: "UnimodalForConditionalGeneration",
    items: Sequence[Item],
    decoding: Decoding,
    *,
    guide: Guide[Any] | None = None,
    observe: Callable[[Tensor, Tensor], None] | None = None,
) -> list[list[Hypothesis]]:
    """For every item its hypotheses, the best first; `observe` hears (rows, tokens) of each step as it is chosen."""
    session = Session(model, decoding.cache)
    writer = TokenWriter(
        model.logits,
        guide=ChainGuide([*([] if guide is None else [guide]), *decoding.guides]),
        search=decoding.sampler.search(len(items), end=model.vocabulary.end, limit=decoding.limit),
        observe=observe,
    )
    start = [token_piece([model.vocabulary.start])] * len(items)
    return _run(session, model, items, start, writer)


@torch.inference_mode()
def write_frames(
    model: "UnimodalForConditionalGeneration", items: Sequence[Item], net: str, decoding: Decoding
) -> list[dict[str, Tensor]]:
    """For every item what the post-net `net` decoded at its steps."""
    postnet, prenet = model.postnet(net), model.prenet(net)

    def feed(arrays: Mapping[str, Tensor]) -> Tensor:
        rows = next(iter(arrays.values())).shape[0]
        return prenet.embed(arrays, torch.ones(rows, dtype=torch.long), model.embed_tokens)

    writer = FrameWriter(postnet, feed=feed, examples=len(items), limit=decoding.limit)
    start = [Piece(net, postnet.start(), 1)] * len(items)
    return _run(Session(model, decoding.cache), model, items, start, writer)


def _run(
    session: Session,
    model: "UnimodalForConditionalGeneration",
    items: Sequence[Item],
    start: Sequence[Piece],
    writer: Writer[T],
) -> list[T]:
    if not items:
        return []
    was_training = model.training
    model.eval()
    try:
        hidden = session.prefill(*model.arrangement.prompt(items, start, model.kinds))
        for _ in steps(session, hidden, writer):
            pass
    finally:
        model.train(was_training)
    return writer.answers()
