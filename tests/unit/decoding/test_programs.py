"""Passes of a decoder: a recording gives what is run, whatever the window; a fork moves nothing; room is made once.

r rows, n entries, s slots
"""

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from tests.laws.decoding import SPECS, START, TOKENS, items, random_model
from tests.laws.tiny import model_of, model_spec
from tests.unit.counted import Operations
from unimodal.batching import token_piece
from unimodal.caches.dense import Dense
from unimodal.decoding.generate import Prompt
from unimodal.decoding.lineage import ROUND
from unimodal.decoding.programs import DecoderPass
from unimodal.decoding.session import Session
from unimodal.decoding.tree import TokenTree
from unimodal.model import UnimodalForConditionalGeneration


class Kept:
    """Runs passes, and keeps the last one with what went in and what came out."""

    def __init__(self, *, count: bool = False) -> None:
        self.step: DecoderPass | None = None
        self.count = count

    def __call__(self, step: DecoderPass) -> Tensor:
        if self.count:
            with Operations() as counted:
                self.last = step.run()
            self.operations = counted.names.total()
            return self.last
        self.step, self.before = step, {name: tensor.clone() for name, tensor in step.tensors.items()}
        self.last = step.run()
        return self.last


def begun(model: UnimodalForConditionalGeneration, lengths: tuple[int, ...], kept: Kept, limit: int = 0) -> Session:
    asked = items(model, *lengths)
    prompt = Prompt.of(model, asked, [token_piece([START])] * len(asked))
    session = Session(model, Dense, run=kept, limit=limit)
    session.prefill(prompt.read(model), prompt.target)
    return session


def go_on(session: Session, nodes: int = 1) -> None:
    tree = TokenTree.chain(torch.randint(4, TOKENS, (session.rows, nodes)))
    session.forward(tree)
    session.commit_all(tree)


@pytest.mark.parametrize(("name", "mode"), [*((name, "symbolic") for name in SPECS), ("t5", "real")])
@torch.no_grad()
def test_a_recorded_pass_is_the_pass(name: str, mode: str) -> None:
    """A recording of one step serves the steps behind it; one that leaves shapes open serves wider windows too."""
    model, kept = random_model(name, 0), Kept()
    session = begun(model, (5, 3), kept)
    session.fork(torch.tensor([0, 0, 1, 1]))
    go_on(session)
    step = kept.step
    assert step is not None
    recorded = make_fx(lambda tensors: step.given(tensors).run(), tracing_mode=mode, _allow_non_fake_inputs=True)(
        step.tensors
    )
    windows = set()
    for number in range(4 if mode == "real" else 20):
        if number < 3:
            session.fork(torch.randint(0, 2, (4,)) + torch.tensor([0, 0, 2, 2]))
        go_on(session)
        found = recorded(kept.before)
        assert torch.equal(found, kept.last)
        for path, tensor in kept.step.tensors.items():  # what was written, too
            torch.testing.assert_close(kept.before[path], tensor, rtol=0, atol=0, equal_nan=True)
        windows.add(kept.step.opening.mask.shape[-1])
    assert len(windows) == (1 if mode == "real" else 2)
    assert set(kept.step.tensors) == set(step.tensors)


@torch.no_grad()
def test_a_fork_of_beams_moves_no_keys_and_room_is_made_once() -> None:
    model, kept = random_model("t5", 0), Kept()
    session = begun(model, (5, 3, 4), kept, limit=60)
    session.fork(torch.arange(3).repeat_interleave(4))
    go_on(session)
    addresses = _addresses(session)
    for _ in range(30):
        order = torch.randint(0, 4, (3, 4)) + 4 * torch.arange(3)[:, None]
        with Operations() as counted:
            session.fork(order.flatten())
        assert sum(counted.names.values()) <= 6, counted.names
        go_on(session)
    assert _addresses(session) == addresses
    assert session.cache.tokens_read < 2 * 12 * sum(range(33))  # what copies of their own would have read
    session.fork(torch.arange(4, 12))
    assert _addresses(session) != addresses
    go_on(session)


def _model(depth: int) -> UnimodalForConditionalGeneration:
    spec = model_spec("encoder_decoder")
    spec["backbone"]["decoder"]["depth"] = depth
    return model_of(spec)


@pytest.mark.parametrize("width", [1, 4])
def test_a_step_is_the_same_few_operations_whatever_the_batch(width: int) -> None:
    """Counted, not timed: what stands outside of the pass, which no recording spares, and what each block adds."""
    counts: dict[tuple[int, int], tuple[int, int]] = {}
    for depth, rows in ((2, 1), (2, 5), (4, 5)):
        with torch.inference_mode():
            session = begun(_model(depth), (5,) * rows, kept := Kept(count=True), limit=20)
            session.fork(torch.arange(rows).repeat_interleave(width))
            go_on(session)
            order = (torch.arange(rows)[:, None] * width + torch.arange(width).clamp(max=1)).flatten()
            with Operations() as whole:
                session.fork(order)
                go_on(session)
        assert whole.transfers == 0
        counts[depth, rows] = whole.names.total() - kept.operations, kept.operations
    assert counts[2, 1] == counts[2, 5] and counts[2, 5][0] == counts[4, 5][0]
    outside, inside = counts[4, 5]
    assert outside <= (45 if width == 1 else 55)
    each = (inside - counts[2, 5][1]) / 2
    assert each <= 60 and inside - 4 * each <= 40


@torch.no_grad()
def test_a_short_prompts_padding_is_written_over() -> None:
    """The window is the longest row's: what padding held is free for the answer, and no row is longer than it is."""
    session = begun(random_model("prefix_decoder", 0), (40, 3), kept := Kept(), limit=20)
    assert session.length.tolist() == [41, 4]
    for _ in range(20):
        go_on(session)
    assert kept.step is not None and kept.step.opening.mask.shape[-1] == 2 * ROUND
    assert kept.step.opening.mask.sum(-1).flatten().tolist() == [61, 24]
    session.fork(torch.tensor([1]))
    read = session.cache.tokens_read
    go_on(session)
    assert session.cache.tokens_read - read == 2 * 2 * ROUND  # two layers, one row


def _addresses(session: Session) -> list[int]:
    return [tensor.data_ptr() for name, tensor in _tensors(session).items() if ".slots." in name]


def _tensors(session: Session) -> dict[str, Tensor]:
    assert isinstance(session._run, Kept) and session._run.step is not None
    return session._run.step.tensors


@torch.no_grad()
def test_slots_of_dead_branches_are_used_again() -> None:
    """Four beams that all descend from one at every step never need more than a window or two."""
    kept = Kept()
    session = begun(random_model("t5", 0), (5,), kept, limit=100)
    session.fork(torch.zeros(4, dtype=torch.long))
    for _ in range(40):
        go_on(session)
        session.fork(torch.zeros(4, dtype=torch.long))
    assert session.length.tolist() == [41] * 4
    assert kept.step is not None and kept.step.opening.mask.shape[-1] == 2 * ROUND


@torch.no_grad()
def test_rows_with_fewer_sequences_than_others_cost_no_copy_and_change_nothing() -> None:
    """In any order, and where one prompt has three sequences and another one."""
    model, kept = random_model("t5", 0), Kept()
    tokens = torch.randint(4, TOKENS, (6, 4))
    torch.manual_seed(0)
    session = begun(model, (5, 3, 4), kept)
    rows = torch.tensor([2, 0, 2, 2, 0, 2])
    session.fork(rows)
    singles = []
    for row in range(6):
        torch.manual_seed(0)  # the same prompts
        singles.append(begun(model, (5, 3, 4), Kept()))
        singles[row].fork(rows[row : row + 1])
    for step in range(4):
        tree = TokenTree.chain(tokens[:, step : step + 1])
        found = session.forward(tree)
        session.commit_all(tree)
        assert session.length.tolist() == [step + 2] * 6
        for row, one in enumerate(singles):
            single = TokenTree.chain(tokens[row : row + 1, step : step + 1])
            torch.testing.assert_close(one.forward(single)[0], found[row], rtol=1e-9, atol=1e-9)
            one.commit_all(single)
    assert kept.step is not None and kept.step.entries.shape == (2, 4)
