"""Attention over parts: every mixer attends through here, whatever cache the keys lie in.

b rows, t queries, s keys, h heads, g key-value heads, k width of a head
"""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from unimodal import chunks
from unimodal.layout import Layout
from unimodal.masks import Mask
from unimodal.positions import Position


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the keys and values that a query may attend to."""

    keys: Float[Tensor, "b s g k"]
    values: Float[Tensor, "b s g k"]
    positions: Int[Tensor, "#b s"] | None
    """None: they stand nowhere, so neither the mask nor the positions of a stack say anything of them."""
    mask: Bool[Tensor, "b #t s"] | None
    """What holds whatever the position: padding, packed neighbours, unseen tree nodes are False; None: all are seen."""
    rotated: bool = True
    """Whether rotary positions are in the keys already."""
    examples: Int[Tensor, "b s"] | None = None
    """The example of each key, which only queries of the same see (`Layout.segments`); None: all are seen."""
    askers: Int[Tensor, "b t"] | None = None
    """The example whose keys each query sees, where that is not its own (`Layout.reads`)."""

    def for_queries(self, span: slice) -> "Part":
        """The same, as some of the queries see it."""
        part = self if self.askers is None else replace(self, askers=self.askers[:, span])
        if part.mask is None or part.mask.shape[1] == 1:
            return part
        return replace(part, mask=part.mask[:, span])


def attend(
    q: Float[Tensor, "b t h k"],
    keys: Float[Tensor, "b s g k"],
    values: Float[Tensor, "b s g k"],
    bias: Float[Tensor, "#b #h #t s"] | None,
    *,
    cap: float | None = None,
    dropout: float = 0.0,
) -> tuple[Float[Tensor, "b t h k"], Float[Tensor, "b t h"]]:
    """Attention of scaled queries over one part, with the logarithm of its summed weights.

    A query that sees nothing gives (0, -inf). `cap` is that of `Pattern.capped`.
    """
    keys, values = (_widen(x, q.shape[2]) for x in (keys, values))
    weights, lse = _normalised(_scores(q, keys, bias, cap))
    weights = functional.dropout(weights, dropout, training=dropout > 0).to(values.dtype)
    return torch.einsum("bhts,bshk->bthk", weights, values), lse.transpose(1, 2)


def merge(
    parts: Sequence[tuple[Float[Tensor, "b t h k"], Float[Tensor, "b t h"]]],
) -> Float[Tensor, "b t h k"]:
    """The attention over all parts together, from each part's own: exact, in any order."""
    weights, _ = _normalised(torch.stack([lse for _, lse in parts], -1))
    outs = torch.stack([out for out, _ in parts], -1)
    return (outs * weights[..., None, :]).sum(-1).to(outs.dtype)


def _scores(q: Tensor, keys: Tensor, bias: Tensor | None, cap: float | None) -> Float[Tensor, "b h t s"]:
    """What the softmax is taken of; there are as many heads of keys as of queries."""
    scores = torch.einsum("bthk,bshk->bhts", q, keys)
    if cap is not None:
        scores = torch.tanh(scores / cap) * cap
    return scores if bias is None else scores + bias


def _normalised(scores: Float[Tensor, "*batch s"]) -> tuple[Float[Tensor, "*batch s"], Float[Tensor, "*batch"]]:
    """The softmax and its logarithmic total; nothing but -inf gives (0, -inf) and, unlike torch's, finite gradients.

    In float32 at least: the total of 16 bits may be off by a quarter.
    """
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    nothing = (scores == -math.inf).all(-1)
    lse = scores.masked_fill(nothing[..., None], 0).logsumexp(-1)
    return (scores - lse[..., None]).exp(), lse.masked_fill(nothing, -math.inf)


@final
class Pattern:
    """What attentions of one stack see during one pass; everything that blocks share is computed once.

    With `keep_weights`, mixers leave their attention weights [b, h, t, s] in `weights` (one entry a call, in order).
    """

    def __init__(self, mask: Mask, position: Position, layout: Layout, *, keep_weights: bool = False) -> None:
        self.position = position
        self.layout = layout
        self.weights: list[Tensor] = []
        self.keep_weights = keep_weights
        self.cap: float | None = None
        self._mask = mask
        self._shared: dict[tuple[int, ...], tuple[Part, Tensor | None]] = {}

    def capped(self, cap: float) -> "Pattern":
        """The same, all that is shared included, with products of queries and keys inside (-cap, cap): see Capped."""
        view = copy(self)
        view.cap = cap
        return view

    def for_queries(self, span: slice) -> "Pattern":
        """The same for some of the queries; what it computes is not shared."""
        view = copy(self)
        view.layout = self.layout.entries(span)
        view._shared = {}
        return view

    def rotate(self, x: Float[Tensor, "b t h k"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t h k"]:
        """Queries or keys, turned by their positions."""
        rotated: Tensor = self.position.rotate(x, positions)
        return rotated

    def bias(self, q: Float[Tensor, "b t h k"], part: Part) -> Float[Tensor, "#b #h #t s"] | None:
        """What is added to the scores of scaled queries: relative positions, and -inf where a key is hidden."""
        name = (id(part.positions), id(part.mask), id(part.examples), id(part.askers))
        if name not in self._shared:
            self._shared[name] = (part, self._bias(q, part))  # the part is kept, so that its id stays its own
        shared = self._shared[name][1]
        if part.positions is None:
            return shared
        score = self.position.score(q, self.layout.positions, part.positions)
        if score is None or shared is None:
            return shared if score is None else score
        return score + shared

    def _bias(self, q: Tensor, part: Part) -> Tensor | None:
        bias: Tensor | None = None
        visible: Tensor | None = None
        if part.positions is not None:
            bias = self.position.bias(self.layout.positions, part.positions)
            visible = self._mask.visible(self.layout.positions, part.positions, self.layout)
        if part.mask is not None:
            visible = part.mask if visible is None else visible & part.mask
        if part.examples is not None:
            asked = self.layout.segments if part.askers is None else part.askers
            same = part.examples[:, None, :] == asked[:, :, None]
            visible = same if visible is None else visible & same
        if visible is None:
            return bias
        hidden = torch.zeros((), dtype=q.dtype, device=q.device) if bias is None else bias.to(q.dtype)
        return torch.where(visible[:, None], hidden, -math.inf)


def attention(
    q: Float[Tensor, "b t h k"], parts: Sequence[Part], pattern: Pattern, *, dropout: float = 0.0
) -> Float[Tensor, "b t h k"]:
    """Scaled queries over the union of any parts: one fused kernel for a single part, an exact merge for several.

    Memory grows with queries plus keys, not with their product (see `chunks`), but where weights are kept.
    """
    if q.shape[1] <= chunks.FEWEST or pattern.keep_weights or not parts:
        return _attention(q, parts, pattern, dropout)
    length = _chunk_length(q, parts, pattern, dropout)
    if length >= q.shape[1]:
        return _attention(q, parts, pattern, dropout)
    return chunks.attend_in_chunks(
        q,
        length,
        lambda some, span: _attention(
            some, [part.for_queries(span) for part in parts], pattern.for_queries(span), dropout
        ),
    )


def _chunk_length(q: Tensor, parts: Sequence[Part], pattern: Pattern, dropout: float) -> int:
    """How many queries attend at a time. It follows from shapes, and for a step of decoding from none but `t`."""
    rows, time, heads, _ = q.shape
    scores = rows * heads * sum(part.keys.shape[1] for part in parts) * torch.float32.itemsize
    length = chunks.chunk_length(time, scores)
    if length >= time or len(parts) > 1 or dropout or pattern.cap is not None:
        return length
    # The fused kernel makes no scores, so only a bias counts: two queries show its size.
    few = slice(0, 2)
    bias = pattern.for_queries(few).bias(q[:, few], parts[0].for_queries(few))
    if bias is None or bias.shape[2] == 1:
        return time
    return length if bias.requires_grad else chunks.chunk_length(time, bias[:, :, 0].nbytes)


def _attention(q: Tensor, parts: Sequence[Part], pattern: Pattern, dropout: float) -> Tensor:
    if len(parts) == 1 and not pattern.keep_weights:
        return _fused(q, parts[0], pattern, dropout)
    if not parts:
        return torch.zeros_like(q)
    biases = [pattern.bias(q, part) for part in parts]
    rotated = [_rotated(part, pattern) for part in parts]
    if pattern.keep_weights:
        scores = [
            _scores(q, _widen(keys, q.shape[2]), bias, pattern.cap)
            for (keys, _), bias in zip(rotated, biases, strict=True)
        ]
        weights = _normalised(torch.cat(scores, -1))[0].to(q.dtype)
        pattern.weights.append(weights)
        values = torch.cat([_widen(values, q.shape[2]) for _, values in rotated], 1)
        return torch.einsum("bhts,bshk->bthk", functional.dropout(weights, dropout, dropout > 0), values)
    return merge(
        [
            attend(q, keys, values, bias, cap=pattern.cap, dropout=dropout)
            for (keys, values), bias in zip(rotated, biases, strict=True)
        ]
    )


def _fused(q: Tensor, part: Part, pattern: Pattern, dropout: float) -> Tensor:
    return _kernel(q, *_rotated(part, pattern), pattern.bias(q, part), dropout, pattern.cap)


def _kernel(q: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, dropout: float, cap: float | None) -> Tensor:
    if cap is not None:  # torch's fused kernel has no place for it
        return attend(q, keys, values, bias, cap=cap, dropout=dropout)[0]
    if torch.compiler.is_exporting() and q.shape[1] == 1 and not dropout:
        return _attend_once(q, _widen(keys, q.shape[2]), _widen(values, q.shape[2]), bias)
    out = functional.scaled_dot_product_attention(
        q.transpose(1, 2),
        _widen(keys, q.shape[2]).transpose(1, 2),
        _widen(values, q.shape[2]).transpose(1, 2),
        attn_mask=bias,
        dropout_p=dropout,
        scale=1.0,
    )
    return out.transpose(1, 2)


def _attend_once(q: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Float[Tensor, "b 1 h k"]:
    """Of a single query in each row, without products of matrices: compiled, that is three loops over keys and values.

    The fused kernel is made for many queries. For one it took 1.6 times as long (8 rows, 8 heads, 128 keys).
    """
    scores = (q.transpose(1, 2) * keys.transpose(1, 2)).sum(-1)
    weights, _ = _normalised(scores if bias is None else scores + bias[:, :, 0])
    return (weights.to(values.dtype)[..., None] * values.transpose(1, 2)).sum(2)[:, None]


def _rotated(part: Part, pattern: Pattern) -> tuple[Tensor, Tensor]:
    """A part's keys, with their positions in them, and its values."""
    if part.rotated:
        return part.keys, part.values
    assert part.positions is not None, "what stands nowhere is not rotated"
    return pattern.rotate(part.keys, part.positions), part.values


def _widen(x: Float[Tensor, "b s g k"], heads: int) -> Float[Tensor, "b s h k"]:
    """Each key-value head, repeated for the query heads that share it (Ainslie et al. 2023, 2305.13245)."""
    groups = x.shape[2]
    return x if groups == heads else x.repeat_interleave(heads // groups, dim=2)
