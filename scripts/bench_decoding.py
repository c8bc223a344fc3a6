"""How fast answers are written, beside transformers and CTranslate2, in turns in one run: `make bench`.

Two shapes with random weights, the same for all: T5-small and BART-base. A source has 128 tokens and an answer 128: the
end token's score is 0 by its weights, where the best is always above. Every contender runs in a process of its own and
gets other sources in every round. Tokens a second are of whole calls, the encoder's pass included; the time to the
first token is that of a call that asks for one. Decoding's share of the limit is of the tokens behind the first: the
bytes that a step cannot help reading (weights, keys, values), times steps a second, over the bandwidth of this run.

Writes runs/bench_decoding.json, from which `scripts/benchmarks.py` makes docs/benchmarks.md. `--quick` shows that it
runs, with tiny models and without CTranslate2; its figures mean nothing.
"""

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from rich.console import Console
from rich.table import Table

from scripts.contenders import Contender, Rows
from scripts.contenders.ctranslate2_translator import CTranslate2Translator, convert
from scripts.contenders.ours import Ours
from scripts.contenders.transformers_generate import TransformersGenerate
from scripts.decoding_shapes import SHAPES, Shape, Traffic
from scripts.workers import Reply, Request, Worker
from unimodal.measuring.machine import describe_run, read_bandwidth
from unimodal.measuring.measure import Spread

REFERENCE = TransformersGenerate("transformers")
"""Whose ids the others' are compared with."""
JOINED, REORDERED = "unimodal.rewrites.joined.Joined", "unimodal.rewrites.reordered.Reordered"
COMPILED = "unimodal.captures.compiled.Compiled"
CONTENDERS: tuple[Contender, ...] = (
    REFERENCE,
    TransformersGenerate("transformers, compiled", compiled=True),
    CTranslate2Translator("CTranslate2"),
    CTranslate2Translator("CTranslate2, int8", numbers="int8"),
    Ours("unimodal"),
    Ours("unimodal, fast", rewrites=(JOINED, REORDERED), decoding={"capture": {"class": COMPILED}}),
    Ours("unimodal, int8", numbers="int8"),
    Ours("unimodal, int8, fast", numbers="int8", rewrites=(JOINED,), decoding={"capture": {"class": COMPILED}}),
    Ours("unimodal, int4, joined", numbers="int4", rewrites=(JOINED,)),
)
QUICK = ("transformers", "unimodal")
READY, FIRST, LATER = 300.0, 600.0, 120.0
"""Seconds that loading, a first call (compiling, too) and a later call may take; then a contender is left out."""
WARMED_AT_ONCE = 2
"""Contenders that warm up side by side, while nothing is measured."""
WARM_TOKENS = 8


@final
@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is asked, and how often; without beams (`width` 0) the encoder alone."""

    name: str
    rows: int
    width: int
    rounds: int


SETTINGS = (
    Setting(name="greedy, batch 1", rows=1, width=1, rounds=5),
    Setting(name="greedy, batch 8", rows=8, width=1, rounds=3),
    Setting(name="beam 4, batch 8", rows=8, width=4, rounds=2),
    Setting(name="encoder, batch 8", rows=8, width=0, rounds=3),
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="names of contenders; default: all")
    parser.add_argument("--shapes", nargs="*", default=[shape.name for shape in SHAPES])
    parser.add_argument("--settings", nargs="*", default=[setting.name for setting in SETTINGS])
    parser.add_argument("--source", type=int, default=128, help="tokens of a source")
    parser.add_argument("--tokens", type=int, default=128, help="tokens of an answer")
    parser.add_argument("--rounds", type=int, help="default: as each setting says")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="tiny models, few tokens, one round")
    parser.add_argument("--folder", type=Path, default=Path("runs/bench_decoding"), help="keeps the models")
    parser.add_argument("--out", type=Path, default=Path("runs/bench_decoding.json"))
    options = parser.parse_args(arguments)
    if options.quick:
        options.source, options.tokens, options.rounds, options.threads = 8, 6, 1, 1
    asked = (QUICK if options.quick else None) if options.only is None else options.only
    contenders = [one for one in CONTENDERS if asked is None or one.name in asked or one is REFERENCE]
    began, console = time.perf_counter(), Console()
    results: dict[str, Any] = {
        **describe_run("torch", "transformers", "ctranslate2"),
        "source": options.source,
        "tokens": options.tokens,
        "threads": options.threads,
        "bandwidth": _bandwidth(options),
        "contenders": {
            one.name: {"library": one.library, "numbers": one.numbers, "weight bytes": one.weight_bytes}
            for one in contenders
        },
        "shapes": {},
    }
    for shape in SHAPES:
        if shape.name in options.shapes:
            results["shapes"][shape.name] = compare(shape, contenders, options, results["bandwidth"])
            show(console, shape, results["shapes"][shape.name])
    results["minutes"] = (time.perf_counter() - began) / 60
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _bandwidth(options: argparse.Namespace) -> float:
    """Bytes a second."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    found = read_bandwidth(2**24 if options.quick else 2**30).best
    torch.set_num_threads(before)
    return found


def compare(
    shape: Shape, contenders: Sequence[Contender], options: argparse.Namespace, bandwidth: float
) -> dict[str, Any]:
    """All settings of one shape. A contender that fails is reported with its reason, and left out from there on."""
    folder = options.folder / (f"{shape.name}-quick" if options.quick else shape.name)
    prepare(shape, folder, contenders, quick=options.quick)
    began = time.perf_counter()
    workers = [Worker(contender, folder, options.threads) for contender in contenders]
    try:
        loaded = {worker: worker.ready(READY) for worker in workers}
        traffic = shape.traffic(quick=options.quick)
        ready = [worker for worker, reply in loaded.items() if not reply.failure]
        failures = {worker.contender.name: reply.failure for worker, reply in loaded.items() if reply.failure}
        seconds = {"start": time.perf_counter() - began}
        settings = {}
        for setting in [setting for setting in SETTINGS if setting.name in options.settings]:
            began = time.perf_counter()
            asked = Asked(shape, setting, options.rounds or setting.rounds, options)
            able = [worker for worker in ready if setting.name in (worker.contender.only or (setting.name,))]
            settings[setting.name] = asked.measure(able, traffic, bandwidth)
            seconds[setting.name] = time.perf_counter() - began
    finally:
        for worker in workers:
            worker.close()
    return {"weights": traffic.weights, "failures": failures, "seconds": seconds, "settings": settings}


def prepare(shape: Shape, folder: Path, contenders: Sequence[Contender], *, quick: bool) -> None:
    """Writes the model in both forms, where it is not there from the last time."""
    done = folder / "written"
    if not done.is_file():
        shape.write(folder, quick=quick)
        done.touch()
    if any(one.library == CTranslate2Translator.library for one in contenders) and not (folder / "converted").is_file():
        convert(folder)
        (folder / "converted").touch()


@final
class Asked:
    """One setting of one shape, asked of all contenders in turns."""

    def __init__(self, shape: Shape, setting: Setting, rounds: int, options: argparse.Namespace) -> None:
        self.setting = setting
        self.length, self.num_tokens = options.source, options.tokens if setting.width else 0
        self.sources = [
            shape.sources(setting.rows, options.source, quick=options.quick, seed=number) for number in range(rounds)
        ]

    def measure(self, workers: Sequence[Worker], traffic: Traffic, bandwidth: float) -> dict[str, Any]:
        """By contender's name, what came out, or `failure`."""
        with ThreadPoolExecutor(WARMED_AT_ONCE) as pool:
            warmed = dict(zip(workers, pool.map(self._warm_up, workers), strict=True))
        taken: dict[str, list[tuple[Reply, Reply]]] = {worker.contender.name: [] for worker in workers}
        failures = {worker.contender.name: reply.failure for worker, reply in warmed.items() if reply.failure}
        for number, source in enumerate(self.sources):
            turn = number % len(workers)
            for worker in [*workers[turn:], *workers[:turn]]:
                name = worker.contender.name
                if name in failures:
                    continue
                replies = self._ask(worker, source)
                failed = [reply.failure for reply in replies if reply.failure]
                if failed:
                    failures[name] = failed[0]
                else:
                    taken[name].append(replies)
        expected = [whole.rows for _, whole in taken[REFERENCE.name]]
        return {
            worker.contender.name: {"failure": failures[worker.contender.name]}
            if worker.contender.name in failures
            else self._figures(worker.contender, taken[worker.contender.name], expected, traffic, bandwidth)
            for worker in workers
        }

    def _warm_up(self, worker: Worker) -> Reply:
        tokens = self.num_tokens if worker.contender.by_length else min(self.num_tokens, WARM_TOKENS)
        return worker.ask(self._request(self.sources[0], tokens), FIRST)

    def _ask(self, worker: Worker, source: Rows) -> tuple[Reply, Reply]:
        """A call for the first token (of an encoder's pass: nothing), and one for all of them."""
        first = worker.ask(self._request(source, 1), LATER) if self.num_tokens else Reply()
        return first, worker.ask(self._request(source, self.num_tokens), LATER)

    def _request(self, source: Rows, num_tokens: int) -> Request:
        return Request(source=source, width=max(1, self.setting.width), num_tokens=num_tokens)

    def _figures(
        self,
        contender: Contender,
        taken: Sequence[tuple[Reply, Reply]],
        expected: Sequence[Rows],
        traffic: Traffic,
        bandwidth: float,
    ) -> dict[str, Any]:
        rows, width = self.setting.rows, self.setting.width
        tokens = rows * (self.num_tokens or self.length)
        figures: dict[str, Any] = {
            "tokens/s": asdict(Spread.of([tokens / whole.seconds for _, whole in taken])),
            "peak bytes": max(whole.peak_bytes for _, whole in taken),
        }
        if not self.num_tokens:
            return figures
        steps = Spread.of([(self.num_tokens - 1) / (whole.seconds - first.seconds) for first, whole in taken])
        moved = traffic.step_bytes(
            contender.weight_bytes, examples=rows, width=width, source=self.length, num_tokens=self.num_tokens
        )
        return figures | {
            "first token s": asdict(Spread.of([first.seconds for first, _ in taken])),
            "steps/s": asdict(steps),
            "step bytes": moved,
            "share of limit": moved * steps.median / bandwidth,
            **_agreement([whole.rows for _, whole in taken], expected, self.num_tokens),
        }


def _agreement(found: Sequence[Rows], expected: Sequence[Rows], num_tokens: int) -> dict[str, float]:
    """With the reference: shares of equal answers and of equal tokens, place by place; distinct tokens of an answer."""
    pairs = [pair for one, other in zip(found, expected, strict=True) for pair in zip(one, other, strict=True)]
    assert all(len(row) == num_tokens for row, _ in pairs), "an answer ended early"
    same = [sum(a == b for a, b in zip(row, other, strict=True)) / num_tokens for row, other in pairs]
    return {
        "same answers": sum(share == 1 for share in same) / len(same),
        "same tokens": sum(same) / len(same),
        "distinct tokens": sum(len(set(row)) for row, _ in pairs) / len(pairs),
    }


def show(console: Console, shape: Shape, found: dict[str, Any]) -> None:
    for setting, rows in found["settings"].items():
        table = Table(f"{shape.name}, {setting}", "tokens/s", "first token, ms", "share of limit", "peak, MiB", "same")
        for name, row in rows.items():
            if "failure" in row:
                table.add_row(name, row["failure"])
                continue
            rate, peak = f"{row['tokens/s']['median']:,.0f}", f"{row['peak bytes'] / 2**20:,.0f}"
            if "same tokens" not in row:
                table.add_row(name, rate, "", "", peak, "")
                continue
            first, share = 1000 * row["first token s"]["median"], row["share of limit"]
            table.add_row(name, rate, f"{first:.0f}", f"{share:.0%}", peak, f"{row['same tokens']:.1%}")
        console.print(table)


if __name__ == "__main__":
    main()
