"""Speech -> what was said, word for word, and -> the subtitle that an editor would write.

Most examples have only one of the two texts; those of a manifest may have both.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from random import Random
from typing import Any, final

import torch

from unimodal.codecs.text import TextCodec
from unimodal.data.columns import Files
from unimodal.data.manifest import read_rows
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import best_constant, constant
from unimodal.tasks.clips import read_sounds, sound
from unimodal.tasks.columns.sound import Sound
from unimodal.tasks.columns.spoken import Spoken
from unimodal.tasks.columns.text import Text
from unimodal.tasks.corpora.asterisk import Asterisk
from unimodal.tasks.corpora.splits import split_of
from unimodal.tasks.files import refuse_prompt
from unimodal.tasks.metrics.errors import WordErrorRate
from unimodal.tasks.metrics.written import WrittenErrorRate
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.transcripts import spoken_form
from unimodal.tasks.worlds.announcements import CLIPS, Announcements, Word
from unimodal.vocabulary import Vocabulary

LANGUAGE = "en"
QUIET = 0.02
"""Of a clip's loudest sample: what is quieter at its ends is silence."""
TEXTS = ("verbatim", "subtitle")


class Broadcast(Task):
    """One of the two texts of spoken announcements; abstract.

    Made of recorded words of one studio speaker, with slips of the tongue and hiss (`tasks.worlds.announcements`),
    unless `manifest` names JSON lines of one's own, `{"speech": "clip.wav", "verbatim": "...", "subtitle": "..."}`, of
    which either text may be missing but not both. Rows of one `group`, or else of one file, are in one split.
    """

    reads = ("speech",)
    writes = "text"

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        cache: Path | None = None,
        num_train: int = 20_000,
        num_test: int = 200,
        verbatim_share: float = 0.05,
        max_seconds: float = 20.0,
        manifest: Path | None = None,
    ) -> None:
        """`num_test` is also the number of announcements for validation; `max_seconds` are those of a user's sound.

        Of the announcements for training, `verbatim_share` have the verbatim text alone, all others the subtitle alone.
        """
        if not 0 < verbatim_share < 1:
            raise ValueError(f"verbatim_share: expected a share between 0 and 1, got {verbatim_share:g}")
        self.sizes = {"train": num_train, "validation": num_test, "test": num_test}
        self.verbatim_share, self.max_seconds, self.manifest = verbatim_share, max_seconds, manifest
        self._vocabulary, self._cache = vocabulary, cache

    @property
    @abstractmethod
    def field(self) -> str:
        """Which of TEXTS the task writes."""

    @final
    @cached_property
    def codec(self) -> TextCodec:
        return TextCodec(self._vocabulary)

    @final
    def examples(self, split: str) -> Sequence[Example]:
        if self.manifest is not None:
            return self._own(self.manifest, split)
        world = Announcements(recorded_words(self._cache), split=split)
        seeds = [seed for seed in range(self.sizes[split]) if split != "train" or self._has_text(seed)]

        def example(place: int) -> Example:
            made = world.draw(seeds[place])
            text = {"verbatim": made.verbatim, "subtitle": made.subtitle}[self.field]
            return Example(f"{made.subtitle}#{split}.{seeds[place]}", {"speech": made.sound}, text)

        return OnDemand(example, length=len(seeds))

    def _has_text(self, seed: int) -> bool:
        """Whether the announcement for training that is drawn from a seed has the text of this task."""
        is_verbatim = Random(f"text {seed}").random() < self.verbatim_share
        return is_verbatim == (self.field == "verbatim")

    def _own(self, manifest: Path, split: str) -> Sequence[Example]:
        column, files = self.schema.answer, Files(manifest.parent)
        rows = [row for row in text_rows(manifest) if row[self.field] and split_of(row["group"]) == split]

        def example(place: int) -> Example:
            row = rows[place]
            heard = Sound(self.max_seconds).read(row["speech"], files)
            return Example(f"{row['group']}#{row['line']}", {"speech": heard}, column.read(row[self.field], files))

        return OnDemand(example, length=len(rows))

    @final
    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("speech", sound(example.inputs["speech"]))]

    @final
    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        return read_sounds(paths)

    @final
    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"best constant": best_constant(train, self.metric), "nothing": constant("")}


@final
class VerbatimTranscription(Broadcast):
    """Writes down all that is said in an announcement, slips and repeats too: lower case, no figures, no punctuation.

    An example in pieces of a small vocabulary:

        <verbatim> [speech: 91 entries] -> in c o m ing ▁ca ll ▁from ▁ex t en sion ▁f ou r ▁f ive ▁f ou r <end>
    """

    name = "verbatim"
    metric = WordErrorRate()
    field = "verbatim"

    @property
    def schema(self) -> Schema:
        return Schema(
            {"speech": Sound(self.max_seconds)}, Spoken(LANGUAGE, sample="you have oh three three new messages")
        )


@final
class Subtitling(Broadcast):
    """Writes an announcement as one would read it: without slips, cased, punctuated, numbers in figures.

    An example in pieces of a small vocabulary:

        <subtitle> [speech: 91 entries] -> I n c o m ing ▁ca ll ▁from ▁ex t en sion ▁ 4 5 4 . <end>
    """

    name = "subtitle"
    metric = WrittenErrorRate()
    field = "subtitle"

    @property
    def schema(self) -> Schema:
        return Schema({"speech": Sound(self.max_seconds)}, Text("a subtitle", sample="You have 3 new messages."))


def texts(limit: int = 2000, cache: Path | None = None) -> Iterator[str]:
    """Both texts of announcements for training: what text pieces are learned from."""
    world = Announcements(recorded_words(cache), split="train")
    for seed in range(limit):
        yield from world.texts(seed)


@lru_cache
def recorded_words(cache_folder: Path | None) -> Mapping[str, Word]:
    """The clips that announcements are made of, by their keys."""
    words: dict[str, Word] = {}
    for split in ("train", "validation", "test"):
        for prompt in Asterisk().examples(split, cache_folder):
            if prompt.language == LANGUAGE and prompt.key in CLIPS:
                samples = sound(prompt.speech).samples
                loud = torch.nonzero(samples.abs() > QUIET * samples.abs().max())[:, 0]
                trimmed = samples[int(loud[0]) : int(loud[-1]) + 1]
                words[prompt.key] = Word(spoken_form(prompt.text, LANGUAGE), trimmed / trimmed.abs().max())
    return words


def text_rows(manifest: Path) -> list[dict[str, Any]]:
    """The rows of a manifest with `line` and `group`; a text that is not there is None.

    Raises ValueError that names the first row that cannot be used, one with neither text among them.
    """
    rows, rejected = read_rows(manifest)
    if rejected:
        raise ValueError(f"{manifest}, line {rejected[0].line}: {rejected[0].reason}")
    found = []
    for row in rows:
        values = {name: row.values.get(name) for name in ("speech", *TEXTS)}
        wrong = [name for name, value in values.items() if value is not None and not isinstance(value, str)]
        if wrong or not values["speech"]:
            raise ValueError(f"{manifest}, line {row.line}: {(*wrong, 'speech')[0]}: expected a string")
        if not any((values[name] or "").strip() for name in TEXTS):
            raise ValueError(f"{manifest}, line {row.line}: has neither a verbatim text nor a subtitle")
        found.append({**values, "line": row.line, "group": row.values.get("group", values["speech"])})
    return found
