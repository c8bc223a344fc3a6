"""Summaries of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

from unimodal.loading.foreign import Checkpoint
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.writing import TextWriter, joined


@final
class Summarisation(CheckpointTask):
    """Summarises a text; one that is too long, piece by piece.

    `summarize: state authorities dispatched emergency crews tuesday to survey the damage ...` -> `six people
    hospitalized after a storm in attala county.` with T5 (Raffel et al. 2020, arXiv:1910.10683); BART and Pegasus read
    the text alone.
    """

    reads = ("text",)
    writes = "text"
    architectures = ()

    def __init__(self, *, checkpoint: Checkpoint, prefix: str = "") -> None:
        """`prefix` stands before the text, where the checkpoint's config names no other."""
        self._writer = TextWriter(checkpoint=checkpoint, before=prefix).specific("summarization")

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        return self._writer.read(paths, prompt)

    def answer(self, parts: Sequence[str], decoding: Choice) -> list[Result]:
        return self._writer.write(parts, decoding)

    def join(self, answers: Sequence[Result]) -> Result:
        return joined(answers)
