"""Text with blanks -> what stood there."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import final

import torch

from unimodal.codecs import Codec
from unimodal.codecs.blanks import BLANK, BlankCodec
from unimodal.codecs.characters import CharacterCodec
from unimodal.corruptors import Corruptor
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import best_constant
from unimodal.tasks.columns.text import Text
from unimodal.tasks.files import read_texts
from unimodal.tasks.metrics.errors import CharacterErrorRate
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.order import rank
from unimodal.tasks.unpaired import Sentence
from unimodal.vocabulary import Vocabulary


@final
class TextInfilling(Task):
    """Fills in what a corruptor hid of a sentence; example i hides what is drawn from seed i, so each round is another.

    What is written is the corruptor's to say: the whole sentence (BART), or the blanks alone (T5).

    An example in pieces of a small vocabulary:

        <infill> n o t e b o <sentinel 0> k ▁ t a b s ▁ f o r ▁ <sentinel 0> -> n o t e b o o k ▁ t a b s ▁ f o r ▁ s h
        e e t s <end>
    """

    reads = ("text",)
    writes = "text"
    metric = CharacterErrorRate()

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        sentences: Callable[..., list[Sentence]],
        corruptor: Corruptor,
        codec: Callable[[Vocabulary], Codec[str]] = CharacterCodec,
        net: str = "characters",
        cache: Path | None = None,
        name: str = "infill",
        num_train: int = 100_000,
    ) -> None:
        """`net` reads what `codec` writes: `characters`, or `text` with a TextCodec."""
        self.name, self.net, self.num_train = name, net, num_train
        self.sentences, self.corruptor = sentences, corruptor
        self._vocabulary, self._cache = vocabulary, cache
        self._plain = codec(vocabulary)

    @cached_property
    def codec(self) -> BlankCodec:
        return BlankCodec(self._vocabulary, codec=self._plain, marks=self.corruptor.marks)

    @property
    def schema(self) -> Schema:
        text = Text("a text with blanks, ___", sample="your ___ has been ___warded")
        return Schema({"text": text}, Text("what is to be written", sample="your message has been forwarded"))

    def examples(self, split: str) -> Sequence[Example]:
        known = sorted(self._usable(self.sentences(split=split, cache=self._cache)), key=lambda one: rank(one.key))

        def example(i: int) -> Example:
            round_, place = divmod(i, len(known))
            one = known[place]
            drawn = self.corruptor.corrupt(self._plain.encode(one.text), torch.Generator().manual_seed(i))
            source, target = self.codec.decode(drawn.source), self.codec.decode(drawn.target)
            return Example(f"{one.group}#{one.key}~{round_}", {"text": source}, target)

        return OnDemand(example, length=self.num_train if split == "train" else len(known))

    def _usable(self, sentences: Sequence[Sentence]) -> list[Sentence]:
        """Those without blanks, of letters that have a piece: others are bytes, of which a blank could hide a half."""
        letters = {letter for one in sentences for letter in one.text}
        whole = {letter for letter in letters if len(self._plain.encode(letter)) == 1}
        return [one for one in sentences if BLANK not in one.text and whole.issuperset(one.text)]

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [(self.net, torch.tensor(self.codec.encode(str(example.inputs["text"]))))]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        return [Example(name, {"text": text.strip()}) for name, text in read_texts(paths, prompt).items()]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {
            "what is shown": lambda example: str(example.inputs["text"]).replace(BLANK, ""),
            "best constant": best_constant(train, self.metric),
        }
