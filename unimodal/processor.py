"""The processor: raw examples of tasks -> items that a model's batches are made of. It holds no parameters."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor
from transformers.utils.hub import PushToHubMixin

from unimodal.batching import Item, Piece, token_piece
from unimodal.build import build
from unimodal.loading.folder import find_folder, read_json
from unimodal.modality import Processor
from unimodal.task import Example, Task
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary

PIECES_FILE = "tokenizer.model"
SPEC_FILE = "processor_config.json"


@final
class UnimodalProcessor(PushToHubMixin):
    """One Processor for each net of the model, and the vocabulary that they share."""

    def __init__(self, specs: Mapping[str, Any], vocabulary: Vocabulary) -> None:
        self.specs = dict(specs)
        self.vocabulary = vocabulary
        self.nets: dict[str, Processor] = build(
            self.specs, dict[str, Processor], where="config.processors", vocabulary=vocabulary
        )

    def piece(self, net: str, raw: object) -> Piece:
        """One raw value, as its net reads it."""
        arrays = self._arrays(net, raw)
        return Piece(net, arrays, self.nets[net].positions(arrays))

    def _arrays(self, net: str, raw: object) -> dict[str, Tensor]:
        if net not in self.nets:
            raise ValueError(f"the model reads no {net}: it has {', '.join(sorted(self.nets))}")
        return self.nets[net](raw)

    def prompt(self, task: Task, example: Example, *, tag: object = None) -> Item:
        """What is read for a question: the task's tag, then its pieces; what the writing net is given stands beside.

        `tag`: what the net `tag` reads in its place, such as two tags mixed.
        """
        own = self.vocabulary.space.id("task", task.tag or task.name)
        first = token_piece([own]) if tag is None else self.piece("tag", tag)
        pairs = task.prompt(example)
        written = None if task.codec is not None else task.writes
        pieces = [self.piece(net, raw) for net, raw in pairs if net != written]
        beside = {} if written is None or written not in self.nets else dict(self.nets[written].beside)
        for net, raw in pairs:
            if net == written:
                beside |= self._arrays(net, raw)
        return Item(task.name, (first, *pieces), beside=beside)

    def example(self, task: Task, example: Example) -> Item:
        """A question with its answer, as a decoder is taught it.

        `read` of the digits 407: the prompt is `<read>` and the image's patches, the decoder reads `<start> 4 0 7` and
        its labels are `4 0 7 <end>`. Of a task that is answered in stages all questions about the example are taught,
        and what they have in common is read once. Raises ValueError where it does not say what they are.
        """
        if task.staged is None:
            return self._with_answer(task, example, self.prompt(task, example))
        (first, question), *others = task.staged.lessons(example)
        whole = self._with_answer(first, question, self.prompt(first, question))
        return replace(whole, also=tuple(self._also(part, one, question) for part, one in others))

    def _also(self, task: Task, example: Example, read: Example) -> Item:
        """A question about inputs that are read already: what it asks besides those, and its answer."""
        own = token_piece([self.vocabulary.space.id("task", task.tag or task.name)])
        known = {id(raw) for raw in read.inputs.values()}
        told = [self.piece(net, raw) for net, raw in task.prompt(example) if id(raw) not in known]
        return self._with_answer(task, example, Item(task.name, (own, *told)))

    def _with_answer(self, task: Task, example: Example, asked: Item) -> Item:
        if task.codec is None:
            return replace(asked, answer=self.piece(task.writes, example.answer))
        labels = [*task.codec.encode(example.answer), self.vocabulary.space.end]
        answer = token_piece([self.vocabulary.space.start, *labels[:-1]], net=task.writes)
        return replace(asked, answer=answer, labels=torch.tensor(labels))

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> None:
        """Writes the text pieces and the specs of the nets beside a model; transformers' options mean nothing here."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        self.vocabulary.pieces.save(folder / PIECES_FILE)
        specs = {
            "processor_class": type(self).__name__,
            "vocabulary": self.vocabulary.space.ranges,
            "processors": self.specs,
        }
        (folder / SPEC_FILE).write_text(json.dumps(specs, indent=2) + "\n")

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> "UnimodalProcessor":
        """The processor of a model's folder or Hub id; what AutoProcessor adds to that is not needed."""
        folder = find_folder(pretrained_model_name_or_path)
        specs = read_json(folder / SPEC_FILE)
        for name, kind in (("vocabulary", list), ("processors", dict)):
            if not isinstance(specs.get(name), kind):
                raise ValueError(f"{folder / SPEC_FILE}: {name}: expected a {kind.__name__}")
        if not (folder / PIECES_FILE).is_file():
            raise FileNotFoundError(f"{folder / PIECES_FILE}: not there; is {folder} a model's folder?")
        space = build({"class": "unimodal.vocabulary.TokenSpace", "ranges": specs["vocabulary"]}, TokenSpace, SPEC_FILE)
        return cls(specs["processors"], Vocabulary(space, TextPieces.load(folder / PIECES_FILE)))
