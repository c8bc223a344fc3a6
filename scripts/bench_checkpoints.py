"""How long a training step waits for its checkpoint, written at once and in the background, in turns.

python scripts/bench_checkpoints.py --megabytes 50 --rounds 8

A checkpoint holds the weights and AdamW's two moments, three times the weights' bytes. Writes runs/checkpoints.json.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from unimodal.measuring.machine import describe_run
from unimodal.training.checkpoints import Writer
from unimodal.training.checkpoints.background import Background
from unimodal.training.checkpoints.immediate import Immediate
from unimodal.training.checkpoints.saving import SaveCheckpoints

WIDTH = 1024
EVERY = 4
"""Steps between two checkpoints: one is written while the next steps run."""


@final
class Layers(LightningModule):
    """Linear maps of so many megabytes of weights, in float32."""

    def __init__(self, megabytes: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(round(megabytes / (WIDTH**2 * 4e-6)))))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        result: Tensor = self.layers(torch.ones(512, WIDTH)).square().mean()
        return result

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)


@final
class Clock(Callback):
    """The time from the end of a step to the beginning of the next one; it stands on both sides of the checkpoints."""

    def __init__(self) -> None:
        self.ended = 0.0
        self.waited: list[float] = []
        self.steps: list[float] = []
        self._began = 0.0

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self.ended = time.perf_counter()
        self.steps.append(self.ended - self._began)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self._began = time.perf_counter()
        if self.ended:
            self.waited.append(self._began - self.ended)


def measure(writer: Writer, megabytes: float) -> tuple[float, float, float]:
    """Seconds that a step waits for a checkpoint, and the median step while none, and while one, is written."""
    clock = Clock()
    with tempfile.TemporaryDirectory(dir="runs") as folder:
        trainer = Trainer(
            accelerator="cpu",
            max_steps=2 * EVERY,
            callbacks=[SaveCheckpoints(every=EVERY, writer=writer), clock],
            default_root_dir=folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(Layers(megabytes), DataLoader(TensorDataset(torch.arange(100))))
    plain = [seconds for step, seconds in enumerate(clock.waited, start=1) if step % EVERY]
    waited = clock.waited[EVERY - 1] - statistics.median(plain)
    return waited, statistics.median(clock.steps[1:EVERY]), statistics.median(clock.steps[EVERY:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=50, help="of weights")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("runs/checkpoints.json"))
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[tuple[float, float, float]]] = {"immediate": [], "background": []}
    for _ in range(options.rounds):
        found["immediate"].append(measure(Immediate(), options.megabytes))
        found["background"].append(measure(Background(), options.megabytes))
    names = ("seconds a step waits", "seconds a step takes", "seconds a step takes after a checkpoint")
    result: dict[str, Any] = {
        kind: {
            name: round(statistics.median(values), 4)
            for name, values in zip(names, zip(*rounds, strict=True), strict=True)
        }
        for kind, rounds in found.items()
    }
    result |= describe_run("torch", "lightning")
    result |= {"megabytes of weights": options.megabytes, "rounds": options.rounds, "threads": torch.get_num_threads()}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    Console().print_json(data=result)


if __name__ == "__main__":
    main()
