"""Compiled ahead of time: a step is two calls into machine code, which is kept on disk for the next process."""

import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from torch import Tensor, nn

from unimodal.captures import Capture
from unimodal.captures.artefacts import Artefacts, user_folder, weights_of
from unimodal.captures.recording import Recording, is_dense, record
from unimodal.decoding.products import Recordable
from unimodal.decoding.programs import Program, Runner

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

_MADE: "weakref.WeakKeyDictionary[nn.Module, list[Recording]]" = weakref.WeakKeyDictionary()
"""Of each model in this process, so that every generation after the first finds its recordings."""


@final
class Compiled(Capture):
    """Records a step's pass and its head with torch.export and compiles them with Inductor, once for each form.

    Two steps have one form when they differ in the numbers of rows, slots and source entries alone, one row being a
    form of its own. That takes up to a minute a form, and a C++ compiler. What comes of it is kept in `folder` (by
    default `unimodal/compiled` in the user's cache folder) under a name made of all that it depends on; it holds no
    weights: it reads the model's where they lie.

    Products of one row are machine code of their own; those of several are left to a library's kernels, which are the
    quickest with `unimodal.rewrites.reordered` or `unimodal.quantizations.int8`.
    """

    def __init__(self, *, folder: str | None = None) -> None:
        self._artefacts = Artefacts(user_folder() if folder is None else Path(folder))

    def runner(self, model: "UnimodalForConditionalGeneration") -> Runner:
        if model.backbone.decoders:
            names = ", ".join(model.backbone.decoders)
            raise ValueError(
                f"capture: the model has a decoder for each of {names}, which recordings do not tell apart"
            )
        _prepare_modules(model)
        recordings = _MADE.setdefault(model, [])
        weights = weights_of(model)
        for recording in recordings:
            recording.lend(weights)
        return _Compiling(self._artefacts, recordings, weights)


@final
class _Compiling:
    """Finds the recording of each program, or makes it."""

    def __init__(self, artefacts: Artefacts, recordings: list[Recording], weights: Mapping[str, Tensor]) -> None:
        self._artefacts = artefacts
        self._recordings = recordings
        self._weights = weights
        self._found: dict[tuple[Any, ...], tuple[Recording, list[str]]] = {}

    def __call__(self, program: Program) -> Tensor:
        tensors = program.tensors
        shapes = tuple((tensor.shape, tensor.stride()) for tensor in tensors.values())
        if shapes not in self._found:
            loose = [name for name, tensor in tensors.items() if not is_dense(tensor)]
            self._found[shapes] = self._find(program, _gathered(tensors, loose)), loose
        recording, loose = self._found[shapes]
        return recording(_gathered(tensors, loose))

    def _find(self, program: Program, tensors: Mapping[str, Tensor]) -> Recording:
        for recording in self._recordings:
            if recording.fits(tensors):
                return recording
        made = record(program, tensors, self._artefacts)
        if not made.fits(tensors):
            raise ValueError("capture: what was compiled for such a step serves other sizes alone; decode without it")
        made.lend(self._weights)
        self._recordings.append(made)
        return made


def _gathered(tensors: dict[str, Tensor], loose: Sequence[str]) -> dict[str, Tensor]:
    """With copies of tensors whose numbers do not lie side by side: small ones, made anew for each step."""
    return {**tensors, **{name: tensors[name].contiguous() for name in loose}} if loose else tensors


def _prepare_modules(model: "UnimodalForConditionalGeneration") -> None:
    """Gets modules ready, and refuses what the artefact's name would say nothing of: modules of no config."""
    for path, module in model.named_modules():
        home = type(module).__module__
        if home.startswith("unimodal.tuning.") or not home.startswith(("unimodal.", "torch.nn.")):
            raise ValueError(
                f"capture: {path} is a {home}.{type(module).__name__}, which is not compiled; "
                "merge adapters into the model first"
            )
        if isinstance(module, Recordable):
            module.prepare_recording()
