"""Trains a model: python scripts/pretrain.py --config configs/training/nano.yaml [--trainer.max_steps N ...]."""

import sys

from unimodal.cli import main

sys.exit(main(["fit", *sys.argv[1:]]))
