"""English -> another language."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.codecs.text import TextCodec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import best_constant
from unimodal.tasks.columns.text import Text
from unimodal.tasks.corpora.catalogues import Catalogues, SentencePair
from unimodal.tasks.files import read_texts
from unimodal.tasks.metrics.overlap import ChrF
from unimodal.tasks.order import mixed
from unimodal.vocabulary import Vocabulary

LEAST_WORDS = 2


@final
class Translation(Task):
    """Translates what programs say to their users; the name of the task, `translate_fr`, is the language's tag.

    An example in pieces of a small vocabulary:

        <translate_fr> G r a m p le t ▁p r o vid ing ▁a ▁c it ation ▁f i l ter -> G r a m p le t ▁f ou r n is s
        an t ▁un ▁f i l t re ▁su r ▁ l a ▁c it ation <end>
    """

    reads = ("text",)
    writes = "text"
    metric = ChrF()

    def __init__(
        self, *, vocabulary: Vocabulary, cache: Path | None = None, language: str = "fr", max_words: int = 16
    ) -> None:
        self.name, self.language, self.max_words = f"translate_{language}", language, max_words
        self._vocabulary, self._cache = vocabulary, cache

    @cached_property
    def codec(self) -> TextCodec:
        return TextCodec(self._vocabulary)

    @property
    def schema(self) -> Schema:
        text = Text("an English sentence", sample="Cannot open the file")
        return Schema({"text": text}, Text("the same in the task's language", sample="Impossible d'ouvrir le fichier"))

    def examples(self, split: str) -> list[Example]:
        corpus = Catalogues(self.language)
        pairs = filter(self._has_usual_length, corpus.examples(split, self._cache))
        return mixed(
            Example(f"{corpus.group(pair)}#{pair.program}", {"text": pair.source}, pair.target) for pair in pairs
        )

    def _has_usual_length(self, pair: SentencePair) -> bool:
        source, target = len(pair.source.split()), len(pair.target.split())
        return LEAST_WORDS <= source <= self.max_words and target <= 2 * self.max_words

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("text", example.inputs["text"])]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        return [Example(name, {"text": text.strip()}) for name, text in read_texts(paths, prompt).items()]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"copy": lambda example: example.inputs["text"], "best constant": best_constant(train, self.metric)}
