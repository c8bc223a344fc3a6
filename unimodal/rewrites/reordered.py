"""Weights in the order in which oneDNN's kernels read them, a copy beside the originals.

torch's own products of few rows go through MKL, which on some processors reads weights at a third of the memory's
speed and on one thread only. oneDNN's blocked weights took 3.0 ms where that took 7.7 for one row and a vocabulary of
32,128, and 3.5 against 11.8 ms for eight (`scripts/bench_int8.py --only kernels`).

n tokens, d width, v vocabulary
"""

from typing import TYPE_CHECKING, cast, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.decoding.products import Multiplier, Recordable, offer, recorded_product
from unimodal.rewrites import Report, Rewrite
from unimodal.tables import TokenTable

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

ROWS = 8
"""Tokens that the order is chosen for: blocks for so many are as quick for one, and far quicker for 32 than the other
way round."""


@final
class Reordered(Rewrite):
    """Of all linear maps of backbone and head, and of a tied head's token table. Takes as much memory again.

    For inference in float32 on a processor; gradients, other types and devices go the usual way.
    """

    def apply(self, model: "UnimodalForConditionalGeneration") -> Report:
        if not torch.backends.mkldnn.is_available():
            raise ValueError("rewrites: this torch was built without oneDNN, so weights cannot be put in its order")
        replaced = []
        for path, part in (("backbone", model.backbone), ("head", model.head)):
            for name, owner in list(part.named_modules()):
                for child_name, child in owner.named_children():
                    if type(child) is nn.Linear:
                        setattr(owner, child_name, ReorderedLinear(child))
                        replaced.append(".".join(filter(None, (path, name, child_name))))
        if type(model.embedding) is TokenTable:
            model.embedding = cast(TokenTable, ReorderedTable(model.embedding))
            replaced.append("embedding")
        return Report(tuple(replaced))


@final
class ReorderedLinear(nn.Module, Recordable):
    """A linear map with the weight and the bias that it was given."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self._product = _Product()

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n out"]:
        return self._product(x, self.weight, self.bias)

    def prepare_recording(self) -> None:
        self._product.prepare(self.weight)


@final
class ReorderedTable(nn.Module, Recordable):
    """A token table; read backwards from its copy."""

    def __init__(self, table: TokenTable) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = table.num_embeddings, table.embedding_dim
        self.weight = table.weight
        self._product = _Product()

    def forward(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n d"]:
        return nn.functional.embedding(ids, self.weight)

    def score(self, hidden: Float[Tensor, "*n d"], bias: Float[Tensor, " v"] | None = None) -> Float[Tensor, "*n v"]:
        """As TokenTable's."""
        return self._product(hidden, self.weight, bias)

    def prepare_recording(self) -> None:
        self._product.prepare(self.weight)


@final
class _Product(Multiplier):
    """x times a weight's copy, which is made at the first call, and again when the weight has changed."""

    def __init__(self) -> None:
        self._weight: Tensor | None = None
        self._copy: Tensor | None = None
        self._of = (0, 0)

    def __call__(self, x: Float[Tensor, "*n d"], weight: Float[Tensor, "out d"], bias: Tensor | None) -> Tensor:
        if torch.compiler.is_exporting():
            return self._recorded(x, weight, bias)
        if torch.is_grad_enabled() or not _is_plain(x) or not _is_plain(weight):
            return nn.functional.linear(x, weight, bias)
        self.prepare(weight)
        return self.multiply(x, bias)

    def prepare(self, weight: Float[Tensor, "out d"]) -> None:
        """Makes the copy, unless there is one of this weight as it is now, or oneDNN would not take it."""
        if not _is_plain(weight):
            return
        state = (weight.data_ptr(), weight._version)
        if self._of != state:
            self._weight, self._of = weight.detach(), state
            self._copy = torch.ops.mkldnn._reorder_linear_weight(self._weight, ROWS)
            offer(self, weight)

    def multiply(self, x: Float[Tensor, "*n d"], bias: Tensor | None = None) -> Float[Tensor, "*n out"]:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._copy, bias, "none", [], "")
        return product

    def _recorded(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """One row is as quick without the copy; of several the recording calls for it."""
        if x.numel() == x.shape[-1] or not _is_plain(weight):
            return nn.functional.linear(x, weight, bias)
        product = recorded_product(x, weight)
        return product if bias is None else product + bias


def _is_plain(x: Tensor) -> bool:
    return x.dtype == torch.float32 and x.device.type == "cpu"
