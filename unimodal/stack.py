"""A stack of blocks: an encoder or a decoder.

b rows, t entries, d width
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.attention import Pattern
from unimodal.block import Block
from unimodal.caches import Cache, LayerCache
from unimodal.hidden import Hidden, Memory
from unimodal.layout import Layout
from unimodal.masks import Mask
from unimodal.masks.full import Full
from unimodal.norms import Norm
from unimodal.plans import Plan
from unimodal.positions import Position
from unimodal.positions.none import NoPosition

DEEPEST = 1000
"""Blocks of the deepest stack: a config from elsewhere must not keep us building."""


@final
class Stack(nn.Module):
    """`depth` blocks between the input's norm and the final norm, run by a plan."""

    def __init__(
        self,
        dim: int,
        *,
        depth: int,
        block: Callable[[int], Block],
        mask: Mask,
        position: Callable[[int], Position],
        plan: Plan,
        input_norm: Callable[[int], Norm],
        final_norm: Callable[[int], Norm],
    ) -> None:
        super().__init__()
        if not 0 <= depth <= DEEPEST:
            raise ValueError(f"depth: a stack has 0 to {DEEPEST} blocks, not {depth}")
        self.mask = mask
        self.plan = plan
        self.position = position(dim)
        self.memory_mask, self.memory_position = Full(), NoPosition(dim)  # a memory is read whole, wherever one stands
        self.input_norm = input_norm(dim)
        self.blocks = nn.ModuleList([block(dim) for _ in range(depth)])
        self.final_norm = final_norm(dim)
        self.gradient_checkpointing = False  # transformers sets this and the function below
        self._gradient_checkpointing_func: Callable[..., Any] | None = None

    def forward(
        self,
        embeds: Float[Tensor, "b t d"],
        layout: Layout,
        cache: Cache,
        memories: Mapping[str, Memory],
        *,
        keep_weights: Collection[str] = (),
    ) -> Hidden:
        """All intermediates of one pass; weights of the attentions named in `keep_weights`, `self` or a memory."""
        x = self.input_norm(self.position.add(embeds, layout.positions))
        run = _Pass(self, layout, cache, memories, keep_weights)
        run.layers.append(x)
        x, layout = self.plan.forward(x, layout, run)
        return Hidden(embeds, tuple(run.layers), self.final_norm(x), layout, run.weights())


@final
class _Pass:
    """What a plan runs blocks with during one pass: patterns shared by all blocks, a cache's view for each depth."""

    def __init__(
        self, stack: Stack, layout: Layout, cache: Cache, memories: Mapping[str, Memory], keep_weights: Collection[str]
    ) -> None:
        self.num_blocks = len(stack.blocks)
        self.layers: list[Tensor] = []
        self._stack = stack
        self._cache = cache
        self._memories = memories
        self._keep_weights = keep_weights
        self._patterns: dict[int, dict[str, Pattern]] = {}

    def __call__(self, block: int, x: Tensor, layout: Layout, depth: int) -> Tensor:
        module, view = self._stack.blocks[block], LayerCache(self._cache, depth)
        checkpoint = self._stack._gradient_checkpointing_func
        if self._stack.gradient_checkpointing and self._stack.training and not self._keep_weights and checkpoint:
            # What blocks share belongs to the graph of one of them, so a block that is computed again makes its own.
            x = checkpoint(lambda inner: module(inner, layout, self._fresh(layout), view, self._memories), x)
        else:
            if id(layout) not in self._patterns:
                self._patterns[id(layout)] = self._fresh(layout)
            x = module(x, layout, self._patterns[id(layout)], view, self._memories)
        self.layers.append(x)
        return x

    def _fresh(self, layout: Layout) -> dict[str, Pattern]:
        stack, keep = self._stack, self._keep_weights
        patterns = {"self": Pattern(stack.mask, stack.position, layout, keep_weights="self" in keep)}
        for name in self._memories:
            patterns[name] = Pattern(stack.memory_mask, stack.memory_position, layout, keep_weights=name in keep)
        return patterns

    def weights(self) -> dict[str, tuple[Tensor, ...]]:
        """The attention weights that the patterns of the whole pass collected."""
        found: dict[str, tuple[Tensor, ...]] = {}
        for patterns in self._patterns.values():
            for name, pattern in patterns.items():
                found[name] = found.get(name, ()) + tuple(pattern.weights)
        return found
