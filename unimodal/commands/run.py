"""`unimodal run`: a task on the user's own files. Everything is read and checked before anything is written."""

import inspect
import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unimodal.catalogue import check_task
from unimodal.commands import Parser

if TYPE_CHECKING:
    from rich.console import Console

    from unimodal.batching import Item
    from unimodal.generate import Decoding
    from unimodal.hub import Result, Unimodal
    from unimodal.task import Task

BATCH = 8
"""Files that are decoded side by side."""
PROGRESS_AFTER = 2.0
"""Seconds after which a progress bar is shown."""


def main(arguments: list[str]) -> int:
    """Answers one question a file."""
    options = _parser().parse_intermixed_args(arguments)  # files may come behind options
    check_task(options.task)

    from rich.console import Console
    from transformers.utils import logging

    from unimodal.generate import decoding_of
    from unimodal.hub import load_own

    logging.disable_progress_bar()  # loading takes no two seconds
    decoding = decoding_of(options.decoding)
    model = load_own(_model(options.model), base=options.base)
    task = model.task(options.task)
    examples = task.read(options.inputs, options.prompt)
    if not examples:
        raise ValueError("there is nothing to read: give a file")
    names = [example.key for example in examples]
    outs = _outs(options.out, task, names)
    items = [model.processor.prompt(task, example) for example in examples]
    is_plain = task.codec is not None and options.out is None and not options.json
    if is_plain and decoding.sampler.streams and sys.stdout.isatty():
        _stream(model, task, names, items, decoding)
        return 0
    results = _answers(model, task, items, decoding, Console(stderr=True))
    if task.codec is None:
        for result, out in zip(results, outs, strict=True):
            _write_sound(result.value, out)
        results = [replace(result, value=out) for result, out in zip(results, outs, strict=True)]
    _show(options, task, names, results)
    return 0


def _parser() -> Parser:
    parser = Parser(prog="unimodal run", description=inspect.cleandoc(__doc__ or ""))
    parser.add_argument("task", metavar="TASK", help="its name: `unimodal tasks` lists them")
    parser.add_argument("inputs", metavar="INPUT", nargs="*", type=Path, help="sounds, pictures, tables, code or text")
    parser.add_argument("--model", metavar="FOLDER|HUB_ID", help="a model's or an adapter's folder; default: runs/demo")
    parser.add_argument("--base", metavar="FOLDER", help="an adapter's base model; default: the folder above it")
    parser.add_argument("--prompt", metavar="TEXT", help="a question about the files, or text instead of files")
    parser.add_argument("--decoding", metavar="NAME", help="a name in configs/decoding: greedy, beam, sample")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the answer here; speech: default INPUT.wav")
    parser.add_argument("--json", action="store_true", help="one JSON object a file")
    return parser


def _model(name: str | None) -> str:
    if name is None and not Path("runs/demo/config.json").is_file():
        raise FileNotFoundError("runs/demo: holds no model; train one with `make demo`, or give --model FOLDER")
    return name or "runs/demo"


def _outs(out: Path | None, task: "Task", names: Sequence[str]) -> list[Path]:
    """Where sound is written, one file an answer; checked before the work begins, as is the file of other answers."""
    if out is not None and out.is_dir():
        raise ValueError(f"{out}: is a folder")
    if out is not None and not out.parent.is_dir():
        raise FileNotFoundError(f"{out.parent}: no such folder")
    if task.codec is not None:
        return []
    if out is not None and len(names) > 1:
        raise ValueError(f"--out: one file cannot hold {len(names)} sounds; without it each lies beside its input")
    return [out or Path(f"{name}.wav") for name in names]


def _answers(
    model: "Unimodal", task: "Task", items: Sequence["Item"], decoding: "Decoding", console: "Console"
) -> list["Result"]:
    """The answers in the order of the items, decoded in batches."""
    results: list[Result] = []
    for first in _late_progress(range(0, len(items), BATCH), console):
        results += model.answer_items(task, items[first : first + BATCH], decoding=decoding)
    return results


def _stream(
    model: "Unimodal", task: "Task", names: Sequence[str], items: Sequence["Item"], decoding: "Decoding"
) -> None:
    """Shows the answers on a terminal while they are written."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    for name, item in zip(names, items, strict=True):
        before = f"{name}: " if len(names) > 1 else ""
        with Live(Text(before), console=console, refresh_per_second=20) as live:
            for result in model.stream(task, item, decoding=decoding):
                live.update(Text(before + result.text))


def _late_progress(batches: range, console: "Console") -> Iterator[int]:
    """The batches, with a progress bar as soon as they have taken two seconds."""
    from time import perf_counter

    from rich.progress import Progress

    progress = Progress(console=console, transient=True)
    bar = progress.add_task("answering", total=len(batches))
    began = perf_counter()
    try:
        for batch in batches:
            yield batch
            progress.advance(bar)
            if perf_counter() - began > PROGRESS_AFTER and not progress.finished:
                progress.start()
    finally:
        if progress.live.is_started:
            progress.stop()


def _write_sound(samples: Any, out: Path) -> None:
    import soundfile

    from unimodal.prenets.spectrogram import RATE

    soundfile.write(out, samples.numpy(), RATE, subtype="PCM_16")


def _show(options: Namespace, task: "Task", names: Sequence[str], results: Sequence["Result"]) -> None:
    """Prints the answers, or writes them to --out where they are no sound."""
    rows = zip(names, results, strict=True)
    if options.json:
        lines = [json.dumps(_row(name, result), ensure_ascii=False, default=str) for name, result in rows]
    elif len(results) == 1:
        lines = [results[0].text]
    else:
        lines = [f"{name}: {result.text}" for name, result in rows]
    if options.out is not None and task.codec is not None:
        options.out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    else:
        print("\n".join(lines))


def _row(name: str, result: "Result") -> dict[str, object]:
    answer = "text" if isinstance(result.value, str) else "value"
    score = None if result.score is None else round(result.score, 4)
    return {
        "input": name,
        "task": result.task,
        answer: result.value,
        "score": score,
        "seconds": round(result.seconds, 3),
    }
