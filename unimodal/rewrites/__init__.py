"""Rewrites: a built model in a form that runs better and computes the same."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from unimodal.build import build

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@final
@dataclass(frozen=True)
class Report:
    """What a rewrite did."""

    replaced: tuple[str, ...]
    """Dotted paths, below the model, of the modules that others stand for now."""


class Rewrite(ABC):
    """Makes a built model run better, in place, for inference.

    Laws: outputs are the same up to rounding; the state dict keeps its names and values, and is loaded by them; what
    was rewritten once is not rewritten again. Raises ValueError that names the module with which it cannot be done.
    """

    @abstractmethod
    def apply(self, model: "UnimodalForConditionalGeneration") -> Report:
        """Rewrites the model, and says what was done to it."""


def rewrite(model: "UnimodalForConditionalGeneration", rewrites: Sequence[Rewrite | str | Mapping[str, Any]]) -> None:
    """Rewrites a model in some ways, one after the other; they may be named by their import paths, as in YAML."""
    for number, given in enumerate(rewrites):
        made = given if isinstance(given, Rewrite) else build(given, Rewrite, where=f"rewrites[{number}]")
        made.apply(model)
