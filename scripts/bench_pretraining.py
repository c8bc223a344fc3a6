"""Characters wrong after three minutes of labels: from scratch, pretrained, and pretrained less one part, by seed.

python -m scripts.bench_pretraining [ARM ...] --seeds 3 --out runs/bench_pretraining

Below OUT stands every run; what is there already is not run again, and a run that was stopped goes on. With the default
steps a pretraining takes about 20 minutes of two cores, a fine-tuning with its score about 5: six hours for all arms on
three seeds, two for the first two.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

from unimodal.cli import guarded


def main() -> int:
    from unimodal.systems.fixtures.few_labels import ARMS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arms", nargs="*", metavar="ARM", help=f"some of {', '.join(ARMS)}; default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pretraining", type=int, default=2000, help="steps")
    parser.add_argument("--labelled", type=int, default=400, help="steps")
    parser.add_argument("--entries", type=int, default=1536, help="of a batch in pretraining")
    parser.add_argument("--limit", type=int, help="test clips; default: all")
    parser.add_argument("--out", type=Path, default=Path("runs/bench_pretraining"))
    return guarded(lambda: run(parser.parse_args()))


def run(options: argparse.Namespace) -> int:
    from unimodal.systems.fixtures.few_labels import ARMS, SCRATCH, FewLabels

    if unknown := sorted(set(options.arms) - set(ARMS)):
        raise ValueError(f"ARM: there is no {', '.join(unknown)}; there are {', '.join(ARMS)}")
    study = FewLabels(options.out, options.pretraining, options.labelled, options.entries, options.limit)
    scores: dict[str, list[float]] = {}
    for seed in range(options.seeds):  # by seed, so that a first comparison is there early
        for arm in options.arms or ARMS:
            scores.setdefault(arm, []).append(study.score(arm, seed))
            print(f"{arm}, seed {seed}: {scores[arm][-1]:.4f} characters wrong", flush=True)
    (options.out / "scores.json").write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    for arm, found in scores.items():
        beside = zip(found, scores[SCRATCH], strict=True) if SCRATCH in scores else ()
        ratios = [score / scratch for score, scratch in beside]
        said = f", {statistics.geometric_mean(ratios):.3f} of from scratch" if ratios and arm != SCRATCH else ""
        print(f"{arm}: {statistics.mean(found):.4f}{said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
