"""CTranslate2's Translator over the same weights, which its own converter read from transformers' files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, final

from scripts.contenders import Answerer, Contender, Rows

FOLDER = "ctranslate2"


@final
class CTranslate2Translator(Contender):
    """Of its backends it takes the one that it chooses for the processor (oneDNN on AMD's, MKL on Intel's)."""

    library = "CTranslate2"

    def __init__(self, name: str, *, numbers: str = "float32") -> None:
        self.name, self.numbers = name, numbers
        self.weight_bytes = {"float32": 4.0, "int8": 1.0}[numbers]

    def open(self, folder: Path, threads: int) -> Callable[[], Answerer]:
        import ctranslate2

        def loaded() -> Answerer:
            translator = ctranslate2.Translator(
                str(folder / FOLDER), compute_type=self.numbers, inter_threads=1, intra_threads=threads
            )
            return _Loaded(translator)

        return loaded


def convert(folder: Path) -> None:
    """Writes CTranslate2's form of a checkpoint into the checkpoint's folder."""
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(folder)).convert(str(folder / FOLDER), force=True)


@final
class _Loaded(Answerer):
    def __init__(self, translator: Any) -> None:
        self.translator = translator

    def answer(self, source: Rows, *, width: int, num_tokens: int) -> Rows:
        rows = [[f"<{token}>" for token in row] for row in source]
        found = self.translator.translate_batch(rows, beam_size=width, max_decoding_length=num_tokens)
        return [[int(token[1:-1]) for token in result.hypotheses[0]] for result in found]

    def encode(self, source: Rows) -> None:
        raise NotImplementedError("a Translator does not run its encoder alone")
