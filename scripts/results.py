"""Writes a demo's scores into README.md and docs/results.svg: python scripts/results.py runs/demo"""

import sys
from pathlib import Path

from unimodal.cli import guarded


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    return guarded(run)


def run() -> int:
    from unimodal.report.results import update

    update(Path("README.md"), Path(sys.argv[1]) / "metrics.json", Path("docs/results.svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
