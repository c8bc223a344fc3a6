"""Translation by checkpoints of one source language, which know one target language or a group of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

from unimodal.loading.foreign import Checkpoint
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.languages import matching, two_letters
from unimodal.tasks.checkpoints.writing import TextWriter, joined


@final
class PairTranslation(CheckpointTask):
    """Translates a text, into the language of the token before it where the checkpoint knows several.

    `>>fra<< That is good.` -> `C'est bon.` (Tiedemann and Thottingal 2020, OPUS-MT).
    """

    reads = ("text",)
    writes = "text"
    architectures = ()

    def __init__(self, *, checkpoint: Checkpoint, source: str | None = None, target: str | None = None) -> None:
        """Raises ValueError for languages that the checkpoint says it does not translate from, or into."""
        tokenizer = checkpoint.tokenizer
        codes = [token for token in tokenizer.get_vocab() if token.startswith(">>") and token.endswith("<<")]
        if source is not None:
            _check(source, tokenizer.init_kwargs.get("source_lang"), "from")
        if not codes and target is not None:
            _check(target, tokenizer.init_kwargs.get("target_lang"), "to")
        if codes and target is None:
            raise ValueError(
                f"the language to translate into is missing: --to one of {', '.join(sorted(map(_plain, codes)))}"
            )
        before = f"{matching(target, codes)} " if codes and target is not None else ""
        self._writer = TextWriter(checkpoint=checkpoint, before=before)

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        return self._writer.read(paths, prompt)

    def answer(self, parts: Sequence[str], decoding: Choice) -> list[Result]:
        return self._writer.write(parts, decoding)

    def join(self, answers: Sequence[Result]) -> Result:
        return joined(answers)


def _check(language: str, known: str | None, way: str) -> None:
    """Checkpoints of a group name it (`ROMANCE`), which says nothing of a language."""
    if known is not None and known.islower() and two_letters(language) != two_letters(known):
        raise ValueError(f"--{way} {language}: the checkpoint translates {way} {known}")


def _plain(code: str) -> str:
    return code.strip("<>")
