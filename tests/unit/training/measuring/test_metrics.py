"""metrics.csv of a run that was killed and goes on: as if it had never stopped."""

from pathlib import Path

import pytest

from unimodal.training.measuring.metrics import FILE, MetricsFile


def log(folder: Path, steps: range, *, finish: bool = True) -> None:
    file = MetricsFile(folder)
    for step in steps:
        file.log_metrics({"train/loss": 1 / (step + 1), "epoch": 0}, step)
        if step % 3 == 2:
            file.log_metrics({"validation/loss": 2 / (step + 1), "epoch": 0}, step)
        file.save()
    if finish:
        file.finalize("success")


@pytest.mark.parametrize("torn", [0, 1, 3, 9, 17, 30, 10_000])
def test_a_killed_run_goes_on_in_its_file(torn: int, tmp_path: Path) -> None:
    """The kill came after step 6, its last checkpoint was that of step 4; so many bytes of the file are lost."""
    log(tmp_path / "whole", range(9))
    run = tmp_path / "run"
    log(run, range(7), finish=False)
    content = (run / FILE).read_bytes()
    rows_kept = content[: max(0, len(content) - torn)].count(b"\n") - 1
    (run / FILE).write_bytes(content[: max(0, len(content) - torn)])
    log(run, range(4, 9))
    found, expected = ((folder / FILE).read_text().splitlines() for folder in (run, tmp_path / "whole"))
    if rows_kept >= 4:
        assert found == expected
    else:
        assert found[-5:] == expected[-5:]


def test_a_new_run_begins_a_new_file(tmp_path: Path) -> None:
    log(tmp_path, range(5))
    log(tmp_path, range(2))
    assert len((tmp_path / FILE).read_text().splitlines()) == 3
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
