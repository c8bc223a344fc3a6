"""What a picture shows, of the labels that a checkpoint knows."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from unimodal.interface import ModelOutput
from unimodal.loading.foreign import Checkpoint
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.files import read_pictures, refuse_prompt


@final
class PictureLabel(CheckpointTask):
    """Names what a picture shows, by the label that is likeliest.

    A photograph -> `Egyptian cat`, by the `id2label` of the checkpoint (Dosovitskiy et al. 2021, arXiv:2010.11929).
    """

    reads = ("image",)
    writes = "text"
    architectures = ("ForImageClassification", "ForImageClassificationWithTeacher")

    def __init__(self, *, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._labels = {int(number): str(label) for number, label in checkpoint.origin.get("id2label", {}).items()}

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        refuse_prompt(prompt, "classify_image")
        return [Question(example.key, [example.inputs["image"]]) for example in read_pictures(paths)]

    def answer(self, parts: Sequence[Tensor], decoding: Choice) -> list[Result]:
        if decoding is not None:
            raise ValueError("decoding: is a way to write tokens, and a label is chosen at once")
        began, model = time.perf_counter(), self._checkpoint.model
        with torch.inference_mode():
            output = model(pixel_values=self._checkpoint.pixel_values(parts).to(model.device))
        assert isinstance(output, ModelOutput) and output.logits is not None
        best, labels = output.logits.float().log_softmax(-1).max(-1)
        seconds = (time.perf_counter() - began) / len(parts)
        found = zip(best.tolist(), labels.tolist(), strict=True)
        return [Result("", self._labels.get(label, f"LABEL_{label}"), score, (), seconds) for score, label in found]

    def join(self, answers: Sequence[Result]) -> Result:
        (only,) = answers
        return only
