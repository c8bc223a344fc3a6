"""Every position of the folder: only positions matter; relative ones are the same wherever a sequence starts."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.models.m2m_100.modeling_m2m_100 import M2M100SinusoidalPositionalEmbedding
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding
from transformers.models.t5.modeling_t5 import T5Attention

from tests.laws.parts import ARGUMENTS, DIM, HEAD_DIM, HEADS, close, factory, final_classes, label, randomised, specs
from unimodal.positions import Position
from unimodal.positions.bucketed import bucket

every_position = pytest.mark.parametrize("spec", specs("unimodal.positions"), ids=label)
B, T, S = 2, 6, 9


def made(spec: Any) -> Position:
    position: Position = randomised(factory(spec, Position)(DIM)).double()
    return position


def scores(position: Position, q: Tensor, keys: Tensor, at: Tensor, of: Tensor) -> Tensor:
    """All that a stack adds up: the product of turned queries and keys, the shared bias, the query's own term."""
    total = torch.einsum("bthk,bshk->bhts", position.rotate(q, at), position.rotate(keys, of))
    for term in (position.bias(at, of), position.score(q, at, of)):
        total = total if term is None else total + term
    return total


def is_absolute(position: Position) -> bool:
    x = torch.zeros(1, 1, DIM, dtype=torch.float64)
    return bool(position.add(x, torch.tensor([[3]])).any())


@pytest.fixture
def inputs() -> tuple[Tensor, ...]:
    """x, q, keys, the queries' positions and the keys': in no order, with repetitions, other in every row."""
    x = torch.randn(B, T, DIM, dtype=torch.float64)
    q, keys = (torch.randn(B, n, HEADS, HEAD_DIM, dtype=torch.float64) for n in (T, S))
    return x, q, keys, torch.randint(0, 12, (B, T)), torch.randint(0, 12, (B, S))


def test_every_position_of_the_folder_is_tried_here() -> None:
    assert [name for name in final_classes("unimodal.positions", Position) if name not in ARGUMENTS] == []


@every_position
def test_only_positions_matter_never_the_slot(spec: Any, inputs: tuple[Tensor, ...]) -> None:
    position, (x, q, keys, at, of) = made(spec), inputs
    query_order, key_order = torch.randperm(T), torch.randperm(S)
    close(position.add(x, at)[:, query_order], position.add(x[:, query_order], at[:, query_order]), 1e-14)
    expected = scores(position, q, keys, at, of)[:, :, query_order][..., key_order]
    moved = scores(position, q[:, query_order], keys[:, key_order], at[:, query_order], of[:, key_order])
    close(moved, expected, 1e-14)


@every_position
def test_a_row_is_by_itself_and_may_share_its_positions(spec: Any, inputs: tuple[Tensor, ...]) -> None:
    position, (x, q, keys, at, of) = made(spec), inputs
    both, sums = scores(position, q, keys, at, of), position.add(x, at)
    for row in range(B):
        one = slice(row, row + 1)
        close(both[one], scores(position, q[one], keys[one], at[one], of[one]), 1e-14)
        close(sums[one], position.add(x[one], at[one]), 1e-14)
    shared, written_out = (
        scores(position, q, keys, a, b) for a, b in ((at[:1], of[:1]), (at[:1].expand(B, T), of[:1].expand(B, S)))
    )
    close(shared, written_out, 1e-14)
    close(position.add(x, at[:1]), position.add(x, at[:1].expand(B, T)), 1e-14)


@every_position
def test_relative_positions_do_not_change_where_a_sequence_starts(spec: Any, inputs: tuple[Tensor, ...]) -> None:
    position, (x, q, keys, at, of) = made(spec), inputs
    shifted = scores(position, q, keys, at + 17, of + 17)
    # A rotation's angles are computed in float32.
    close(shifted, scores(position, q, keys, at, of), 1e-5)
    if is_absolute(position):
        assert (position.add(x, at) - position.add(x, at + 17)).abs().max() > 0.01


@every_position
def test_positions_tell_entries_apart(spec: Any) -> None:
    """Two sequences of the same entries in another order differ, somewhere."""
    if spec["class"].endswith("NoPosition"):
        return
    position, entry = made(spec), torch.randn(1, 1, HEADS, HEAD_DIM, dtype=torch.float64)
    at = torch.arange(6)[None]
    found = scores(position, entry.expand(1, 6, -1, -1), entry.expand(1, 6, -1, -1), at, at)
    x = position.add(torch.zeros(1, 6, DIM, dtype=torch.float64), at)
    assert (found[0, :, 5, 1:6].std(-1) > 1e-6).all() or (torch.pdist(x[0]) > 1e-6).all()


@every_position
def test_every_parameter_is_learned(spec: Any, inputs: tuple[Tensor, ...]) -> None:
    position, (x, q, keys, at, of) = made(spec), inputs
    loss = scores(position, q, keys, at, of).square().sum() + position.add(x, at).square().sum()
    parameters = dict(position.named_parameters())
    for gradient in torch.autograd.grad(loss, list(parameters.values())) if parameters else ():
        assert gradient.any() and torch.isfinite(gradient).all()


@every_position
def test_no_length_is_too_long_but_a_learned_one(spec: Any) -> None:
    position, far = made(spec), torch.tensor([[1_000_000]])
    x, q = torch.zeros(1, 1, DIM, dtype=torch.float64), torch.zeros(1, 1, HEADS, HEAD_DIM, dtype=torch.float64)
    if spec["class"].endswith("Learned"):
        assert position.limit == 64
        position.add(x, torch.tensor([[63]]))
    else:
        assert position.limit is None
        assert torch.isfinite(position.add(x, far)).all()
        assert torch.isfinite(scores(position, q, q, far, far)).all()


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("num_buckets", "longest"), [(32, 128), (8, 20), (16, 9)])
def test_buckets_are_those_of_t5(bidirectional: bool, num_buckets: int, longest: int) -> None:
    distance = torch.arange(-300, 301)
    expected = T5Attention._relative_position_bucket(
        distance, bidirectional=bidirectional, num_buckets=num_buckets, max_distance=longest
    )
    found = bucket(distance, num_buckets=num_buckets, longest=longest, bidirectional=bidirectional)
    assert torch.equal(found, expected)


def test_clipped_scores_are_products_with_the_vector_of_the_distance(inputs: tuple[Tensor, ...]) -> None:
    position, (_, q, _, at, of) = (
        made({"class": "unimodal.positions.clipped.Clipped", "head_dim": HEAD_DIM, "longest": 3}),
        inputs,
    )
    found = position.score(q, at, of)
    for b, t, s in torch.cartesian_prod(torch.arange(B), torch.arange(T), torch.arange(S)).tolist():
        row = min(max(int(at[b, t] - of[b, s]), -3), 2) + 3
        close(found[b, :, t, s], q[b, t] @ position.table.weight[row], 1e-12)


def test_rotary_turns_pairs_as_complex_numbers(inputs: tuple[Tensor, ...]) -> None:
    position, (_, q, _, at, _) = made("unimodal.positions.rotary.Rotary"), inputs
    pairs = torch.complex(q[..., : HEAD_DIM // 2], q[..., HEAD_DIM // 2 :])
    rates = torch.tensor([10000.0 ** (-2 * i / HEAD_DIM) for i in range(HEAD_DIM // 2)], dtype=torch.float64)
    turned = pairs * torch.exp(1j * at[..., None, None] * rates)
    close(position.rotate(q, at), torch.cat([turned.real, turned.imag], -1), 1e-6)


def test_sinusoids_are_those_of_the_paper(inputs: tuple[Tensor, ...]) -> None:
    position, (x, _, _, at, _) = made("unimodal.positions.sinusoidal.Sinusoidal"), inputs
    wave: list[Callable[[float], float]] = [math.sin, math.cos]
    for b, t, i in torch.cartesian_prod(torch.arange(B), torch.arange(T), torch.arange(DIM)).tolist():
        angle = float(at[b, t]) / 10000 ** (2 * (i // 2) / DIM)
        expected = x[b, t, i] + position.size[0] * wave[i % 2](angle)
        close(position.add(x, at)[b, t, i], expected)


def test_sines_and_cosines_are_those_of_marian_and_of_fairseq() -> None:
    at, x = torch.tensor([[0, 1, 7, 1000]]), torch.zeros(1, 4, DIM, dtype=torch.float64)
    marian = MarianSinusoidalPositionalEmbedding(1001, DIM).create_weight()[at]
    close(made("unimodal.positions.sine_cosine.SineCosine").add(x, at).float(), marian, 1e-7)
    fairseq = M2M100SinusoidalPositionalEmbedding.get_embedding(1003, DIM, padding_idx=1)[at + 2]
    spec = {"class": "unimodal.positions.sine_cosine.SineCosine", "offset": 2, "inclusive": True}
    close(made(spec).add(x, at).float(), fairseq, 1e-4)  # theirs multiplies 1000 by rates in float32


def test_sines_and_cosines_need_two_of_each() -> None:
    for dim in (2, 7):
        with pytest.raises(ValueError, match=f"dim: sinusoids need an even width from 4 on, not {dim}"):
            factory("unimodal.positions.sine_cosine.SineCosine", Position)(dim)


def test_rotary_needs_pairs() -> None:
    with pytest.raises(ValueError, match="head_dim: rotary positions turn pairs of columns, and 3 is odd"):
        made("unimodal.positions.rotary.Rotary").rotate(torch.zeros(1, 1, 1, 3), torch.zeros(1, 1, dtype=torch.long))
