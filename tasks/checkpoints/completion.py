"""Whatever a checkpoint writes to a text as it stands."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

from unimodal.loading.foreign import Checkpoint
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.writing import TextWriter, joined, longest_input
from unimodal.tasks.files import read_texts


@final
class Completion(CheckpointTask):
    """Goes on with a text, or answers it in the way that the checkpoint was trained for.

    `The capital of France is` -> `Paris.`
    """

    reads = ("text",)
    writes = "text"
    architectures = ()

    def __init__(self, *, checkpoint: Checkpoint) -> None:
        self._checkpoint, self._writer = checkpoint, TextWriter(checkpoint=checkpoint)

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        texts = {name: text.rstrip() for name, text in read_texts(paths, prompt).items()}
        longest = longest_input(self._checkpoint)
        for name, text in texts.items():
            length = len(self._writer.ids(text))
            if longest is not None and length >= longest:
                raise ValueError(f"{name}: has {length} tokens, and the checkpoint reads {longest} at once")
        return [Question(name, [text]) for name, text in texts.items()]

    def answer(self, parts: Sequence[str], decoding: Choice) -> list[Result]:
        return self._writer.write(parts, decoding)

    def join(self, answers: Sequence[Result]) -> Result:
        return joined(answers)
