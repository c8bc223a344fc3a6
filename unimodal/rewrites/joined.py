"""Maps that read one input, computed as one product: query, key and value; gate and up.

The numbers are the same. A small product costs more than its share of a large one, and every call its price.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimodal.feedforwards import FeedForward
from unimodal.mixers import Mixer
from unimodal.quantizations import Map, QuantizedLinear, joined_bias
from unimodal.rewrites import Report, Rewrite

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

SEPARATOR = "_and_"
"""Between the names of the maps in that of their product."""


@final
class Joined(Rewrite):
    """Joins what mixers and feed-forwards name in `same_input`. Quantised maps are joined as well as others.

    An adapter that is not merged is refused: it would no longer be reached.
    """

    def apply(self, model: "UnimodalForConditionalGeneration") -> Report:
        replaced: list[str] = []
        for path, owner in list(model.backbone.named_modules(prefix="backbone")):
            if isinstance(owner, Mixer | FeedForward):
                for names in owner.same_input:
                    if _join(owner, names, path):
                        replaced.extend(f"{path}.{name}" for name in names)
        return Report(tuple(replaced))


@final
class Share(nn.Module):
    """Stands where one of the joined maps stood."""

    def __init__(self, product: "Product", number: int) -> None:
        super().__init__()
        self.number = number
        self._product = (product,)  # in a tuple, so that it is not registered a second time

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        return self._product[0].share(x, self.number)


@final
class Product(nn.Module):
    """The joined map. What it gives for an input is kept until every share of it was asked for."""

    def __init__(self, maps: Sequence[Map]) -> None:
        super().__init__()
        self.sizes, self.biased = [each.out_features for each in maps], [each.bias is not None for each in maps]
        self.map = _beside(maps)
        self._kept: tuple[Tensor | None, dict[int, Tensor]] = (None, {})

    def share(self, x: Float[Tensor, "*batch in"], number: int) -> Float[Tensor, "*batch out"]:
        """The outputs of one of the maps for an input; of all, at the first call."""
        asked, left = self._kept
        if asked is not x or number not in left:
            left = dict(enumerate(self.map(x).split(self.sizes, -1)))
            self._kept = (x, left)
        found = left.pop(number)
        if not left:
            self._kept = (None, {})
        return found


def _join(owner: nn.Module, names: Sequence[str], path: str) -> bool:
    """Whether there was something to join: maps that are joined already are left alone."""
    children = [owner.get_submodule(name) for name in names]
    if all(isinstance(child, Share) for child in children):
        return False
    for name, child in zip(names, children, strict=True):
        if type(child) is not type(children[0]) or not isinstance(child, nn.Linear | QuantizedLinear):
            raise ValueError(f"{path}.{name}: a {type(child).__name__} cannot be joined; merge adapters into it first")
    product = Product([cast(Map, child) for child in children])
    for number, name in enumerate(names):
        setattr(owner, name, Share(product, number))
    joint = SEPARATOR.join(names)
    owner.add_module(joint, product)
    owner.register_state_dict_post_hook(partial(_split_state, product, joint, names))
    owner.register_load_state_dict_pre_hook(partial(_join_state, product, joint, names))
    return True


def _beside(maps: Sequence[Map]) -> Map:
    """One map with the outputs of several, which are all of one class."""
    first, *others = maps
    if isinstance(first, QuantizedLinear):
        return first.beside(cast(list[QuantizedLinear], others))
    weight, bias = torch.cat([cast(Tensor, each.weight) for each in maps]), joined_bias(maps)
    joined = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    joined.weight = nn.Parameter(weight.detach(), requires_grad=first.weight.requires_grad)
    joined.register_parameter("bias", bias)
    return joined


def _split_state(
    product: Product, joint: str, names: Sequence[str], owner: nn.Module, state: dict[str, Tensor], prefix: str, _: Any
) -> None:
    """In a state dict: the product's tensors, under the names of the maps."""
    for key in product.map.state_dict():
        pieces = state.pop(f"{prefix}{joint}.map.{key}").split(product.sizes)
        for name, piece, biased in zip(names, pieces, product.biased, strict=True):
            if biased or key != "bias":
                state[f"{prefix}{name}.{key}"] = piece


def _join_state(
    product: Product, joint: str, names: Sequence[str], owner: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    """The other way round, where the state holds all that is needed; what is missing is missed by its new name."""
    for key, own in product.map.state_dict().items():
        needed = {
            f"{prefix}{n}.{key}" for n, biased in zip(names, product.biased, strict=True) if biased or key != "bias"
        }
        if needed <= state.keys():
            pieces = [state.pop(f"{prefix}{name}.{key}", None) for name in names]
            zeros = own.new_zeros(own.shape).split(product.sizes)
            given = zip(pieces, zeros, strict=True)
            state[f"{prefix}{joint}.map.{key}"] = torch.cat([none if piece is None else piece for piece, none in given])
