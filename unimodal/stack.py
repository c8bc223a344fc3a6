"""A stack of blocks: an encoder or a decoder.

b rows, t entries, d width
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar, cast, final

from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.attention import Pattern
from unimodal.block import Block
from unimodal.caches import LayerCache, Opening
from unimodal.hidden import Hidden, MemoryView
from unimodal.layout import Layout
from unimodal.masks import Mask
from unimodal.masks.full import Full
from unimodal.norms import Norm
from unimodal.plans import Plan
from unimodal.positions import Position
from unimodal.positions.none import NoPosition

Turn = TypeVar("Turn")
DEEPEST = 1000
"""Blocks of the deepest stack: a config from elsewhere must not keep us building."""


@final
class Stack(nn.Module):
    """`depth` blocks between the input's norm and the final norm, run by a plan.

    Several masks or positions are taken in turn by the blocks (sliding window and full; a bias of one's own). What is
    added to the input are the first one's positions.
    """

    def __init__(
        self,
        dim: int,
        *,
        depth: int,
        block: Callable[[int], Block],
        mask: Mask | Sequence[Mask],
        position: Callable[[int], Position] | Sequence[Callable[[int], Position]],
        plan: Plan,
        input_norm: Callable[[int], Norm],
        final_norm: Callable[[int], Norm],
    ) -> None:
        super().__init__()
        if not 0 <= depth <= DEEPEST:
            raise ValueError(f"depth: a stack has 0 to {DEEPEST} blocks, not {depth}")
        self.masks = _several("mask", mask)
        self.plan = plan
        self.position, *others = (make(dim) for make in _several("position", position))
        self.other_positions = nn.ModuleList(others)
        self.memory_mask, self.memory_position = Full(), NoPosition(dim)  # a memory is read whole, wherever one stands
        self.input_norm = input_norm(dim)
        self.blocks = nn.ModuleList([block(dim) for _ in range(depth)])
        self.final_norm = final_norm(dim)
        self.gradient_checkpointing = False  # transformers sets this and the function below
        self._gradient_checkpointing_func: Callable[..., Any] | None = None

    @property
    def positions(self) -> list[Position]:
        """Those that blocks take in turn."""
        return [self.position, *(cast(Position, other) for other in self.other_positions)]

    @property
    def reads(self) -> frozenset[str]:
        """The memories that its blocks read."""
        return frozenset(memory for block in self.blocks for memory in cast(Block, block).reads)

    def check_length(self, positions: Int[Tensor, "#b t"]) -> None:
        """Raises ValueError for positions behind the last that the stack has learned."""
        self.position.check_length(positions)

    def forward(
        self,
        embeds: Float[Tensor, "b t d"],
        opening: Opening,
        memories: Mapping[str, MemoryView],
        *,
        keep_weights: Collection[str] = (),
    ) -> Hidden:
        """All intermediates of one pass; weights of the attentions named in `keep_weights`, `self` or a memory."""
        layout = opening.layout
        x = self.input_norm(self.position.add(embeds, layout.positions))
        run = _Pass(self, opening, memories, keep_weights)
        run.layers.append(x)
        x, layout = self.plan.forward(x, layout, run)
        return Hidden(embeds, tuple(run.layers), self.final_norm(x), layout, run.weights())


@final
class _Pass:
    """What a plan runs blocks with during one pass: patterns shared by all blocks, a cache's view for each depth."""

    def __init__(
        self, stack: Stack, opening: Opening, memories: Mapping[str, MemoryView], keep_weights: Collection[str]
    ) -> None:
        self.num_blocks = len(stack.blocks)
        self.layers: list[Tensor] = []
        self._stack = stack
        self._opening = opening
        self._memories = memories
        self._keep_weights = keep_weights
        self._patterns: dict[tuple[int, str, int], Pattern] = {}
        self._weights: dict[str, list[Tensor]] = {}
        self._turns = math.lcm(len(stack.masks), len(stack.positions))

    def __call__(self, block: int, x: Tensor, layout: Layout, depth: int) -> Tensor:
        module, view = self._stack.blocks[block], LayerCache(self._opening, depth)
        checkpoint = self._stack._gradient_checkpointing_func
        if self._stack.gradient_checkpointing and self._stack.training and not self._keep_weights and checkpoint:
            # What blocks share belongs to the graph of one of them, so a block that is computed again makes its own.
            x = checkpoint(
                lambda inner: module(inner, layout, self._seen(self._fresh, layout, block), view, self._memories), x
            )
        else:
            x = module(x, layout, self._seen(self._shared, layout, block), view, self._memories)
        self.layers.append(x)
        return x

    def _seen(self, pattern: Callable[[Layout, str, int], Pattern], layout: Layout, block: int) -> dict[str, Pattern]:
        turn = block % self._turns
        return {"self": pattern(layout, "self", turn), **{name: pattern(layout, name, 0) for name in self._memories}}

    def _shared(self, layout: Layout, name: str, turn: int) -> Pattern:
        if (id(layout), name, turn) not in self._patterns:
            self._patterns[id(layout), name, turn] = self._fresh(layout, name, turn)
        return self._patterns[id(layout), name, turn]

    def _fresh(self, layout: Layout, name: str, turn: int) -> Pattern:
        masks, positions = self._stack.masks, self._stack.positions
        mask, position = masks[turn % len(masks)], positions[turn % len(positions)]
        if name != "self":
            mask, position = self._stack.memory_mask, self._stack.memory_position
        pattern = Pattern(mask, position, layout, keep_weights=name in self._keep_weights)
        pattern.weights = self._weights.setdefault(name, [])  # in the order of the blocks, whatever their turn
        return pattern

    def weights(self) -> dict[str, tuple[Tensor, ...]]:
        """The attention weights that the patterns of the whole pass collected."""
        return {name: tuple(weights) for name, weights in self._weights.items()}


def _several(name: str, given: Turn | Sequence[Turn]) -> list[Turn]:
    several = list(given) if isinstance(given, Sequence) else [given]
    if not several:
        raise ValueError(f"{name}: blocks need at least one to take")
    return several
