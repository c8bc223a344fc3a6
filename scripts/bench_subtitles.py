"""Word errors of verbatim text and character errors of subtitles, of each way to learn both from few verbatim rows.

python -m scripts.bench_subtitles --seeds 3 --out runs/bench_subtitles.json     (about an hour on one core)

What is in the file is not measured again.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch

from unimodal.systems.broadcast_subtitle import STEPS, errors

ARMS = (
    "verbatim alone",
    "mixed",
    "broadcast_shared",
    "broadcast_separate",
    "broadcast",
    "broadcast_states",
    "broadcast_histogram",
)
"""The ways of the claim, and models of `configs/models/`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", default=ARMS, choices=ARMS, metavar="ARM")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/bench_subtitles.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for seed in range(options.seeds):
        for arm in options.arms:
            if f"{arm} {seed}" not in known:
                began = time.process_time()
                verbatim, subtitle = errors(arm, seed)
                seconds = time.process_time() - began
                found = {"verbatim": verbatim, "subtitle": None if math.isnan(subtitle) else subtitle, "steps": STEPS}
                found["processor seconds"] = seconds
                known[f"{arm} {seed}"] = found
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(json.dumps(known, indent=1) + "\n")
                print(
                    f"{arm}, seed {seed}: {verbatim:.3f} words, {subtitle:.3f} characters, {seconds:.0f} s", flush=True
                )


if __name__ == "__main__":
    main()
