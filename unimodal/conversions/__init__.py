"""Conversions: checkpoints of other projects, one file for each family, in both directions from one table of names."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Reshaped:
    """The two shapes of one tensor."""

    theirs: tuple[int, ...]
    ours: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class KeyMap:
    """Which tensor of theirs is which of ours: a bijection, so that one table serves both directions."""

    ours: Mapping[str, str]
    """Their name -> our name, of every tensor that both hold."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Their second names of a tensor -> its first name: read where a file has them (and then equal, or the first is not
    there), never written."""
    absent: tuple[str, ...] = ()
    """Our tensors that their files lack, for to them they are zeros (a bias that is not there)."""
    reshaped: Mapping[str, Reshaped] = field(default_factory=dict)
    """Their name -> the two shapes of the same numbers, where they differ."""
    spellings: Mapping[str, str] = field(default_factory=dict)
    """Older names of their tensors -> today's: read where a file has them, never written."""
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Path in our spec of a part that some files lack (`backbone.pooler`) -> their names of its tensors."""
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    """Their name of a tensor that some files lack -> another of theirs that is then read in its place."""
    ignored: tuple[str, ...] = ()
    """Their tensors that files may hold and that we compute anew (tables of sinusoids, indices) or that nothing reads:
    never written."""

    def lacking(self, file: Iterable[str]) -> list[str]:
        """Paths in our spec of the parts that a file with these tensors is without."""
        held = {self.spellings.get(name, name) for name in file}
        return [path for path, names in self.parts.items() if held.isdisjoint(names)]


class Conversion(ABC):
    """One family of checkpoints.

    Laws: the converted model gives their hidden states and logits; `from_unimodal(to_unimodal(file))` is the same file,
    bit for bit; a tensor that is not understood is a ValueError, never left out in silence.
    """

    generation: str = "unimodal.generators.whole.Whole"
    """How models of the family generate: the import path of a Generator."""

    @abstractmethod
    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        """The spec of our model for their `config.json`, completed with the defaults of its family."""

    @abstractmethod
    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        """The names of all tensors of a model with their `config.json`."""

    def to_unimodal(self, state_dict: Mapping[str, Tensor], theirs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Our state dict; no tensor is copied but what stands in for another.

        Raises ValueError that names the first tensor which does not fit.
        """
        keys = self.keys(theirs)
        spelled = _spelled(keys, state_dict)
        described = _described(keys, spelled)
        _match(spelled, required=described, allowed=[*keys.copies, *keys.ignored])
        for copy, first in keys.copies.items():
            if copy in spelled and not state_dict[spelled[copy]].equal(state_dict[spelled[first]]):
                raise ValueError(f"{copy}: differs from {first}, though config.json says that they are one tensor")
        found = {name: _shaped(keys, name, state_dict[spelled[name]]) for name in described}
        # What is read in two places is two tensors from now on, or training would move both.
        twice = {name for name, other in keys.stand_ins.items() if spelled.get(name) == spelled.get(other)}
        return {ours: found[name].clone() if name in twice else found[name] for name, ours in described.items()}

    def from_unimodal(self, state_dict: Mapping[str, Tensor], theirs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Their state dict, each tensor once under its first name. Raises ValueError as `to_unimodal`."""
        keys = self.keys(theirs)
        described = _described(keys, {name for name, ours in keys.ours.items() if ours in state_dict})
        _match(state_dict, required=described.values(), allowed=keys.absent)
        for ours in keys.absent:
            if ours in state_dict and state_dict[ours].any():
                raise ValueError(f"{ours}: is not zero, and their files have no place for it")
        back = {name: state_dict[ours] for name, ours in described.items()}
        return back | {
            name: back[name].reshape(shapes.theirs) for name, shapes in keys.reshaped.items() if name in back
        }


def per_block(blocks: Mapping[str, str], depth: int, *, theirs: str, ours: str) -> dict[str, str]:
    """The names of one block, repeated for each of `depth` blocks below the two stacks' lists of blocks."""
    return {
        f"{theirs}.{block}.{name}": f"{ours}.{block}.{own}" for block in range(depth) for name, own in blocks.items()
    }


def _spelled(keys: KeyMap, names: Iterable[str]) -> dict[str, str]:
    """Today's name of each tensor that can be read from a file -> its name in the file."""
    spelled = {keys.spellings.get(name, name): name for name in names}
    firsts = {first: copy for copy, first in keys.copies.items() if copy in spelled}
    others = {name: spelled[other] for name, other in {**keys.stand_ins, **firsts}.items() if other in spelled}
    return {**others, **spelled}


def _described(keys: KeyMap, names: Iterable[str]) -> dict[str, str]:
    """Their name -> ours, of a model with the parts that a file with these names has."""
    left_out = {name for path in keys.lacking(names) for name in keys.parts[path]}
    return {name: ours for name, ours in keys.ours.items() if name not in left_out}


def _shaped(keys: KeyMap, name: str, tensor: Tensor) -> Tensor:
    if name not in keys.reshaped:
        return tensor
    shapes = keys.reshaped[name]
    if tuple(tensor.shape) != shapes.theirs:
        raise ValueError(f"{name}: has the shape {tuple(tensor.shape)}, config.json describes {shapes.theirs}")
    return tensor.reshape(shapes.ours)


def _match(names: Mapping[str, Any], *, required: Any, allowed: Any) -> None:
    required = set(required)
    for name in sorted(required - names.keys()):
        raise ValueError(f"{name}: is missing from the checkpoint")
    for name in sorted(names.keys() - required - set(allowed)):
        raise ValueError(f"{name}: the model that config.json describes has no such tensor")
