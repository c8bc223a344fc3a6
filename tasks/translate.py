"""One language -> another."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.codecs.text import TextCodec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import best_constant
from unimodal.tasks.columns.text import Text
from unimodal.tasks.corpora.catalogues import ENGLISH, Catalogues, SentencePair
from unimodal.tasks.files import read_texts
from unimodal.tasks.metrics.overlap import ChrF
from unimodal.tasks.order import mixed
from unimodal.vocabulary import Vocabulary

LEAST_WORDS = 2
SAMPLES = {
    ENGLISH: "Cannot open the file",
    "de": "Die Datei lässt sich nicht öffnen",
    "es": "No se puede abrir el archivo",
    "fr": "Impossible d'ouvrir le fichier",
    "gl": "Non se pode abrir o ficheiro",
    "ru": "Не удаётся открыть файл",
}


@final
class Translation(Task):
    """Translates what programs say to their users, into the language of its tag, whichever language it reads.

    The language that is read is never named, so a model that was taught `translate_fr` from English, and to read German
    for another tag, can be asked for French of a German sentence (Johnson et al. 2017, 1611.04558). Directions into one
    language share its tag; they are tasks of their own for mixtures and losses.

    An example in pieces of a small vocabulary:

        <translate_fr> G r a m p le t ▁p r o vid ing ▁a ▁c it ation ▁f i l ter -> G r a m p le t ▁f ou r n is s
        an t ▁un ▁f i l t re ▁su r ▁ l a ▁c it ation <end>
    """

    reads = ("text",)
    writes = "text"
    metric = ChrF()

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        cache: Path | None = None,
        name: str | None = None,
        language: str = "fr",
        source: str = ENGLISH,
        max_words: int = 16,
    ) -> None:
        """The name is the tag's where English is read, `translate_de_fr` where German is, unless another is given."""
        self.tag = f"translate_{language}"
        self.name = name or (self.tag if source == ENGLISH else f"translate_{source}_{language}")
        self.language, self.source, self.max_words = language, source, max_words
        self._vocabulary, self._cache = vocabulary, cache

    @cached_property
    def codec(self) -> TextCodec:
        return TextCodec(self._vocabulary)

    @property
    def schema(self) -> Schema:
        read = "an English sentence" if self.source == ENGLISH else f"a sentence in the language {self.source}"
        texts = [
            Text(wants, sample=SAMPLES.get(language, SAMPLES["fr"]))
            for wants, language in ((read, self.source), ("the same in the task's language", self.language))
        ]
        return Schema({"text": texts[0]}, texts[1])

    def examples(self, split: str) -> list[Example]:
        corpus = Catalogues(self.language, source=self.source)
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
