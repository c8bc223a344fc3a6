"""Text that checkpoints write to a picture: what stands in it, or what it shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

from torch import Tensor

from unimodal.loading.foreign import Checkpoint
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.writing import writing, written
from unimodal.tasks.files import read_pictures, refuse_prompt


@final
class PictureText(CheckpointTask):
    """Writes what it was taught to write to a picture.

    A picture of one line -> `industrie, " Mr. Brown commented icily.` (TrOCR, Li et al. 2021, arXiv:2109.10282).
    A screenshot or a photograph -> `A stop sign on a street corner.` (Pix2Struct, Lee et al. 2022, arXiv:2210.03347).
    """

    reads = ("image",)
    writes = "text"
    architectures = ()

    def __init__(self, *, checkpoint: Checkpoint) -> None:
        self._checkpoint = writing(checkpoint)

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        refuse_prompt(prompt, "of this checkpoint")
        return [Question(example.key, [example.inputs["image"]]) for example in read_pictures(paths)]

    def answer(self, parts: Sequence[Tensor], decoding: Choice) -> list[Result]:
        device = self._checkpoint.model.device
        inputs = {name: value.to(device) for name, value in self._checkpoint.picture_inputs(parts).items()}
        return written(self._checkpoint, inputs, decoding, settings={})

    def join(self, answers: Sequence[Result]) -> Result:
        (only,) = answers
        return only
