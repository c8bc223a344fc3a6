"""Scores a model on held-out examples: python scripts/evaluate.py runs/demo --tasks asr read [--limit 200] [--json]"""

import argparse
import json
import sys

from unimodal.cli import guarded


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a model's folder, an adapter's folder or a Hub id")
    parser.add_argument(
        "--tasks", nargs="+", required=True, metavar="TASK", help="names, as `unimodal tasks` lists them"
    )
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    parser.add_argument("--limit", type=int, help="examples a task, always the same ones; default: all")
    parser.add_argument("--decoding", help="a name in configs/decoding")
    parser.add_argument("--json", action="store_true", help="one JSON object a task")
    options = parser.parse_args()
    return guarded(lambda: run(options))


def run(options: argparse.Namespace) -> int:
    from unimodal.loading.hub import load_own
    from unimodal.measuring.evaluate import evaluate

    model = load_own(options.model)
    for task in [model.task(name) for name in options.tasks]:
        found = evaluate(model, task, split=options.split, limit=options.limit, decoding=options.decoding)
        said = f"{found.task}: {found.metric} {found.value:.4g} ({found.baseline_name} {found.baseline_value:.4g})"
        print(json.dumps(found.row()) if options.json else f"{said}, {found.n_test} examples", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
