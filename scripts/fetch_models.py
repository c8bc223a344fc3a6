"""Fetches the pre-trained models that slow tests and benchmarks use into the cache, and prints their folders."""

import sys

from unimodal.cli import guarded


def main() -> int:
    from unimodal.tasks.corpora import CorpusUnavailable
    from unimodal.tasks.pretrained import MODELS

    missing = 0
    for model in MODELS:
        try:
            print(f"{model.fetch()}: {model.title}; {model.licence}")
        except CorpusUnavailable as problem:
            missing += 1
            print(f"{model.name} is left out: {problem}")
    return 1 if missing == len(MODELS) else 0


if __name__ == "__main__":
    sys.exit(guarded(main))
