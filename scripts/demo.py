"""`make demo`: python scripts/demo.py [--out runs/demo] [--minutes 24] [--resume]"""

import sys

from unimodal.cli import guarded


def main() -> int:
    from unimodal.commands.demo import main as demo

    return guarded(lambda: demo(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
