"""Translation by checkpoints of many languages, which a token names on each side."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from unimodal.loading.foreign import Checkpoint
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.languages import SPELLINGS, matching
from unimodal.tasks.checkpoints.writing import TextWriter, joined
from unimodal.transcription.languages import LANGUAGES

_CODE = re.compile(r"__[a-z]{2,3}__|[a-z]{2,3}_[A-Z]{2}|[a-z]{3}_[A-Z][a-z]{3}")


@final
class CodedTranslation(CheckpointTask):
    """Translates a text from a language into another by their tokens (M2M100, NLLB, mBART).

    `eng_Latn That is good.` -> `deu_Latn Das ist gut.` in NLLB's tokens (NLLB team 2022, arXiv:2207.04672). The
    decoder begins with the target's token, or is made to write it first, whichever the checkpoint was trained for.
    """

    reads = ("text",)
    writes = "text"
    architectures = ()

    def __init__(self, *, checkpoint: Checkpoint, source: str | None = None, target: str | None = None) -> None:
        """Raises ValueError for a language that the checkpoint does not know, or means several by."""
        tokens = _language_tokens(checkpoint.tokenizer, [source, target])
        self._checkpoint, self._is_told = checkpoint, source is not None
        token = _put(checkpoint.tokenizer, tokens) if source is None else matching(source, tokens)
        self._source = token.strip("_")
        self._tell()
        if _put(checkpoint.tokenizer, tokens) != token:
            raise ValueError(f"{checkpoint.folder}: its tokenizer cannot be told the language of a text")
        self._writer = TextWriter(checkpoint=checkpoint)
        model = checkpoint.model
        start = vars(model.generation_config)["decoder_start_token_id"]
        begins_with_it = start is None or start in tokens.values()
        if target is not None:
            language = tokens[matching(target, tokens)]
            name = "decoder_start_token_id" if begins_with_it else "forced_bos_token_id"
            begin = [language] if begins_with_it else [model.boundaries.start, language]
            self._writer = TextWriter(checkpoint=checkpoint, settings={name: language}, begin=begin)
        elif start not in tokens.values() and vars(model.generation_config)["forced_bos_token_id"] is None:
            raise ValueError("the language to translate into is missing: --to de")

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        self._tell()
        questions = self._writer.read(paths, prompt)
        if self._is_told:
            return questions
        note = f"taken to be {self._source}, for --from does not say"
        return [Question(question.name, question.parts, (note, *question.notes)) for question in questions]

    def answer(self, parts: Sequence[str], decoding: Choice) -> list[Result]:
        self._tell()
        return self._writer.write(parts, decoding)

    def join(self, answers: Sequence[Result]) -> Result:
        return joined(answers)

    def _tell(self) -> None:
        """The tokenizer, which others may have told another language in between, puts the source's token to a text."""
        self._checkpoint.tokenizer.src_lang = self._source


def _put(tokenizer: Any, tokens: Mapping[str, int]) -> str:
    """The language token that a tokenizer puts to a text, or nothing."""
    around = set(tokenizer("")["input_ids"])
    return next((token for token, number in tokens.items() if number in around), "")


def _language_tokens(tokenizer: Any, asked: Iterable[str | None]) -> dict[str, int]:
    """A tokenizer's language tokens -> their ids; M2M100's keeps them out of its vocabulary, so they are asked for."""
    found = {token: number for token, number in tokenizer.get_vocab().items() if _CODE.fullmatch(token)}
    names = {*LANGUAGES.values(), *SPELLINGS, *(name for name in asked if name is not None)}
    for token in sorted(f"__{name}__" for name in names):
        number = tokenizer.convert_tokens_to_ids(token)
        if number is not None and number != tokenizer.unk_token_id:
            found[token] = number
    return found
