"""What a step of decoding computes, as functions of named tensors: they can be recorded once and run again.

r rows of a cache, n entries of a pass in each row, b rows of hidden states, d width, v vocabulary
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, final

from jaxtyping import Float, Int
from torch import Tensor

from unimodal.caches import Opening
from unimodal.hidden import MemoryView

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@dataclass(frozen=True, eq=False)
class Program(ABC):
    """A model, and all that is read and written beside its weights: fields that are tensors or hold some.

    Laws: `run` is tensor operations alone, whatever had to be decided has been; a recording of it holds for every
    program of its class whose `tensors` have the same names, types and shapes (or shapes that it leaves open).
    """

    model: "UnimodalForConditionalGeneration"

    @abstractmethod
    def run(self) -> Tensor:
        """Computes it, operation by operation."""

    @property
    def tensors(self) -> dict[str, Tensor]:
        """By the path that leads to each, in an order that depends on the paths alone."""
        found: dict[str, Tensor] = {}
        _collect(self._given, "", found)
        return found

    @property
    def _given(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "model"}

    def given(self, tensors: Mapping[str, Tensor]) -> "Program":
        """The same over other tensors of the same names."""
        return replace(self, **_exchange(self._given, "", tensors))


@final
@dataclass(frozen=True, eq=False)
class DecoderPass(Program):
    """One pass of a decoder behind its cache, whose slots are among the tensors and are written in place."""

    entries: Int[Tensor, "r n"] | Float[Tensor, "r n d"]
    """Tokens, or vectors where what comes next is no token."""
    opening: Opening
    memories: Mapping[str, MemoryView]
    net: str | None = None
    """Whose decoder it is, of those of a model with several; see Backbone.writer."""

    def run(self) -> Float[Tensor, "r n d"]:
        """The entries' last hidden states."""
        decoder = self.model.backbone.writer(self.net)
        embeds = self.entries if self.entries.is_floating_point() else self.model.embed_tokens(self.entries)
        last: Tensor = decoder(embeds, self.opening, self.memories).last
        return last


@final
@dataclass(frozen=True, eq=False)
class Scoring(Program):
    """The head over the hidden states of some rows."""

    hidden: Float[Tensor, "b d"]

    def run(self) -> Float[Tensor, "b v"]:
        """Scores over the token space."""
        return self.model.logits(self.hidden)


Runner = Callable[[Program], Tensor]
"""Runs a program: as it is, or by a recording of one like it."""


def run_eagerly(program: Program) -> Tensor:
    """Operation by operation."""
    return program.run()


def _parts(value: Any) -> dict[str, Any]:
    """What a dataclass, a mapping or a tuple holds, by name; nothing in a tensor or a constant."""
    if isinstance(value, Tensor):
        return {}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return {str(place): part for place, part in enumerate(value)}
    return {field.name: getattr(value, field.name) for field in fields(value)} if is_dataclass(value) else {}


def _collect(value: Any, path: str, found: dict[str, Tensor]) -> None:
    if isinstance(value, Tensor):
        found[path] = value
    for name, part in _parts(value).items():
        _collect(part, f"{path}.{name}" if path else name, found)


def _exchange(value: Any, path: str, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return tensors[path]
    parts = {name: _exchange(part, f"{path}.{name}" if path else name, tensors) for name, part in _parts(value).items()}
    if isinstance(value, Mapping):
        return parts
    if isinstance(value, tuple):
        return tuple(parts.values())
    return replace(value, **parts) if parts else value
