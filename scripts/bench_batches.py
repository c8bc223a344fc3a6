"""Measures a config's training batches: python scripts/bench_batches.py [--config FILE] [--batches N]."""

import argparse
import statistics
import time
from collections import Counter
from itertools import islice

from lightning.pytorch import Trainer

from unimodal.training.data.module import TaskData
from unimodal.training.module import Learner
from unimodal.training.recipes import load_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default="configs/training/nano.yaml")
    parser.add_argument("--batches", type=int, default=96)
    options = parser.parse_args()
    config = load_config(options.config)
    folder = config["trainer"]["default_root_dir"]
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, default_root_dir=folder)
    trainer.strategy.connect(Learner(**config["model"]))
    data = TaskData(**{**config["data"], "batching": {**config["data"]["batching"], "workers": 0}})
    data.trainer = trainer
    data.setup("fit")
    loader = data.train_dataloader()
    began = time.process_time()
    batches = list(islice(loader, options.batches))
    seconds = time.process_time() - began
    shares = [batch.num_entries / batch.num_places for batch in batches]
    entries = [batch.num_entries for batch in batches]
    rows = [batch.labels.shape[0] for batch in batches]
    mean, deviation = statistics.mean(entries), statistics.pstdev(entries)
    print(f"real entries: {sum(entries) / sum(batch.num_places for batch in batches):.2%}, least {min(shares):.2%}")
    print(
        f"entries a batch: {mean:,.0f} +- {deviation:,.0f} ({deviation / mean:.1%}), {min(entries)} to {max(entries)}"
    )
    print(f"rows a batch: {statistics.mean(rows):.1f}; {1000 * seconds / len(batches):.0f} ms of one core a batch")
    counts = Counter(task for batch in batches for task in batch.tasks)
    wanted = data.mixture.shares(data.training_items.sizes)
    for task in sorted(counts):
        print(f"{task:<16} {counts[task] / counts.total():7.2%} of the examples, {wanted[task]:7.2%} asked")


if __name__ == "__main__":
    main()
