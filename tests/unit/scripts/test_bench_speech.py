"""The bench of speech: what it counts, and a whole run on tiny models, as the page shows it."""

import json
from pathlib import Path

import torch

from scripts import bench_speech
from unimodal.report.benchmarks import write


def test_work_is_counted() -> None:
    weight = torch.randn(5, 7)
    found, work = bench_speech.counted(lambda: torch.relu(torch.randn(3, 5) @ weight))
    assert found.shape == (3, 7)
    assert work == {"flops": 2.0 * 3 * 5 * 7, "calls": 3.0}


def test_sources_are_ragged() -> None:
    assert bench_speech.ragged(3, 8).sum(1).tolist() == [8, 6, 4]
    assert bench_speech.ragged(1, 8).sum(1).tolist() == [8]


def test_a_whole_run_says_the_same_on_both_sides(tmp_path: Path) -> None:
    bench_speech.main(["--quick", "--out", str(tmp_path / "bench_speech.json")])
    rows = json.loads((tmp_path / "bench_speech.json").read_text("utf-8"))["rows"]
    assert list(rows) == [setting.name for setting in bench_speech.SETTINGS if not setting.fast]
    for name, row in rows.items():
        assert row["farthest apart"] < 1e-4, name
        assert row["operations"]["flops"] > 0 and row["frames/s"] > 0
    # Theirs runs the pre-net over all steps again at each step.
    assert rows["tts, batch 8"]["operations"]["flops"] < rows["tts, batch 8"]["transformers, operations"]["flops"]
    write(tmp_path, tmp_path / "page.md", tmp_path / "picture.svg")
    page = (tmp_path / "page.md").read_text("utf-8")
    assert (
        "## Speech" in page
        and "| tts, batch 8: times as fast | at least 2 |" in page
        and "| vocoder, batch 1 |" in page
    )
