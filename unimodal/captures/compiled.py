"""Compiled ahead of time: a step's pass is one call into machine code, kept on disk for the next process.

r rows of a cache, n entries of a pass in each row, d width
"""

import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.captures import Capture
from unimodal.captures.artefacts import Artefacts, user_folder, weights_of
from unimodal.captures.recording import Recording, is_dense, record
from unimodal.decoder_pass import DecoderPass, Runner
from unimodal.quantizations import QuantizedLinear

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

_MADE: "weakref.WeakKeyDictionary[nn.Module, list[Recording]]" = weakref.WeakKeyDictionary()
"""Of each model in this process, so that every generation after the first finds its recordings."""


@final
class Compiled(Capture):
    """Records a pass with torch.export and compiles it with Inductor, once for each form that a step takes.

    Two steps have one form when they differ in the numbers of rows, slots and source entries alone, one row being a
    form of its own. That takes about a minute a form, and a C++ compiler. What comes of it is kept in `folder` (by
    default `unimodal/compiled` in the user's cache folder) under a name made of all that it depends on; it holds no
    weights: it reads the model's where they lie.

    Only passes of one entry are compiled, and others run as they are written: products of several rows are quickest in
    a library's kernels, which a recording can only call.
    """

    def __init__(self, *, folder: str | None = None) -> None:
        self._artefacts = Artefacts(user_folder() if folder is None else Path(folder))

    def runner(self, model: "UnimodalForConditionalGeneration") -> Runner:
        _check_modules(model)
        recordings = _MADE.setdefault(model, [])
        weights = weights_of(model)
        for recording in recordings:
            recording.lend(weights)
        return _Compiling(self._artefacts, recordings, weights)


@final
class _Compiling:
    """Finds the recording of each pass, or makes it."""

    def __init__(self, artefacts: Artefacts, recordings: list[Recording], weights: Mapping[str, Tensor]) -> None:
        self._artefacts = artefacts
        self._recordings = recordings
        self._weights = weights
        self._found: dict[tuple[Any, ...], tuple[Recording, list[str]]] = {}

    def __call__(self, step: DecoderPass) -> Float[Tensor, "r n d"]:
        if step.entries.shape[:2].numel() > 1:
            return step.run()
        tensors = step.tensors
        shapes = tuple((tensor.shape, tensor.stride()) for tensor in tensors.values())
        if shapes not in self._found:
            loose = [name for name, tensor in tensors.items() if not is_dense(tensor)]
            self._found[shapes] = self._find(step, _gathered(tensors, loose)), loose
        recording, loose = self._found[shapes]
        return recording(_gathered(tensors, loose))

    def _find(self, step: DecoderPass, tensors: Mapping[str, Tensor]) -> Recording:
        for recording in self._recordings:
            if recording.fits(tensors):
                return recording
        made = record(step, tensors, self._artefacts)
        if not made.fits(tensors):
            raise ValueError("capture: what was compiled for such a step serves other sizes alone; decode without it")
        made.lend(self._weights)
        self._recordings.append(made)
        return made


def _gathered(tensors: dict[str, Tensor], loose: Sequence[str]) -> dict[str, Tensor]:
    """With copies of tensors whose numbers do not lie side by side: small ones, made anew for each pass."""
    return {**tensors, **{name: tensors[name].contiguous() for name in loose}} if loose else tensors


def _check_modules(model: "UnimodalForConditionalGeneration") -> None:
    """Refuses weights that are packed, and what the artefact's name would say nothing of: modules of no config."""
    for path, module in model.named_modules():
        if isinstance(module, QuantizedLinear):
            raise ValueError(f"capture: {path} is a {type(module).__name__}, whose packed weights cannot be compiled")
        home = type(module).__module__
        if home.startswith("unimodal.tuning.") or not home.startswith(("unimodal.", "torch.nn.")):
            raise ValueError(
                f"capture: {path} is a {home}.{type(module).__name__}, which is not compiled; "
                "merge adapters into the model first"
            )
