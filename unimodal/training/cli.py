"""`unimodal fit|validate|test --config FILE`: LightningCLI over the one module and the one data module.

A config may be an overlay (`base: other.yaml`), merged before anything is parsed; every argument can be given on the
command line too, as in `--trainer.max_steps 100 --data.batching.entries 8192`.
"""

import logging
import os
import tempfile
import warnings
from argparse import ArgumentError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger
from transformers.utils.logging import disable_progress_bar

from unimodal.build import build
from unimodal.communicators import Communicator
from unimodal.links.process_group import ProcessGroup
from unimodal.spec import load_spec
from unimodal.training.checkpoints.saving import SaveCheckpoints, find_checkpoint
from unimodal.training.data.module import TaskData
from unimodal.training.distributed.processes import Processes
from unimodal.training.export import Export
from unimodal.training.guards.disk import DiskSpace
from unimodal.training.guards.losses import DeadTasks, LossSpikes
from unimodal.training.guards.non_finite import NonFinite
from unimodal.training.guards.processes import LostProcesses, naming_lost_workers
from unimodal.training.guards.rising import RisingLosses
from unimodal.training.guards.rounds import CompleteRounds
from unimodal.training.guards.signals import StopSignals
from unimodal.training.measuring.metrics import MetricsFile
from unimodal.training.measuring.progress import ProgressDisplay
from unimodal.training.measuring.throughput import Throughput
from unimodal.training.measuring.waiting import Waiting
from unimodal.training.module import PACKAGE, Learner

DEFAULTS: dict[str, Any] = {
    "max_epochs": -1,  # the stream of batches has no end: max_steps or max_time ends a run
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 1,
    "gradient_clip_val": 1.0,
    "enable_checkpointing": False,  # SaveCheckpoints does it
    "enable_progress_bar": False,  # ProgressDisplay does it
    "enable_model_summary": False,
    "use_distributed_sampler": False,  # batches know their rank
}
CONFIG_FLAGS = ("--config", "-c")
# What Lightning says of choices that are made here on purpose, and torch of DeepSpeed's words.
EXPECTED = (
    ".*does not have many workers.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*DeepSpeed handles gradient clipping internally.*",
    ".*When saving the DeepSpeed Stage 3 checkpoint.*",
    ".*(all_gather_into|reduce_scatter)_tensor. is deprecated.*",
)


@final
class TrainingCLI(LightningCLI):
    """LightningCLI that logs into the run's folder and says what is wrong in one line."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        known = LightningCLI.subcommands()
        return {name: known[name] for name in ("fit", "validate", "test")}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(SaveCheckpoints, "checkpoint")
        parser.add_lightning_class_args(LostProcesses, "processes")
        parser.add_lightning_class_args(StopSignals, "stopping")
        parser.add_argument("--communicator", type=dict[str, Any] | None, help="what processes tell each other")
        parser.link_arguments("seed_everything", "model.seed", compute_fn=int)
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        try:
            self.config = parser.parse_args(args)
        except ArgumentError as error:
            raise ValueError(_first_sentence(error)) from error
        settings = self.config[self.config.subcommand]
        if settings.trainer.default_root_dir is None:
            raise ValueError("trainer.default_root_dir: names no folder for the run")
        if settings.get("ckpt_path"):
            settings.ckpt_path = str(find_checkpoint(settings.ckpt_path, Path(settings.trainer.default_root_dir)))

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        folder = Path(self.config_init[self.config.subcommand].trainer.default_root_dir)
        loggers = [MetricsFile(folder), TensorBoardLogger(folder, name="", version="tensorboard")]
        settings = self.config_init[self.config.subcommand]
        link = ProcessGroup()  # where the config names no other
        communicator = build(settings.communicator, Communicator | None, where="communicator", link=link)
        processes = Processes(vars(settings.trainer), os.environ, communicator)
        processes.strategy.check(self.model.optimizer)
        self.datamodule.uniform = processes.strategy.uniform
        return super().instantiate_trainer(logger=loggers, **processes.arguments(), **kwargs)


def main(arguments: Sequence[str]) -> int:
    """Runs one subcommand. Raises ValueError or OSError, in one line, for a user's mistake."""
    guards = [NonFinite(), LossSpikes(), DeadTasks(), RisingLosses(), DiskSpace(), CompleteRounds()]
    with _configs(arguments) as given, warnings.catch_warnings(), naming_lost_workers():
        warnings.simplefilter("ignore", DeprecationWarning)  # Lightning calls others by older names
        for message in EXPECTED:
            warnings.filterwarnings("ignore", message)
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)
        disable_progress_bar()  # transformers' own, for files of a second
        TrainingCLI(
            Learner,
            TaskData,
            args=given,
            seed_everything_default=0,
            trainer_defaults={**DEFAULTS, "callbacks": [*guards, Waiting(), Throughput(), ProgressDisplay(), Export()]},
            parser_kwargs={name: {"exit_on_error": False} for name in TrainingCLI.subcommands()}
            | {"exit_on_error": False},
            save_config_kwargs={"overwrite": True},
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )
    return 0


@contextmanager
def _configs(arguments: Sequence[str]) -> Iterator[list[str]]:
    """The arguments with every config replaced by a file of what it is after its bases are merged in."""
    with tempfile.TemporaryDirectory() as folder:
        given: list[str] = []
        for place, argument in enumerate(arguments):
            flag, equals, value = argument.partition("=")
            if flag in CONFIG_FLAGS and equals:
                given += [flag, _merged(value, Path(folder, f"{place}.yaml"))]
            elif given and given[-1] in CONFIG_FLAGS:
                given.append(_merged(argument, Path(folder, f"{place}.yaml")))
            else:
                given.append(argument)
        yield given


def _merged(source: str, target: Path) -> str:
    path = Path(source)
    if not path.exists() and (PACKAGE / source).is_file():
        path = PACKAGE / source  # one that comes with the package
    target.write_text(yaml.safe_dump(load_spec(path), sort_keys=False), encoding="utf-8")
    return str(target)


def _first_sentence(error: Exception) -> str:
    """jsonargparse explains over many lines; the first ones name the argument and the reason."""
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    return os.linesep.join(lines[:2]).replace(os.linesep, " ")
