"""A memory as it is."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, final

from jaxtyping import Float
from torch import Tensor

from unimodal.feeds import Feed
from unimodal.hidden import Memory
from unimodal.layout import Layout

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@final
class Whole(Feed):
    """All entries of one memory."""

    def __init__(self, memory: str) -> None:
        self.memory = memory

    def needs(self, model: "UnimodalForConditionalGeneration") -> Collection[str]:
        return (self.memory,)

    def entries(
        self, memories: Mapping[str, Memory], model: "UnimodalForConditionalGeneration"
    ) -> tuple[Float[Tensor, "b t d"], Layout]:
        memory = memories[self.memory]
        return memory.hidden, memory.layout
