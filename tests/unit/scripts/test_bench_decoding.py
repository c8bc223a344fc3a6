"""The bench of decoding: its models, what it counts, its processes, and a whole run on tiny models."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import final

import pytest

from scripts import bench_decoding
from scripts.contenders import Answerer, Contender, Rows
from scripts.contenders.ours import Ours
from scripts.contenders.transformers_generate import TransformersGenerate
from scripts.decoding_shapes import SHAPES, Shape
from scripts.workers import Request, Worker
from unimodal.report.benchmarks import write

T5, BART = SHAPES
LIMIT = 60.0


def test_traffic_is_what_a_step_reads() -> None:
    """Six blocks: four maps of self-attention, queries and output of the other one, two of the feed-forward network."""
    block = (4 + 2) * 512 * 512 + 2 * 512 * 2048 + 3 * 512
    found = T5.traffic(quick=False)
    assert found.weights == 6 * block + 512 + 32 * 8 + 32128 * 512
    assert found.entry_bytes == 2 * 6 * 512 * 4
    block = (4 + 2) * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 3 * 2 * 768
    assert BART.traffic(quick=False).weights == 6 * block + 2 * 768 + 50265 * 768


def test_a_step_reads_sources_once_and_own_entries_for_every_beam() -> None:
    traffic = T5.traffic(quick=False)
    found = traffic.step_bytes(1.0, examples=8, width=4, source=100, num_tokens=3)
    assert found == traffic.weights + traffic.entry_bytes * (8 * 100 + 8 * 4 * 2)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_answers_are_long_vary_and_are_ours_as_theirs(shape: Shape, tmp_path: Path) -> None:
    """Not one token again and again: a decoder that read nothing would do that, too."""
    shape.write(tmp_path, quick=True)
    source = shape.sources(3, 12, quick=True, seed=0)
    assert source != shape.sources(3, 12, quick=True, seed=1) and {len(row) for row in source} == {12}
    ours, theirs = (one.open(tmp_path, 1)() for one in (Ours("ours"), TransformersGenerate("theirs")))
    for width in (1, 4):
        expected = theirs.answer(source, width=width, num_tokens=16)
        assert ours.answer(source, width=width, num_tokens=16) == expected
        assert {len(row) for row in expected} == {16}
        assert not any(shape.end in row for row in expected)
        assert max(len(set(row)) for row in expected) > 4
        assert len({tuple(row) for row in expected}) == 3
    ours.encode(source)
    theirs.encode(source)


@final
class Odd(Contender):
    """Answers with its own number of tokens, fails when asked for beams, and sleeps through whatever is longer."""

    name, library, numbers, weight_bytes = "odd", "none", "float32", 4.0

    def open(self, folder: Path, threads: int) -> Callable[[], Answerer]:
        return Slow


@final
class Slow(Answerer):
    def answer(self, source: Rows, *, width: int, num_tokens: int) -> Rows:
        if width > 1:
            raise RuntimeError("no\nbeams")
        if num_tokens > 5:
            time.sleep(LIMIT)
        return [[len(row)] * num_tokens for row in source]

    def encode(self, source: Rows) -> None:
        raise NotImplementedError("has no encoder")


def test_a_worker_goes_on_after_a_failure_and_is_ended_when_it_is_late(tmp_path: Path) -> None:
    worker = Worker(Odd(), tmp_path, 1)
    try:
        assert not worker.ready(LIMIT).failure
        failed = worker.ask(Request(source=[[1]], width=2, num_tokens=1), LIMIT)
        assert failed.failure == "RuntimeError: no beams"
        assert worker.ask(Request(source=[[1]]), LIMIT).failure == "has no encoder"
        answered = worker.ask(Request(source=[[7, 8, 9], [1, 2, 3]], num_tokens=2), LIMIT)
        assert answered.rows == [[3, 3], [3, 3]] and answered.peak_bytes >= 0 and not answered.failure
        assert worker.ask(Request(source=[[1]], num_tokens=6), 0.2).failure == "not done within 0.2 s"
        assert worker.ask(Request(source=[[1]], num_tokens=1), LIMIT).failure == "its process has ended"
    finally:
        worker.close()


def test_a_quick_run_makes_a_page(tmp_path: Path) -> None:
    out = tmp_path / "bench_decoding.json"
    bench_decoding.main(["--quick", "--shapes", "T5-small", "--folder", str(tmp_path / "models"), "--out", str(out)])
    found = json.loads(out.read_text(encoding="utf-8"))
    shape = found["shapes"]["T5-small"]
    assert shape["failures"] == {} and found["source"] == 8 and found["tokens"] == 6
    for setting in bench_decoding.SETTINGS:
        rows = shape["settings"][setting.name]
        assert set(rows) == set(bench_decoding.QUICK)
        assert all(row["tokens/s"]["median"] > 0 and row["peak bytes"] > 0 for row in rows.values())
        assert all(row.get("same answers", 1.0) == 1.0 for row in rows.values())
    write(tmp_path, tmp_path / "benchmarks.md", tmp_path / "benchmarks.svg")
    assert "| T5-small: float32 answers equal to transformers' | at least 1 | 1 | held |" in (
        tmp_path / "benchmarks.md"
    ).read_text(encoding="utf-8")
