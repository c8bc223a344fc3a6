"""Answers in stages: one about each whole input, then some of every place that it names, side by side."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from unimodal.batching import Item, token_piece
from unimodal.decoding.generate import Decoding
from unimodal.running.shared_source import SharedSource
from unimodal.running.work import Result
from unimodal.task import Staged, Task

if TYPE_CHECKING:
    from unimodal.loading.own import Unimodal

ROWS = 256
"""Answers that are written side by side about places: a page may have a thousand."""


def answer_in_stages(
    model: "Unimodal", task: Task, staged: Staged, items: Sequence[Item], decoding: Decoding
) -> list[Result]:
    """The answers to prompts of a task; every source is encoded once, and what it is read from is never copied.

    A result's tokens are those of all stages, one behind the other, and its score is their mean. Raises ValueError for
    a model whose decoder is told nothing of a source that is encoded once (`unimodal.outputs`).
    """
    began = time.perf_counter()
    if not items:
        return []
    source = SharedSource(model.model, items)
    first = model.written(staged.first, source.prompt(items), decoding)
    places = [list(staged.places(result.value)) for result in first]
    then = [_about(model, task, staged, source, items, places, decoding) for task in staged.then]
    seconds = (time.perf_counter() - began) / len(items)
    results = []
    for number, begun in enumerate(first):
        answers = [part[number] for part in then]
        parts = [begun, *(answer for part in answers for answer in part)]
        value = staged.join(begun.value, [[answer.value for answer in one] for one in zip(*answers, strict=True)])
        results.append(_whole(task.name, value, parts, seconds))
    return results


def _about(
    model: "Unimodal",
    task: Task,
    staged: Staged,
    source: SharedSource,
    items: Sequence[Item],
    places: Sequence[Sequence[Any]],
    decoding: Decoding,
) -> list[list[Result]]:
    """For each input what a task answers about each of its places."""
    own = model.processor.vocabulary.space.id("task", task.tag or task.name)
    asked = [replace(item, task=task.name, prompt=(token_piece([own]), *item.prompt[1:])) for item in items]
    waiting = [(number, _told(model, staged, place)) for number, named in enumerate(places) for place in named]
    answers: list[list[Result]] = [[] for _ in items]
    for rows in _batches(waiting):
        told = [[tokens for number, tokens in rows if number == item] for item in range(len(items))]
        written = model.written(task, source.branches(asked, told), decoding)
        for (number, _), result in zip(rows, written, strict=True):
            answers[number].append(result)
    return answers


def _told(model: "Unimodal", staged: Staged, place: object) -> list[int]:
    """The tokens that a decoder is told of a place."""
    pieces = [model.processor.piece(net, raw) for net, raw in staged.told(place)]
    return [int(id) for piece in pieces for id in piece.arrays["ids"]]


def _batches(rows: Sequence[tuple[int, list[int]]]) -> Iterator[list[tuple[int, list[int]]]]:
    waiting = iter(rows)
    while batch := list(islice(waiting, ROWS)):
        yield batch


def _whole(task: str, value: object, parts: Sequence[Result], seconds: float) -> Result:
    tokens = tuple(token for part in parts for token in part.tokens)
    score = sum((part.score or 0.0) * len(part.tokens) for part in parts) / max(len(tokens), 1)
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return Result(task, value, score, tokens, seconds, notes)
