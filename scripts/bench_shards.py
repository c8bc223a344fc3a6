"""What each idea of a mixture of shards is worth, and other adapters of as many parameters: losses seed by seed.

python scripts/bench_shards.py [NAME ...] --seeds 5 --out runs/bench_shards.json

The setting is that of `unimodal systems check mos`, whose two arms are measured too. A run takes half a minute of one
core (VeRA: a minute and a half); what the file has already is not run again.
"""

import argparse
import json
import statistics
from pathlib import Path

import torch
from transformers.utils import logging

from unimodal.measuring.measure import Meter
from unimodal.systems import mos


def main() -> None:
    claim = mos.MixtureOfShardsSystem().claim()
    arms = {"shards": claim.method, "LoRA": claim.baseline, **mos.ablations(), **mos.rivals()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(arms)}; default: all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/bench_shards.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    losses: dict[str, dict[str, float]] = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for name in options.names or arms:
        found = losses.setdefault(name, {})
        for seed in map(str, range(options.seeds)):
            if seed not in found:
                found[seed] = arms[name](int(seed), Meter())
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(json.dumps(losses, indent=1) + "\n", encoding="utf-8")
        print(f"{name:<16} {statistics.mean(found.values()):.4f}", *(f"{loss:.4f}" for loss in found.values()))


if __name__ == "__main__":
    main()
