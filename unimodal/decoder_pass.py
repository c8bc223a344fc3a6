"""One pass of a decoder behind its cache, as a function of named tensors: what can be recorded once and run again.

r rows of a cache, n entries of a pass in each row, d width
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, final

from jaxtyping import Float, Int
from torch import Tensor

from unimodal.caches import Opening
from unimodal.hidden import MemoryView

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@final
@dataclass(frozen=True, eq=False)
class DecoderPass:
    """All that a pass reads and writes. `run` is tensor operations alone: whatever had to be decided has been.

    A recording holds for every pass whose `tensors` have the same names, types and shapes (or shapes that it leaves
    open). Slots of the cache are among them and are written in place.
    """

    model: "UnimodalForConditionalGeneration"
    entries: Int[Tensor, "r n"] | Float[Tensor, "r n d"]
    """Tokens, or vectors where what comes next is no token."""
    opening: Opening
    memories: Mapping[str, MemoryView]

    def run(self) -> Float[Tensor, "r n d"]:
        """The entries' last hidden states."""
        decoder = self.model.backbone.decoder
        assert decoder is not None, "this model has no decoder"
        embeds = self.entries if self.entries.is_floating_point() else self.model.embed_tokens(self.entries)
        last: Tensor = decoder(embeds, self.opening, self.memories).last
        return last

    @property
    def tensors(self) -> dict[str, Tensor]:
        """By the path that leads to each, in an order that depends on the paths alone."""
        found: dict[str, Tensor] = {}
        _collect(self._given, "", found)
        return found

    @property
    def _given(self) -> dict[str, Any]:
        return {"entries": self.entries, "opening": self.opening, "memories": self.memories}

    def given(self, tensors: Mapping[str, Tensor]) -> "DecoderPass":
        """The same pass over other tensors of the same names."""
        return DecoderPass(self.model, **_exchange(self._given, "", tensors))


Runner = Callable[[DecoderPass], Tensor]
"""Runs a pass: as it is, or by a recording of one like it."""


def run_eagerly(step: DecoderPass) -> Float[Tensor, "r n d"]:
    """Operation by operation."""
    return step.run()


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
