"""Writes docs/checkpoints.md from a run of all parity cases: python -m scripts.checkpoints (a minute or two)"""

from pathlib import Path

from tests.parity.cases import CASES
from tests.parity.page import write

if __name__ == "__main__":
    write(Path("docs/checkpoints.md"), CASES)
