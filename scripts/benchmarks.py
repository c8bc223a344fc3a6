"""Writes docs/benchmarks.md and its picture from what benchmarks left: python scripts/benchmarks.py [FOLDER]"""

import sys
from pathlib import Path

from unimodal.cli import guarded


def main() -> int:
    if len(sys.argv) > 2:
        print(__doc__, file=sys.stderr)
        return 2
    return guarded(run)


def run() -> int:
    from unimodal.report.benchmarks import write

    write(Path(sys.argv[1] if len(sys.argv) == 2 else "runs"), Path("docs/benchmarks.md"), Path("docs/benchmarks.svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
