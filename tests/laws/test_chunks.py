"""Some queries at a time are all of them at once: every mask, every position, however rows are filled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.laws.parts import DIM, HEAD_DIM, HEADS, close, factory, label, layout_of, randomised, specs
from tests.laws.tiny import BUCKETED, CAUSAL, FULL, gradients_of, stack, stack_spec
from unimodal.attention import Part, Pattern, attention
from unimodal.caches.dense import Dense
from unimodal.caches.once import Once
from unimodal.hidden import Memory
from unimodal.layout import Layout
from unimodal.masks.causal import Causal
from unimodal.masks.full import Full
from unimodal.positions import Position
from unimodal.stack import Stack

TIME = 11
PACKED = [[5, TIME - 5], [2, 3, 4]]
ROWS = ([[TIME]], [[TIME], [4]], PACKED)
ROTARY = "unimodal.positions.rotary.Rotary"
CLIPPED = {"class": "unimodal.positions.clipped.Clipped", "head_dim": HEAD_DIM, "longest": 3}


@contextmanager
def chunks_of(length: int) -> Iterator[list[int]]:
    """Every attention of more queries than `length` takes so many at a time; gives the lengths that were taken."""
    taken: list[int] = []

    def chunked(q: Tensor, length: int, attend: Callable[[Tensor, slice], Tensor]) -> Tensor:
        taken.append(length)
        return attend_in_chunks(q, length, attend)

    with pytest.MonkeyPatch.context() as patch:
        from unimodal import chunks

        attend_in_chunks = chunks.attend_in_chunks
        patch.setattr(chunks, "WHOLE", 0)
        patch.setattr(chunks, "CHUNK", 0)
        patch.setattr(chunks, "RECOMPUTED", 0)
        patch.setattr(chunks, "FEWEST", length)
        patch.setattr(chunks, "attend_in_chunks", chunked)
        yield taken


def outcome(module: torch.nn.Module, run: Callable[[], Tensor], real: Tensor) -> tuple[Tensor, dict[str, Any]]:
    """What comes out at real entries, and the gradients of a loss on it."""
    out = run()[real]
    weights = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).reshape(out.shape)
    return out, gradients_of(module, (out * weights).sum())


def same(found: tuple[Tensor, dict[str, Any]], expected: tuple[Tensor, dict[str, Any]], tolerance: float) -> None:
    close(found[0], expected[0], tolerance)
    for name, gradient in expected[1].items():
        assert (found[1][name] is None) == (gradient is None), name
        if gradient is not None:
            close(found[1][name], gradient, tolerance)


@pytest.mark.parametrize("position", specs("unimodal.positions"), ids=label)
@pytest.mark.parametrize("mask", specs("unimodal.masks"), ids=label)
def test_a_pass_in_chunks_is_the_pass(mask: Any, position: Any) -> None:
    """And so are its gradients, in rows that are whole, padded or packed."""
    made = randomised(factory({**stack_spec(mask=mask, position=position), "depth": 1}, Stack)(DIM)).double()
    for rows in ROWS:
        chunked_pass_is_the_pass(made, mask, position, rows)


def chunked_pass_is_the_pass(made: Stack, mask: Any, position: Any, rows: list[list[int]]) -> None:
    layout = layout_of(rows)
    layout = replace(layout, prefix=torch.full_like(layout.segments, 2))
    x = torch.randn(*layout.valid.shape, DIM, dtype=torch.float64)

    def run() -> Tensor:
        out: Tensor = made(x, Once(len(x), x.device).open(layout), {}).last
        return out

    expected = outcome(made, run, layout.valid)
    with chunks_of(3) as taken:
        found = outcome(made, run, layout.valid)
        with torch.no_grad():
            close(run()[layout.valid], expected[0], 1e-12)
    same(found, expected, 1e-9)
    # Without a bias that grows with the queries, the fused kernel needs no chunks.
    fused = mask["class"].endswith("Full") and rows is not PACKED
    relative = position["class"].endswith(("Both", "Bucketed", "Clipped"))
    assert bool(taken) == (relative or not fused)


@pytest.mark.parametrize("position", [BUCKETED, ROTARY, CLIPPED], ids=label)
def test_examples_of_packed_rows_read_their_sources(position: Any) -> None:
    made = stack(mask=CAUSAL, position=position, reads=("encoder",)).double()
    layout, source = layout_of([[4, 5], [7]]), layout_of([[3, 6], [8]])
    x = torch.randn(2, 9, DIM, dtype=torch.float64)
    hidden = torch.randn(2, 9, DIM, dtype=torch.float64, requires_grad=True)

    def run() -> Tensor:
        memories = {"encoder": Memory("encoder", hidden, source).view(layout)}
        out: Tensor = made(x, Once(2, x.device).open(layout), memories).last
        return out

    expected = outcome(made, run, layout.valid)
    with chunks_of(2) as taken:
        found = outcome(made, run, layout.valid)
    assert len(taken) == 2 * 2
    same(found, expected, 1e-9)


@pytest.mark.parametrize("position", [BUCKETED, ROTARY, CLIPPED], ids=label)
@torch.no_grad()
def test_trees_and_long_prompts_read_a_cache(position: Any) -> None:
    """Rows that share nothing but the tree's form, with different lengths behind them."""
    made, lengths = stack(mask=CAUSAL, position=position).double(), torch.tensor([7, 4])
    x = torch.randn(2, 12, DIM, dtype=torch.float64)
    parents = [-1, 0, 0, 1, 2]
    seen = torch.eye(5, dtype=torch.bool)
    for node, parent in enumerate(parents):
        seen[node] |= seen[parent] if parent >= 0 else False
    depths = seen.sum(1) - 1

    def run() -> Tensor:
        cache = Dense(2, x.device)
        prompt = made(x[:, :7], cache.open(Layout.of_lengths(lengths, 7)), {}).last
        cache.truncate(lengths)
        nodes = torch.arange(5)
        tree = layout_of(
            [[5], [5]],
            positions=lengths[:, None] + depths,
            index=lengths[:, None] + nodes,
            base=lengths,
            seen=seen.expand(2, 5, 5),
        )
        return torch.cat([prompt[1, :4], prompt[0], made(x[:, 7:], cache.open(tree), {}).last.flatten(0, 1)])

    expected = run()
    with chunks_of(2) as taken:
        close(run(), expected, 1e-12)
    assert len(taken) == 2 * 2


@torch.no_grad()
def test_masks_of_single_queries_and_keys_that_turn_late() -> None:
    q = torch.randn(2, 7, HEADS, HEAD_DIM)
    keys, values = (torch.randn(2, 9, HEADS, HEAD_DIM) for _ in range(2))
    rotary = factory(ROTARY, Position)(DIM)
    for rotated in (True, False):
        part = Part(keys, values, torch.randint(0, 9, (2, 9)), torch.rand(2, 7, 9) < 0.6, rotated=rotated)
        expected = attention(q, [part], Pattern(Full(), rotary, layout_of([[7]] * 2)))
        with chunks_of(3) as taken:
            close(attention(q, [part], Pattern(Full(), rotary, layout_of([[7]] * 2))), expected)
        assert taken


@pytest.mark.parametrize("cap", [None, 0.7])
@pytest.mark.parametrize("split", [[9], [2, 4, 3]], ids=str)
@torch.no_grad()
def test_several_parts_and_capped_scores(split: list[int], cap: float | None) -> None:
    q = torch.randn(2, 7, HEADS, HEAD_DIM)
    keys, values = (torch.randn(2, 9, 2, HEAD_DIM).split(split, 1) for _ in range(2))
    positions, mask = torch.arange(9)[None].split(split, 1), (torch.rand(2, 1, 9) < 0.8).split(split, 2)
    parts = [Part(*given) for given in zip(keys, values, positions, mask, strict=True)]
    parts.append(Part(keys[0], values[0], None, None))  # a learned prefix stands nowhere
    bucketed = randomised(factory({**BUCKETED, "bidirectional": True}, Position)(DIM))
    pattern = Pattern(Causal(), bucketed, layout_of([[7], [5]]))
    pattern = pattern if cap is None else pattern.capped(cap)
    expected = attention(q, parts, pattern)
    with chunks_of(2) as taken:
        close(attention(q, parts, pattern), expected)
    assert taken


def test_dropout_is_drawn_again_as_it_was() -> None:
    """A chunk that is computed again for its gradients drops the same weights: values enter linearly."""
    q, keys = (torch.randn(1, 8, HEADS, HEAD_DIM, dtype=torch.float64) for _ in range(2))
    values = torch.randn(1, 8, HEADS, HEAD_DIM, dtype=torch.float64, requires_grad=True)
    pattern = Pattern(Causal(), factory(ROTARY, Position)(DIM), layout_of([[8]]))
    with chunks_of(3) as taken:
        out = attention(q, [Part(keys, values, pattern.layout.positions, None)], pattern, dropout=0.5)
    assert taken
    weights = torch.randn_like(out)
    (gradient,) = torch.autograd.grad((out * weights).sum(), values)
    close((gradient * values).sum(), (out * weights).sum(), 1e-12)


def test_weights_that_are_asked_for_are_made_whole() -> None:
    made, x = stack(mask=FULL), torch.randn(1, 8, DIM)
    with chunks_of(3) as taken:
        weights = made(x, Once(1, x.device).open(layout_of([[8]])), {}, keep_weights=("self",)).weights["self"]
    assert [one.shape for one in weights] == [(1, HEADS, 8, 8)] * 2 and not taken


def test_short_passes_are_never_cut() -> None:
    """Nor do they look at any other size: a recorded step of decoding holds for every window."""
    made = stack(mask=CAUSAL)
    with chunks_of(8) as taken:
        made(torch.randn(1, 8, DIM), Once(1, torch.device("cpu")).open(layout_of([[8]])), {})
    assert not taken
