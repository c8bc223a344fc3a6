"""Questions about a text."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

from unimodal.loading.foreign import Checkpoint
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.writing import TextWriter
from unimodal.tasks.files import read_text


@final
class Answering(CheckpointTask):
    """Answers a question about a text; of one that is too long, the likeliest answer that a piece of it gives.

    `question: What is Tom? context: Tom is a cat.` -> `a cat`, by the prompt that T5 was trained with (Raffel et al.
    2020, arXiv:1910.10683).
    """

    reads = ("text",)
    writes = "text"
    architectures = ()

    def __init__(self, *, checkpoint: Checkpoint) -> None:
        self._writer = TextWriter(checkpoint=checkpoint).specific("question_answering")

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        if prompt is None or not prompt.strip():
            raise ValueError("prompt: the question about the text is missing")
        if not paths:
            raise ValueError("there is nothing to read: give a text file that the question is about")
        asked = f"question: {prompt.strip()} context: "
        texts = {str(path): read_text(path).strip() for path in paths}
        return [self._writer.question(name, text, lambda piece: asked + piece) for name, text in texts.items()]

    def answer(self, parts: Sequence[str], decoding: Choice) -> list[Result]:
        return self._writer.write(parts, decoding)

    def join(self, answers: Sequence[Result]) -> Result:
        return max(answers, key=lambda answer: answer.score or 0.0)
