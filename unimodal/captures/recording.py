"""One recorded program: traced with torch.export, compiled with Inductor, called with tensors of any fitting shapes."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unimodal.captures.artefacts import Artefacts, name_of, weights_of
from unimodal.decoding.programs import Program

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

PREFIX = "model."
"""In front of a weight's name, where a recording asks for it."""
SLOTS = ".slots."
"""In the name of what a cache keeps: [r, slots, ...]."""
Dimensions = list[int | str]
"""Of a tensor: numbers, and names of what may differ from call to call."""
Form = dict[str, list[Any]]
"""Of each tensor its type, its dimensions from the widest step in memory to the narrowest, and which are 1."""


@final
class Recording:
    """Machine code for a program, and what it was made for. It reads the weights that it was lent last."""

    def __init__(
        self, package: Path, *, form: Form, shapes: Mapping[str, Dimensions], constants: Mapping[str, Tensor]
    ) -> None:
        compiled = torch._inductor.aoti_load_package(str(package))
        self._loader = compiled.loader  # its own call reads a description of the arguments again each time
        wanted = self._loader.get_constant_fqns()  # not all that the program was exported with is read
        self._constants = {name: constants[name] for name in wanted if name in constants}
        self._wanted = [name for name in wanted if name not in constants]
        self._form, self._shapes = form, dict(shapes)
        self._lent: list[int] = []

    def lend(self, weights: Mapping[str, Tensor]) -> None:
        """Gives it the model's weights, in their place; they are not copied."""
        given = {name: weights[name.removeprefix(PREFIX)].detach() for name in self._wanted}
        places = [tensor.data_ptr() for tensor in given.values()]
        if places != self._lent:
            self._held = {**given, **self._constants}
            self._loader.load_constants(self._held, False, True, True)
            self._lent = places

    def fits(self, tensors: Mapping[str, Tensor]) -> bool:
        """Whether these are the tensors of such a program."""
        if form_of(tensors) != self._form:
            return False
        sizes: dict[str, int] = {}
        for name, dimensions in self._shapes.items():
            for size, wanted in zip(tensors[name].shape, dimensions, strict=True):
                if size != (sizes.setdefault(wanted, size) if isinstance(wanted, str) else wanted):
                    return False
        return True

    def __call__(self, tensors: Mapping[str, Tensor]) -> Tensor:
        found: Tensor
        (found,) = self._loader.run(list(tensors.values()))
        return found


def record(program: Program, tensors: Mapping[str, Tensor], artefacts: Artefacts) -> Recording:
    """The recording of programs like this one: from disk, or made now and kept there.

    Raises ValueError where it must be made and there is no C++ compiler.
    """
    form = form_of(tensors)
    name = name_of(program.model, form)
    package, facts, constants = (artefacts.path(name, suffix) for suffix in (".pt2", ".json", ".safetensors"))
    if not facts.is_file():  # written last
        _make(program, tensors, package, facts, constants)
    return Recording(package, form=form, shapes=json.loads(facts.read_text("utf-8")), constants=load_file(constants))


def form_of(tensors: Mapping[str, Tensor]) -> Form:
    """What two programs must have in common to share a recording."""
    return {
        name: [str(x.dtype), _order(x), ["1" if size == 1 else "*" for size in x.shape]] for name, x in tensors.items()
    }


def is_dense(x: Tensor) -> bool:
    """Whether the numbers lie side by side, in whatever order of dimensions."""
    return x.permute(_order(x)).is_contiguous()


def _order(x: Tensor) -> list[int]:
    strides = x.stride()
    return sorted(range(x.dim()), key=lambda dim: (x.shape[dim] > 1, -strides[dim]))


@final
class _Module(nn.Module):
    """The program as torch.export wants it: tensors in, a tensor out."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.model: UnimodalForConditionalGeneration = program.model
        self._program = (program,)

    def forward(self, tensors: dict[str, Tensor]) -> Tensor:
        return self._program[0].given(tensors).run()


def _make(program: Program, tensors: Mapping[str, Tensor], package: Path, facts: Path, constants: Path) -> None:
    from rich.console import Console

    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise ValueError(f"capture: compiling a step needs the C++ compiler {compiler}, which is not installed")
    console = Console(stderr=True)
    with console.status("compiling the decoder's step: about a minute, once for this model and this machine"):
        exported = _export(program, tensors)
        with tempfile.TemporaryDirectory(dir=package.parent) as folder:
            built = torch._inductor.aoti_compile_and_package(
                exported,
                package_path=str(Path(folder) / package.name),
                inductor_configs={
                    "aot_inductor.package_constants_in_so": False,
                    "always_keep_tensor_constants": True,  # small weights' values would be written into the code
                },
            )
            Path(built).replace(package)
    save_file({name: value.contiguous() for name, value in _own_constants(exported, program.model).items()}, constants)
    unfinished = facts.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(_shapes(exported, tensors)), encoding="utf-8")
    unfinished.replace(facts)


def _export(program: Program, tensors: Mapping[str, Tensor]) -> torch.export.ExportedProgram:
    automatic = torch.export.Dim.AUTO
    dynamic = {
        name: {place: automatic for place, size in enumerate(x.shape) if size > 1} for name, x in tensors.items()
    }
    with torch.inference_mode(False), torch.no_grad():
        examples = {name: _example(name, x) for name, x in tensors.items()}
        exported = torch.export.export(_Module(program).eval(), (examples,), dynamic_shapes=(dynamic,), strict=False)
        lowered: torch.export.ExportedProgram = exported.run_decompositions({torch.ops.aten.linear.default: _linear})
        return lowered


def _example(name: str, x: Tensor) -> Tensor:
    """A tensor of the same form. Slots get more room than is read of them, or a recording would be for just as much."""
    order, shape = _order(x), list(x.shape)
    if SLOTS in name:
        shape[1] *= 2
    wide_first = torch.empty([shape[dim] for dim in order], dtype=x.dtype, device=x.device)
    return wide_first.permute([order.index(dim) for dim in range(x.dim())])


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Any:
    """A product of one row as a sum of products, which Inductor does on all threads.

    The library's own reads weights at a third of the memory's speed on some processors.
    """
    if x.numel() != x.shape[-1]:
        return NotImplemented
    # A copy that is laid out anew is computed once: Inductor would else do what comes before for each output again.
    row = torch.ops.aten.clone.default(x).as_strided((x.shape[-1],), (1,))
    out = (row * weight).sum(-1)
    return (out if bias is None else out + bias).reshape(*x.shape[:-1], -1)


def _own_constants(
    exported: torch.export.ExportedProgram, model: "UnimodalForConditionalGeneration"
) -> dict[str, Tensor]:
    """Tensors of the program that are no weights of the model: those that a state dict has under other names, too."""
    weights = {f"{PREFIX}{name}" for name in weights_of(model)}
    return {
        name: value for name, value in exported.constants.items() if name not in weights and isinstance(value, Tensor)
    }


def _shapes(exported: torch.export.ExportedProgram, tensors: Mapping[str, Tensor]) -> dict[str, Dimensions]:
    """Which sizes of the inputs stand for each other, and which are numbers."""
    inputs = set(exported.graph_signature.user_inputs)
    values: Sequence[Tensor] = [node.meta["val"] for node in exported.graph.nodes if node.name in inputs]
    found: dict[str, Dimensions] = {}
    for name, value in zip(tensors, values, strict=True):
        found[name] = [int(size) if str(size).isdecimal() else str(size) for size in value.shape]
    return found
