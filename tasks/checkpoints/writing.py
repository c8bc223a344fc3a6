"""Text in, text out, by a checkpoint's own tokenizer and generation config."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from unimodal.decoding.generate import LIMIT
from unimodal.decoding.generation_config import FIELDS
from unimodal.generators import Asked
from unimodal.generators.whole import write_whole
from unimodal.layout import stack_ragged
from unimodal.loading.foreign import Checkpoint
from unimodal.samplers import Hypothesis
from unimodal.tasks.checkpoints import Choice, Question, Result
from unimodal.tasks.checkpoints.sentences import cut
from unimodal.tasks.files import read_texts

_LENGTHS = ("max_position_embeddings", "n_positions", "max_encoder_position_embeddings", "max_text_positions")
_UNLIMITED = 1_000_000
"""Tokenizers that know no longest input say a far larger number."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class TextWriter:
    """How a checkpoint is asked: with which words around a text, and which settings over its own."""

    checkpoint: Checkpoint
    before: str = ""
    """Stands before every text."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Fields of a generation config, over the checkpoint's own."""
    begin: Sequence[int] = ()
    """What the decoder reads first where a decoding takes the place of the settings; empty: the checkpoint's start."""

    def specific(self, name: str) -> "TextWriter":
        """With what the checkpoint's `task_specific_params` say of one of its tasks; itself where they do not."""
        found = specific_settings(self.checkpoint, name)
        settings = {name: value for name, value in found.items() if name in FIELDS}
        if "max_length" in settings:
            settings.setdefault("max_new_tokens", None)
        return replace(self, before=found.get("prefix") or self.before, settings={**settings, **self.settings})

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        """Texts of files, or one that is given instead, in pieces that the checkpoint can read at once."""
        return [self.question(name, text.strip()) for name, text in read_texts(paths, prompt).items()]

    def question(self, name: str, text: str, wrap: Callable[[str], str] = str) -> Question:
        """One text in pieces; `wrap` puts each into the words that it is asked with."""
        longest = longest_input(self.checkpoint)

        def fits(piece: str) -> bool:
            return longest is None or len(self.ids(wrap(piece))) <= longest

        try:
            pieces = cut(text, fits)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        several = (f"read in {len(pieces)} pieces, for the checkpoint reads {longest} tokens at once",)
        return Question(name, [wrap(piece) for piece in pieces], several if len(pieces) > 1 else ())

    def ids(self, text: str) -> list[int]:
        """The tokens that the checkpoint reads."""
        # It would warn of a text that is too long, which is cut here.
        ids: list[int] = self.checkpoint.tokenizer(self.before + text, verbose=False)["input_ids"]
        return ids

    def write(self, texts: Sequence[str], decoding: Choice) -> list[Result]:
        """The answer to each text."""
        rows = [torch.tensor(self.ids(text)) for text in texts]
        inputs = {
            "input_ids": stack_ragged(rows, fill=0).to(self.checkpoint.model.device),
            "attention_mask": stack_ragged([torch.ones_like(row) for row in rows], fill=0).to(
                self.checkpoint.model.device
            ),
        }
        return written(self.checkpoint, inputs, decoding, settings=self.settings, begin=self.begin)


def written(
    checkpoint: Checkpoint,
    inputs: Mapping[str, Tensor],
    decoding: Choice,
    *,
    settings: Mapping[str, Any],
    begin: Sequence[int] = (),
) -> list[Result]:
    """The text that a checkpoint writes to each row of transformers' inputs; `settings` and `begin` as TextWriter."""
    began, model = time.perf_counter(), checkpoint.model
    rows = len(next(iter(inputs.values())))
    first = torch.tensor([list(begin)] * rows) if decoding is not None and begin else None
    asked = Asked(
        inputs={"input_ids": None, "attention_mask": None, **inputs},
        decoder_input_ids=first,
        config=None,
        decoding=decoding,
        options={} if decoding is not None else {**_limit(checkpoint, settings), **settings},
    )
    answers = [best for best, *_ in write_whole(model, asked).answers]
    seconds = (time.perf_counter() - began) / rows
    return [_result(checkpoint, answer, seconds) for answer in answers]


def writing(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint itself. Raises, before the work begins, where it has no tokenizer to read its answers with."""
    assert checkpoint.tokenizer is not None
    return checkpoint


def joined(answers: Sequence[Result], between: str = " ") -> Result:
    """One text of several, as they follow each other."""
    if len(answers) == 1:
        return answers[0]
    tokens = tuple(token for answer in answers for token in answer.tokens)
    score = sum((answer.score or 0.0) * len(answer.tokens) for answer in answers) / max(len(tokens), 1)
    text = between.join(str(answer.value) for answer in answers)
    return Result(answers[0].task, text, score, tokens, sum(answer.seconds for answer in answers))


def longest_input(checkpoint: Checkpoint) -> int | None:
    """Tokens that a checkpoint reads at once, by its config and its tokenizer; None where they know no limit."""
    said = [checkpoint.origin.get(name) for name in _LENGTHS] + [checkpoint.tokenizer.model_max_length]
    limits = [int(length) for length in said if length is not None and 0 < length < _UNLIMITED]
    return min(limits, default=None)


def specific_settings(checkpoint: Checkpoint, name: str) -> Mapping[str, Any]:
    """What a config's `task_specific_params` say of one task."""
    found = checkpoint.origin.get("task_specific_params") or {}
    settings = found.get(name) or {} if isinstance(found, Mapping) else found
    if not isinstance(settings, Mapping) or not isinstance(settings.get("prefix") or "", str):
        raise ValueError(f"{checkpoint.folder}: task_specific_params: expected settings by task, got {settings!r}")
    return settings


def _limit(checkpoint: Checkpoint, settings: Mapping[str, Any]) -> dict[str, int]:
    """The longest answer, where nothing else says it: transformers' 20 tokens are too few for people."""
    config = {**vars(checkpoint.model.generation_config), **settings}
    if config.get("max_length") is not None or config.get("max_new_tokens") is not None:
        return {}
    places = checkpoint.origin.get("max_position_embeddings") or _UNLIMITED
    return {"max_new_tokens": min(LIMIT, places - 1)}


def _result(checkpoint: Checkpoint, answer: Hypothesis, seconds: float) -> Result:
    text = checkpoint.tokenizer.decode(list(answer.tokens), skip_special_tokens=True).strip()
    is_whole = bool(answer.tokens) and answer.tokens[-1] in checkpoint.model.boundaries.ends
    notes = () if is_whole else (f"the answer was cut off behind {len(answer.tokens)} tokens",)
    # The task's name is its caller's to say.
    return Result("", text, answer.score / max(len(answer.tokens), 1), answer.tokens, seconds, notes)
