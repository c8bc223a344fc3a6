"""`unimodal run`: a task on the user's own files. Everything is read and checked before anything is written."""

import inspect
import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unimodal.annotations import FORMATS, Annotation, draw
from unimodal.catalogue import check_task, checkpoint_task_names, task_names
from unimodal.commands import Parser
from unimodal.loading.own_tasks import read_tasks

if TYPE_CHECKING:
    from rich.console import Console

    from unimodal.running.work import Result, Work

OPTIONS = ("source", "target", "timestamps", "voice", "vocoder", "chunk_length_s")
"""Of single tasks; each takes its own and refuses the others."""
PROGRESS_AFTER = 2.0
"""Seconds after which a progress bar is shown."""


def main(arguments: list[str]) -> int:
    """Answers one question a file."""
    options = _parser().parse_intermixed_args(arguments)  # files may come behind options
    _check_task(options.task, options.model)

    from rich.console import Console
    from transformers.utils import logging

    from unimodal.decoding.generate import find_decoding
    from unimodal.loading.hub import load_asked
    from unimodal.running.work import perform

    logging.disable_progress_bar()  # loading takes no two seconds
    decoding = None if options.decoding is None else str(find_decoding(options.decoding))
    model = load_asked(_model(options.model), base=options.base)
    chosen = {name: getattr(options, name) for name in OPTIONS}
    work = model.prepare(options.task, options.inputs, prompt=options.prompt, options=chosen)
    if not work.size:
        raise ValueError("there is nothing to read: give a file")
    outs = _outs(options.out, work)
    if options.out is None and not options.json and sys.stdout.isatty() and _stream(work, decoding):
        return 0
    console = Console(stderr=True)
    results = perform(work, decoding, batches=lambda batches: _late_progress(batches, console))
    if work.is_sound:
        for result, out in zip(results, outs, strict=True):
            _write_sound(result.value, out)
        results = [replace(result, value=out) for result, out in zip(results, outs, strict=True)]
    elif work.annotations is not None and outs:
        _write_picture(work.names[0], work.annotations(results[0].value), outs[0])
    _show(options, work, results, to=None if outs else options.out)
    return 0


def _check_task(name: str, model: str | None) -> None:
    """Raises ValueError for a task that nobody knows; a model on the Hub may have tasks of its own."""
    folder = Path(model or ".")
    if model is None or folder.is_dir():
        check_task(name, sorted({*task_names(), *checkpoint_task_names(), *read_tasks(folder)}))


def _parser() -> Parser:
    parser = Parser(prog="unimodal run", description=inspect.cleandoc(__doc__ or ""))
    parser.add_argument("task", metavar="TASK", help="its name: `unimodal tasks` lists them")
    parser.add_argument("inputs", metavar="INPUT", nargs="*", type=Path, help="sounds, pictures, tables, code or text")
    parser.add_argument("--model", metavar="FOLDER|HUB_ID", help="a model's or an adapter's folder; default: runs/demo")
    parser.add_argument("--base", metavar="FOLDER", help="an adapter's base model; default: the folder above it")
    parser.add_argument("--prompt", metavar="TEXT", help="a question about the files, or text instead of files")
    parser.add_argument("--from", metavar="LANGUAGE", dest="source", help="of the input: de, German")
    parser.add_argument("--to", metavar="LANGUAGE", dest="target", help="of a translation")
    parser.add_argument("--timestamps", action="store_true", default=None, help="when each sentence was said")
    parser.add_argument(
        "--chunk-length-s", metavar="SECONDS", type=float, help="of the windows in which long recordings are heard"
    )
    parser.add_argument(
        "--voice", metavar="FILE", type=Path, help="who speaks: a recording, or the numbers of a voice (.npy)"
    )
    parser.add_argument(
        "--vocoder", metavar="FOLDER|HUB_ID", help="a HiFi-GAN that makes the sound; default: Griffin-Lim"
    )
    parser.add_argument("--decoding", metavar="NAME", help="greedy, beam, joint, sample, or a YAML file")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="gets the answer, or a picture (.png) of it; speech: INPUT.wav",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a file")
    return parser


def _model(name: str | None) -> str:
    if name is None and not Path("runs/demo/config.json").is_file():
        raise FileNotFoundError("runs/demo: holds no model; train one with `make demo`, or give --model FOLDER")
    return name or "runs/demo"


def _outs(out: Path | None, work: "Work") -> list[Path]:
    """Where sound or a picture is written, a file an answer; checked before the work begins, as are other files."""
    if out is not None and out.is_dir():
        raise ValueError(f"{out}: is a folder")
    if out is not None and not out.parent.is_dir():
        raise FileNotFoundError(f"{out.parent}: no such folder")
    is_picture = out is not None and out.suffix.lower() in FORMATS
    if is_picture and work.annotations is None:
        raise ValueError(f"--out: {out} would be a picture, and this task's answers have no places to draw in one")
    if out is not None and len(work.names) > 1 and is_picture:
        raise ValueError(f"--out: one file cannot hold {len(work.names)} pictures; ask about one")
    if out is not None and len(work.names) > 1 and work.is_sound:
        raise ValueError(f"--out: one file cannot hold {len(work.names)} sounds; without it each lies beside its input")
    if work.is_sound:
        return [out or Path(f"{name}.wav") for name in work.names]
    return [out] if out is not None and is_picture else []


def _stream(work: "Work", decoding: str | None) -> bool:
    """Shows the answers on a terminal while they are written; whether they can be."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    for part, name in enumerate(work.names):
        growing = work.stream(part, decoding)
        if growing is None:
            return False
        before = f"{name}: " if len(work.names) > 1 else ""
        with Live(Text(before), console=console, refresh_per_second=20) as live:
            for result in growing:
                live.update(Text(before + result.text))
    return True


def _late_progress(batches: range, console: "Console") -> Iterator[int]:
    """The batches, with a bar, rate and time left as soon as they have taken two seconds."""
    from time import perf_counter

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]:.1f} parts/s")
    columns = (TextColumn("answering"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True)
    bar = progress.add_task("answering", total=batches.stop, rate=0.0)
    began = perf_counter()
    try:
        for batch in batches:
            yield batch
            done, passed = min(batch + batches.step, batches.stop), perf_counter() - began
            progress.update(bar, completed=done, rate=done / passed)
            if passed > PROGRESS_AFTER and not progress.finished:
                progress.start()
    finally:
        if progress.live.is_started:
            progress.stop()


def _write_sound(samples: Any, out: Path) -> None:
    import soundfile

    from unimodal.prenets.spectrogram import RATE

    soundfile.write(out, samples.numpy(), RATE, subtype="PCM_16")


def _write_picture(name: str, annotations: Sequence[Annotation], out: Path) -> None:
    from unimodal.prenets.pixels import read_picture

    draw(read_picture(name), annotations).save(out)


def _read(result: "Result", work: "Work") -> str:
    """An answer as people read it; what points at places, a line each."""
    if work.annotations is None:
        return result.text
    return "\n".join(map(str, work.annotations(result.value))) or "nothing found"


def _show(options: Namespace, work: "Work", results: Sequence["Result"], *, to: Path | None) -> None:
    """Prints the answers, or writes them to a file; notes go beside them."""
    rows = list(zip(work.names, results, strict=True))
    for name, result in rows:
        for note in result.notes:
            print(f"unimodal: {name}: {note}", file=sys.stderr)
    if options.json:
        lines = [json.dumps(_row(name, result), ensure_ascii=False, default=_plain) for name, result in rows]
    elif len(results) == 1:
        lines = [_read(results[0], work)]
    else:
        lines = [f"{name}: {_read(result, work)}" for name, result in rows]
    if to is not None:
        to.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    else:
        print("\n".join(lines))


def _row(name: str, result: "Result") -> dict[str, object]:
    answer = "text" if isinstance(result.value, str) else "value"
    score = None if result.score is None else round(result.score, 4)
    row = {
        "input": name,
        "task": result.task,
        answer: result.value,
        "score": score,
        "seconds": round(result.seconds, 3),
    }
    found = {"passages": [asdict(passage) for passage in result.passages], "notes": result.notes}
    return {**row, **{name: value for name, value in found.items() if value}}


def _plain(value: object) -> object:
    """A task's own type as JSON has it."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
