"""Several feeds, one behind the other in each row."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.feeds import Feed
from unimodal.hidden import Memory
from unimodal.layout import Layout

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@final
class Beside(Feed):
    """The entries of all feeds, each with the positions that it had: attention tells them apart by what they hold."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        if not feeds:
            raise ValueError("feeds: there is none")
        self.feeds = tuple(feeds)

    def needs(self, model: "UnimodalForConditionalGeneration") -> Collection[str]:
        return {memory for feed in self.feeds for memory in feed.needs(model)}

    def entries(
        self, memories: Mapping[str, Memory], model: "UnimodalForConditionalGeneration"
    ) -> tuple[Float[Tensor, "b t d"], Layout]:
        embeds, layouts = zip(*(feed.entries(memories, model) for feed in self.feeds), strict=True)
        rows = embeds[0].shape[0]

        def joined(name: str) -> Tensor:
            return torch.cat([vars(layout)[name].expand(rows, -1) for layout in layouts], 1)

        fields = {name: joined(name) for name in ("positions", "valid", "segments", "kinds", "prefix")}
        together = torch.cat(embeds, 1)
        index = torch.arange(together.shape[1], device=together.device)[None]
        return together, replace(layouts[0], **fields, index=index)
