"""How often narrow numbers name the same next token as float32: python scripts/bench_agreement.py [FOLDER]

A model of ours reads the held-out examples of its tasks; a decoder's checkpoint (default: SmolLM2-135M, fetched) reads
real text, the docstrings of Python's library or the files of --text. A model of ours is also read through a cache whose
keys and values have eight bits, with all bits in its weights. Writes runs/bench_agreement.json.
"""

import argparse
import importlib
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from unimodal.batching import IGNORED, Padded
from unimodal.caches import Cache
from unimodal.caches.once import Once
from unimodal.caches.quantized import Quantized
from unimodal.loading.foreign import Checkpoint
from unimodal.loading.hub import load
from unimodal.loading.own import Unimodal
from unimodal.losses import token_losses
from unimodal.measuring.machine import describe_run
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.task import TaskUnavailable
from unimodal.tasks.pretrained import SMOLLM2

DTYPES = ("bfloat16", "int8", "int4")
WINDOW = 256
LIBRARY = ("argparse", "asyncio", "decimal", "json", "random", "statistics", "tarfile", "textwrap", "typing", "zipfile")
CONSOLE = Console(stderr=True)
Scores = Callable[[UnimodalForConditionalGeneration], tuple[Tensor, Tensor]]
"""A model -> scores [n, v] of one text's next tokens, and the tokens [n] that really follow."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="a model of ours, or a decoder's checkpoint")
    parser.add_argument("--text", type=Path, nargs="*", default=[], help="files for the checkpoint to read")
    parser.add_argument("--limit", type=int, default=32, help="windows of a text, examples of each task")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/bench_agreement.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = SMOLLM2.fetch() if options.folder is None else options.folder
    plain = load(folder, dtype="float32")
    assert isinstance(plain, Unimodal | Checkpoint), f"{folder}: reads no tokens"
    given = list(held_out(plain, options.limit, Once) if isinstance(plain, Unimodal) else windows(plain, options))
    expected = [answers(plain.model, scores) for scores in track(given, "float32", console=CONSOLE)]
    results = {}
    if isinstance(plain, Unimodal):
        given_cached = held_out(plain, options.limit, Quantized)
        found = [answers(plain.model, scores) for scores in track(list(given_cached), "cache", console=CONSOLE)]
        results["int8 cache"] = compare(expected, found)
    for dtype in DTYPES:
        narrow = load(folder, dtype=dtype)
        assert isinstance(narrow, Unimodal | Checkpoint)
        found = [answers(narrow.model, scores) for scores in track(given, dtype, console=CONSOLE)]
        results[dtype] = compare(expected, found)
    report(results)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        json.dumps({**describe_run("torch"), "model": folder.name, **results}, indent=2) + "\n", encoding="utf-8"
    )


@dataclass(frozen=True, eq=False)
class Answers:
    """The likeliest tokens of one text, and the losses of the real ones."""

    likeliest: Tensor
    losses: Tensor


@torch.inference_mode()
def answers(model: UnimodalForConditionalGeneration, scores: Scores) -> Answers:
    logits, labels = scores(model)
    return Answers(logits.float().argmax(-1), token_losses(logits.float(), labels))


def compare(expected: list[Answers], found: list[Answers]) -> dict[str, float]:
    same = torch.cat([one.likeliest == other.likeliest for one, other in zip(expected, found, strict=True)])
    return {
        "same next token": float(same.double().mean()),
        "tokens": len(same),
        "loss": float(torch.cat([one.losses for one in found]).mean()),
        "float32's loss": float(torch.cat([one.losses for one in expected]).mean()),
    }


def held_out(model: Unimodal, limit: int, cache: Callable[[int, torch.device], Cache]) -> Iterator[Scores]:
    """The first test examples of every task that the model was taught and that writes tokens, read through a cache."""
    space = model.processor.vocabulary.space
    for name in (space.name(tag) for tag in space.ids("task")):
        task = model.task(name)
        try:
            examples = task.examples("test")[:limit] if task.codec is not None else []
        except TaskUnavailable:
            continue
        for example in examples:
            item = model.processor.example(task, example)
            batch = model.model.arrangement.batch([item], Padded(), model.model.kinds)

            def scores(narrow: UnimodalForConditionalGeneration, batch: Any = batch) -> tuple[Tensor, Tensor]:
                taught = batch.labels != IGNORED
                _, memories = ({}, {}) if batch.source is None else narrow.encode(batch.source)
                read = narrow.decode(batch.target, memories, cache(len(taught), taught.device))
                return narrow.logits(read.last[taught]), batch.labels[taught]

            yield scores


def windows(checkpoint: Checkpoint, options: argparse.Namespace) -> Iterator[Scores]:
    """Windows of the texts in turns, so that every text is read."""
    texts = [file.read_text(encoding="utf-8") for file in options.text] or list(docstrings())
    pieces = [checkpoint.tokenizer(text, return_tensors="pt")["input_ids"][0].split(WINDOW) for text in texts]
    turns = [rows[number] for number in range(max(map(len, pieces))) for rows in pieces if number < len(rows)]
    for window in [window for window in turns if len(window) > WINDOW // 4][: options.limit]:

        def scores(narrow: UnimodalForConditionalGeneration, window: Tensor = window) -> tuple[Tensor, Tensor]:
            return narrow(input_ids=window[None, :-1]).logits[0], window[1:]

        yield scores


def docstrings() -> Iterator[str]:
    for name in LIBRARY:
        parts = vars(importlib.import_module(name)).values()
        found = {inspect.getdoc(part) or "" for part in parts if callable(part)}
        yield "\n\n".join(sorted(text for text in found if len(text) > 200))


def report(results: dict[str, dict[str, float]]) -> None:
    table = Table("", *results)
    for name in next(iter(results.values())):
        table.add_row(name, *(f"{values[name]:.5g}" for values in results.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
