"""Quantizations: weights of a loaded model in fewer bits, for inference."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimodal.decoding.products import Recordable
from unimodal.tables import TokenTable

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


class QuantizedLinear(nn.Module, Recordable, ABC):
    """What stands in the place of a linear map.

    Law: the tensors of its state dict have an entry for each output, so that those of several maps stand one behind the
    other in the map that `beside` gives.
    """

    out_features: int
    bias: nn.Parameter | None

    @abstractmethod
    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """The outputs, in the type of `x`."""

    @abstractmethod
    def beside(self, others: "Sequence[QuantizedLinear]") -> "QuantizedLinear":
        """One map with its outputs and, behind them, those of others of its class, made alike for the same input."""


Map = nn.Linear | QuantizedLinear


def joined_bias(maps: Sequence[Map]) -> nn.Parameter | None:
    """The biases of several maps, one behind the other; zeros for a map that has none, None where no map has one."""
    if all(each.bias is None for each in maps):
        return None
    like = next(each.bias for each in maps if each.bias is not None)
    biases = [like.new_zeros(each.out_features) if each.bias is None else each.bias for each in maps]
    return nn.Parameter(torch.cat(biases).detach(), requires_grad=like.requires_grad)


class Quantization(ABC):
    """Puts other modules in the place of linear maps and of the token table; the model does not notice.

    Laws: outputs stay close to those of the float model; a row's outputs do not depend on the other rows; a state dict
    gives the same outputs back, also to a model that was built where no tensor takes room; a step can be recorded, or
    its modules say that they cannot be.
    """

    tolerance: ClassVar[float]
    """How far the scores of a model with random weights may lie from the float model's, relative to them."""

    @abstractmethod
    def linear(self, linear: nn.Linear) -> Map:
        """What takes [*batch, in] to [*batch, out] in its place."""

    @abstractmethod
    def table(self, table: TokenTable) -> nn.Module:
        """What is called with ids and has the table's `score`, in its place."""

    def apply(self, model: "UnimodalForConditionalGeneration") -> None:
        """Replaces the token table, and the linear maps of backbone and head, one after the other.

        Pre-nets and post-nets stay as they are: they are small, and what they read and write are raw signals.
        """
        for part in (model.backbone, model.head):
            for owner in list(part.modules()):
                for name, child in owner.named_children():
                    if isinstance(child, nn.Linear):
                        setattr(owner, name, self.linear(child))
        model.embedding = cast(TokenTable, self.table(model.embedding))
