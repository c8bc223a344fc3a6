"""Learns the units that a run guesses of masked speech: python -m scripts.fit_units configs/training/unpaired.yaml

The config's objective says what they are clusters of (cepstra in a first round, the states of a trained model's layer
in a second: `features: {class: unimodal.entry_features.layer_states.LayerStates, model: runs/unpaired, net: speech,
layer: 3}`), how many there are and in which file they are kept.
"""

import argparse
import sys

from unimodal.cli import guarded


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="of `unimodal fit`")
    parser.add_argument("--task", default="reconstruct", help="of the run, whose training speech is read")
    parser.add_argument("--hours", type=float, default=1.0, help="of speech at most")
    return guarded(lambda: run(parser.parse_args()))


def run(options: argparse.Namespace) -> int:
    from unimodal.training.recipes import learn_units, load_config

    print(learn_units(load_config(options.config), task=options.task, hours=options.hours))
    return 0


if __name__ == "__main__":
    sys.exit(main())
