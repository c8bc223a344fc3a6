"""Translation by checkpoints that are told in words what to do."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

from unimodal.loading.foreign import Checkpoint
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.languages import english_name, two_letters
from unimodal.tasks.checkpoints.writing import TextWriter, joined


@final
class PrefixTranslation(CheckpointTask):
    """Translates a text, by the prompt that T5 was trained with (Raffel et al. 2020, arXiv:1910.10683).

    `translate English to German: That is good.` -> `Das ist gut.`
    """

    reads = ("text",)
    writes = "text"
    architectures = ()

    def __init__(self, *, checkpoint: Checkpoint, source: str = "en", target: str | None = None) -> None:
        """`source` and `target` are languages: `de` or `German`. Raises ValueError where they are not known by name."""
        if target is None:
            raise ValueError("the language to translate into is missing: --to de")
        named = f"translate {english_name(source)} to {english_name(target)}: "
        pair = f"translation_{two_letters(source)}_to_{two_letters(target)}"
        self._writer = TextWriter(checkpoint=checkpoint, before=named).specific(pair)

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        return self._writer.read(paths, prompt)

    def answer(self, parts: Sequence[str], decoding: Choice) -> list[Result]:
        return self._writer.write(parts, decoding)

    def join(self, answers: Sequence[Result]) -> Result:
        return joined(answers)
