"""`python -m unimodal`, where the console script is not on the path."""

import sys

from unimodal.cli import main

if __name__ == "__main__":
    sys.exit(main())
