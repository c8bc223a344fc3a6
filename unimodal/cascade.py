"""Encoders behind the first, each of which reads what was encoded before it (cascaded encoders).

b rows, t entries, d width of the memories
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, cast, final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.caches.once import Once
from unimodal.feeds import Feed
from unimodal.feeds.whole import Whole
from unimodal.hidden import Hidden, Memory
from unimodal.stack import Stack

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

FIRST = "encoder"
"""The memory that the first encoder makes."""


@final
class Cascaded:
    """An encoder of a cascade: the name of the memory that it makes, and what it reads: the memory before its own."""

    def __init__(self, name: str, *, stack: Callable[[int], Stack], feed: Feed | None = None) -> None:
        self.name = name
        self.stack = stack
        self.feed = feed


@final
class Cascade(nn.Module):
    """The encoders of a model but the first, in their order; often none."""

    def __init__(self, dim: int, encoders: Sequence[Cascaded]) -> None:
        super().__init__()
        self.names = tuple(each.name for each in encoders)
        if len({FIRST, "self", *self.names}) < len(self.names) + 2:
            raise ValueError(
                f"cascade: names are distinct, and none is {FIRST} or self, unlike {', '.join(self.names)}"
            )
        self.stacks = nn.ModuleDict({each.name: each.stack(dim) for each in encoders})
        before = (FIRST, *self.names)
        self._feeds = {
            each.name: Whole(memory) if each.feed is None else each.feed
            for each, memory in zip(encoders, before, strict=False)
        }

    def check(self, model: "UnimodalForConditionalGeneration") -> None:
        """Raises ValueError where an encoder would have to read what is not there yet."""
        made = [FIRST]
        for name, feed in self._feeds.items():
            for needed in sorted(feed.needs(model)):
                if needed not in made:
                    raise ValueError(f"cascade: {name} reads {needed}, and there are only {', '.join(made)} before it")
            made.append(name)

    def forward(
        self,
        memories: Mapping[str, Memory],
        wanted: Collection[str] | None,
        model: "UnimodalForConditionalGeneration",
        *,
        keep_weights: Collection[str] = (),
    ) -> tuple[dict[str, Hidden], dict[str, Memory]]:
        """(intermediates by memory, all memories): what is `wanted` and what that needs, None: all of it."""
        needed = set(self.names if wanted is None else wanted)
        for name in reversed(self.names):
            needed |= set(self._feeds[name].needs(model)) if name in needed else set()
        hiddens: dict[str, Hidden] = {}
        made = dict(memories)
        for name in self.names:
            if name in needed:
                embeds, layout = self._feeds[name].entries(made, model)
                stack = cast(Stack, self.stacks[name])
                stack.check_length(layout.positions)
                opening = Once(embeds.shape[0], embeds.device).open(layout)
                hiddens[name] = stack(embeds, opening, {}, keep_weights=keep_weights)
                made[name] = Memory(name, hiddens[name].last, hiddens[name].layout)
        return hiddens, made

    def ended(self, name: str, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """The output of an encoder that ends with a block whose output is given."""
        normed: Tensor = cast(Stack, self.stacks[name]).final_norm(x)
        return normed
