"""`attend` and `merge` against one dense softmax; the fused kernel against both.

b rows, t queries, s keys, h heads, g key-value heads, k width of a head
"""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from tests.laws.parts import HEAD_DIM, HEADS, close, factory, label, layout_of, randomised, specs
from unimodal.attention import Part, Pattern, attend, attention, merge
from unimodal.masks.causal import Causal
from unimodal.masks.full import Full
from unimodal.positions import Position
from unimodal.positions.none import NoPosition

B, T, S = 3, 4, 9
SPLITS = [[9], [1, 8], [4, 5], [1] * 9, [3, 3, 3], [8, 1]]
GROUPS = [HEADS, 2, 1]


def dense(q: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """One query, one head at a time; a query that sees nothing gives zeros."""
    repeat = q.shape[2] // keys.shape[2]
    out = []
    for b in range(q.shape[0]):
        for t in range(q.shape[1]):
            for h in range(q.shape[2]):
                scores = keys[b, :, h // repeat] @ q[b, t, h] + bias[b, h, t]
                seen = scores > -math.inf
                weights = torch.exp(scores[seen] - scores[seen].max()) if seen.any() else scores[seen]
                out.append((weights / weights.sum()) @ values[b, seen, h // repeat])
    return torch.stack(out).reshape(*q.shape[:3], values.shape[-1])


@pytest.fixture
def case(device: torch.device, request: pytest.FixtureRequest) -> tuple[Tensor, ...]:
    """q, keys, values, bias in float64; some keys are hidden, and row 0 of the batch's first query sees nothing."""
    groups = getattr(request, "param", HEADS)
    shapes = [(B, T, HEADS, HEAD_DIM), (B, S, groups, HEAD_DIM), (B, S, groups, HEAD_DIM), (B, HEADS, T, S)]
    q, keys, values, bias = (torch.randn(shape, dtype=torch.float64, device=device) for shape in shapes)
    bias[torch.rand(B, 1, T, S, device=device).expand_as(bias) < 0.4] = -math.inf
    bias[0, :, 0] = -math.inf
    bias[1, :, 1, :-1] = -math.inf
    return tuple(x.requires_grad_() for x in (q, keys, values)) + (bias,)


def gradients(out: Tensor, *inputs: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 2, out.numel(), dtype=out.dtype, device=out.device).reshape(out.shape)
    return list(torch.autograd.grad((out * weights).sum(), inputs))


def parts_of(keys: Tensor, values: Tensor, bias: Tensor, split: list[int]) -> Iterator[tuple[Tensor, ...]]:
    begin = 0
    for size in split:
        yield keys[:, begin : begin + size], values[:, begin : begin + size], bias[..., begin : begin + size]
        begin += size


@pytest.mark.parametrize("split", SPLITS, ids=str)
@pytest.mark.parametrize("case", GROUPS, indirect=True)
def test_any_split_of_the_keys_is_one_dense_attention(case: tuple[Tensor, ...], split: list[int]) -> None:
    q, keys, values, bias = case
    expected = dense(q, keys, values, bias)
    found = merge([attend(q, *part) for part in parts_of(keys, values, bias, split)])
    close(found, expected, 1e-12)
    for ours, reference in zip(gradients(found, q, keys, values), gradients(expected, q, keys, values), strict=True):
        close(ours, reference, 1e-12)


def test_the_order_of_the_parts_does_not_matter(case: tuple[Tensor, ...]) -> None:
    q, keys, values, bias = case
    parts = [attend(q, *part) for part in parts_of(keys, values, bias, [2, 4, 3])]
    close(merge(parts[::-1]), merge(parts), 1e-14)


def test_the_sum_of_weights_is_told(case: tuple[Tensor, ...]) -> None:
    q, keys, values, bias = case
    _, lse = attend(q, keys, values, bias)
    scores = torch.einsum("bthk,bshk->bhts", q, keys) + bias
    close(lse.exp(), scores.exp().sum(-1).transpose(1, 2), 1e-12)


def test_a_query_that_sees_nothing_gives_nothing(case: tuple[Tensor, ...]) -> None:
    q, keys, values, bias = case
    hidden = torch.full_like(bias, -math.inf)
    out, lse = attend(q, keys, values, hidden)
    assert not out.any() and (lse == -math.inf).all()
    merged = merge([(out, lse), (out, lse)])
    assert not merged.any()
    for gradient in gradients(merged, q, keys, values):
        assert not gradient.any() and torch.isfinite(gradient).all()
    seen = attend(q, keys, values, bias)
    close(merge([(out, lse), seen]), seen[0], 1e-14)


def test_no_bias_is_a_bias_of_zeros(case: tuple[Tensor, ...]) -> None:
    q, keys, values, bias = case
    close(attend(q, keys, values, None)[0], dense(q, keys, values, torch.zeros_like(bias)), 1e-12)


def part_list(keys: Tensor, values: Tensor, mask: Tensor, split: list[int], **changes: object) -> list[Part]:
    positions = torch.arange(S, device=keys.device)[None]
    spans = [slice(sum(split[:i]), sum(split[: i + 1])) for i in range(len(split))]
    return [Part(keys[:, at], values[:, at], positions[:, at], mask[:, :, at], **changes) for at in spans]


def pattern(device: torch.device, *, causal: bool, position: Position | None = None, keep: bool = False) -> Pattern:
    layout = layout_of([[T]] * B, positions=torch.tensor([[2, 5, 0, 8]])).to(device)
    return Pattern(Causal() if causal else Full(), position or NoPosition(1), layout, keep_weights=keep)


@pytest.mark.parametrize("position", specs("unimodal.positions"), ids=label)
@pytest.mark.parametrize("case", GROUPS, indirect=True)
@pytest.mark.parametrize("causal", [False, True])
def test_the_fused_kernel_equals_any_list_of_parts(
    device: torch.device, case: tuple[Tensor, ...], position: dict, causal: bool
) -> None:
    q, keys, values, bias = case
    mask = bias[:, 0] > -math.inf
    placed = randomised(factory(position, Position)(8)).double().to(device)
    fused = attention(q, part_list(keys, values, mask, [S]), pattern(device, causal=causal, position=placed))
    split = attention(q, part_list(keys, values, mask, [2, 4, 3]), pattern(device, causal=causal, position=placed))
    kept = pattern(device, causal=causal, position=placed, keep=True)
    explicit = attention(q, part_list(keys, values, mask, [S]), kept)
    inputs = [
        q,
        keys,
        values,
        *(p for p in placed.parameters() if not position["class"].endswith(("Learned", "Sinusoidal"))),
    ]
    reference = torch.autograd.grad((fused * fused).sum(), inputs, allow_unused=True)
    for other in (split, explicit):
        close(other, fused, 1e-12)
        found = torch.autograd.grad((other * other).sum(), inputs, allow_unused=True)
        for ours, theirs in zip(found, reference, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                close(ours, theirs, 1e-11)
    (weights,) = kept.weights
    assert torch.isfinite(weights).all()
    wide = values.repeat_interleave(HEADS // values.shape[2], 2)
    close(torch.einsum("bhts,bshk->bthk", weights, wide), fused, 1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("split", [[S], [4, 5]], ids=str)
def test_a_row_that_sees_nothing_is_zero_and_finite_both_ways(
    device: torch.device, dtype: torch.dtype, split: list[int]
) -> None:
    q, keys, values = (
        torch.randn(B, n, HEADS, HEAD_DIM, dtype=dtype, device=device, requires_grad=True) for n in (T, S, S)
    )
    mask = torch.rand(B, T, S, device=device) < 0.7
    mask[0], mask[1, 2] = False, False
    mask[2, :, 0] = True
    out = attention(q, part_list(keys, values, mask, split), pattern(device, causal=False))
    assert torch.isfinite(out).all() and not out[0].any() and not out[1, 2].any() and out[2].any()
    for gradient in torch.autograd.grad(out.float().square().sum(), [q, keys, values]):
        assert torch.isfinite(gradient).all() and not gradient[0].any() and gradient[2].any()


def test_no_part_at_all_gives_zeros(device: torch.device, case: tuple[Tensor, ...]) -> None:
    assert not attention(case[0], [], pattern(device, causal=True)).any()


def test_keys_that_are_not_rotated_yet_are_rotated_by_their_positions(
    device: torch.device, case: tuple[Tensor, ...]
) -> None:
    q, keys, values, bias = case
    rotary = factory("unimodal.positions.rotary.Rotary", Position)(8)
    mask, positions = bias[:, 0] > -math.inf, torch.arange(S, device=device)[None]
    late = part_list(keys, values, mask, [4, 5], rotated=False)
    early = part_list(rotary.rotate(keys, positions), values, mask, [S])
    patterns = [pattern(device, causal=True, position=rotary) for _ in range(2)]
    close(attention(q, late, patterns[0]), attention(q, early, patterns[1]), 1e-6)


def test_dropout_reaches_every_path(device: torch.device, case: tuple[Tensor, ...]) -> None:
    """In training the weights that are kept are those before dropout, and outputs are dropped whatever is kept."""
    q, keys, values, bias = case
    mask = bias[:, 0] > -math.inf
    for keep in (False, True):
        for split in ([S], [4, 5]):
            plain, dropped = (
                attention(
                    q, part_list(keys, values, mask, split), pattern(device, causal=False, keep=keep), dropout=rate
                )
                for rate in (0.0, 0.5)
            )
            assert (plain - dropped).abs().max() > 1e-3


@pytest.mark.parametrize("case", GROUPS, indirect=True)
def test_a_cap_bends_products_and_leaves_masks_alone(device: torch.device, case: tuple[Tensor, ...]) -> None:
    """Whichever way leads to the scores; without a cap the same pattern attends as before."""
    q, keys, values, bias = case
    mask, cap = bias[:, 0] > -math.inf, 0.7
    repeat = HEADS // keys.shape[2]
    wide = [x.repeat_interleave(repeat, 2) for x in (keys, values)]
    products = torch.einsum("bthk,bshk->bhts", q, wide[0])
    scores = (cap * torch.tanh(products / cap)).masked_fill(~mask[:, None], -math.inf)
    weights = scores.softmax(-1).nan_to_num(0)  # a query that sees nothing
    expected = torch.einsum("bhts,bshk->bthk", weights, wide[1])
    plain, kept = pattern(device, causal=False), pattern(device, causal=False, keep=True)
    for split, seen in (([S], plain), ([2, 4, 3], plain), ([S], kept)):
        found = attention(q, part_list(keys, values, mask, split), seen.capped(cap))
        close(found, expected, 1e-12)
        assert (attention(q, part_list(keys, values, mask, split), seen) - found).abs().max() > 1e-3
    close(kept.weights[0], weights, 1e-12)


def test_sixteen_bits_attend_as_thirty_two(device: torch.device) -> None:
    """The total of large scores is taken in float32."""
    q, keys, values = (torch.randn(2, n, 4, 16, device=device) for n in (3, 40, 40))
    narrow = [x.bfloat16() for x in (q * 12, keys, values)]
    expected = attend(*(x.float() for x in narrow), None)[0]
    found = attend(*narrow, None)[0]
    assert found.dtype == torch.bfloat16
    close(found.float(), expected, 0.03)
