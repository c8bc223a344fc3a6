"""Fits low-rank adapters to one task: python scripts/finetune_lora.py --base runs/nano --task asr --out runs/nano/asr.

Whatever else is given goes to `unimodal fit`, as in `--trainer.max_steps 100`.
"""

import argparse
import json
import sys

from unimodal.cli import main

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--config", default="configs/training/lora.yaml", help="what is trained, and how")
parser.add_argument("--base", help="folder of the model that is adapted")
parser.add_argument("--task", help="the one task that it is adapted to")
parser.add_argument("--out", help="folder that gets the adapter; below the base's folder, it finds its base by itself")
options, rest = parser.parse_known_args()

arguments = ["fit", "--config", options.config]
if options.base is not None:
    arguments += ["--model.source", options.base]
if options.task is not None:
    arguments += ["--data.tasks", json.dumps({options.task: None}), "--data.mixture", "{}"]
if options.out is not None:
    arguments += ["--trainer.default_root_dir", options.out]
sys.exit(main([*arguments, *rest]))
