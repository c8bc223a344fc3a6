"""Five of the kills of `make soak`: real ones, two of them in two processes under ZeRO-2."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]


def test_no_kill_hurts_a_run(tmp_path: Path) -> None:
    arguments = ["--kills", "5", "--sharded", "2", "--out", str(tmp_path / "soak")]
    done = subprocess.run(
        [sys.executable, "scripts/soak.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "soak/soak.json").read_text())
    assert result["kills"] == {"alone": 3, "sharded": 2}
    assert all(number >= 1 for number in result["runs compared, all bit-equal"].values())
