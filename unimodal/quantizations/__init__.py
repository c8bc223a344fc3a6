"""Quantizations: weights of a loaded model in fewer bits, for inference."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, cast

from torch import nn

from unimodal.tables import TokenTable

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


class Quantization(ABC):
    """Puts other modules in the place of linear maps and of the token table; the model does not notice.

    Laws: outputs stay close to those of the float model; a row's outputs do not depend on the other rows; a state dict
    gives the same outputs back, also to a model that was built where no tensor takes room.
    """

    @abstractmethod
    def linear(self, linear: nn.Linear) -> nn.Module:
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
