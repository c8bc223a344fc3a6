"""The processes cut optimiser states, gradients and parameters among them: DeepSpeed's ZeRO."""

import copy
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

import torch
from lightning.fabric.utilities.seed import reset_seed
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.plugins.precision import DeepSpeedPrecision
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy
from torch import Tensor

from unimodal.batching import Batch, Sequences
from unimodal.training.distributed.strategies import Strategy, World
from unimodal.training.optimizer import OptimizerFactory

TRAINERS = ("gradient_accumulation_steps", "train_batch_size", "train_micro_batch_size_per_gpu", "gradient_clipping")
"""What DeepSpeed is told by the trainer."""
RUNS = ("optimizer", "scheduler")
"""What a run's config says in its own words."""
PRECISIONS = {"fp16": "16", "bf16": "bf16"}
"""DeepSpeed's sections, and how the trainer's precisions begin that they belong to."""


@final
class Partitioned(Strategy):
    """ZeRO (Rajbhandari et al. 2020, 1910.02054), stage 1 to 3 as DeepSpeed's config says.

    Stage 1 cuts the optimiser's state among the processes, stage 2 the gradients too, stage 3 the parameters too. What
    differs from replicas: a parameter that no example of a step reaches is still moved, by its momentum and its decay.
    """

    uniform = True

    def __init__(self, config: Mapping[str, Any]) -> None:
        """`config` is DeepSpeed's own (https://www.deepspeed.ai/docs/config-json); `auto` stands for its default."""
        self.config = _given(config)

    @property
    def stage(self) -> int:
        return int(self.config.get("zero_optimization", {}).get("stage", 0))

    def ignored(self, precision: str) -> list[str]:
        """Sections that the run's config decides instead."""
        others = [name for name, word in PRECISIONS.items() if not precision.startswith(word)]
        return [name for name in self.config if name in (*TRAINERS, *RUNS, *others)]

    def check(self, optimizer: OptimizerFactory) -> None:
        if self.stage and not optimizer.elementwise:
            raise ValueError(
                f"model.optimizer: {type(optimizer).__name__} steps along whole matrices, which ZeRO cuts in flat "
                "parts; take AdamW, or --trainer.strategy ddp"
            )

    def make(self, world: World) -> DeepSpeedStrategy:
        ignored = self.ignored(world.precision)
        config = {name: copy.deepcopy(value) for name, value in self.config.items() if name not in ignored}
        config["train_micro_batch_size_per_gpu"] = 1  # for DeepSpeed's own log of speed; batches have no fixed size
        config.setdefault("zero_allow_untested_optimizer", True)
        config.setdefault("zero_force_ds_cpu_optimizer", False)  # torch's own steps on offloaded states
        precision = _Precision(world.precision)  # type: ignore[arg-type]  # it refuses other words itself
        if not world.cpu:
            return _OnGpu(config=config, precision_plugin=precision, logging_level=logging.ERROR)
        os.environ["DS_ACCELERATOR"] = "cpu"  # even where there is a GPU
        return _OnCpu(
            config=config, precision_plugin=precision, logging_level=logging.ERROR, process_group_backend="gloo"
        )


@final
class _Precision(DeepSpeedPrecision):
    """Lightning's, for batches that are never changed in place; where it accumulates, losses are divided once."""

    def backward(  # type: ignore[override]  # as the class that it extends
        self, tensor: Tensor, model: LightningModule, optimizer: Any, *arguments: Any, **options: Any
    ) -> None:
        """The trainer has divided the loss by the batches of a step; DeepSpeed would divide it again."""
        super().backward(tensor, model, optimizer, *arguments, scale_wrt_gas=False, **options)

    def convert_input(self, data: Batch) -> Batch:
        """Sounds and pictures in the parameters' type."""
        source, target = (None if part is None else self._cast(part) for part in (data.source, data.target))
        return replace(data, source=source, target=target)

    def _cast(self, sequences: Sequences) -> Sequences:
        pieces = {
            net: replace(found, arrays={name: self._cast_array(array) for name, array in found.arrays.items()})
            for net, found in sequences.pieces.items()
        }
        return replace(sequences, pieces=pieces)

    def _cast_array(self, array: Tensor) -> Tensor:
        return array.to(self._desired_dtype) if array.is_floating_point() else array


@final
class _OnGpu(DeepSpeedStrategy):
    """Lightning's, with checkpoints that are whole or absent."""

    def setup(self, trainer: Trainer) -> None:
        from unimodal.training.checkpoints.deepspeed import take_files

        super().setup(trainer)
        take_files(self)


@final
class _OnCpu(DeepSpeedStrategy):
    """Lightning asks for CUDA devices with indices, DeepSpeed does not."""

    def setup(self, trainer: Trainer) -> None:
        from unimodal.training.checkpoints.deepspeed import take_files

        super().setup(trainer)
        take_files(self)

    def setup_environment(self) -> None:
        DDPStrategy.setup_environment(self)

    def setup_distributed(self) -> None:
        import deepspeed.ops

        # At its first use DeepSpeed would compile collectives of its own for CPUs, for a minute and behind a lock that
        # a killed run leaves for ever; without compiled parts it takes gloo's.
        vars(deepspeed.ops)["__compatible_ops__"] = {}
        reset_seed()
        self.set_world_ranks()
        self._init_deepspeed_distributed()

    @property
    def root_device(self) -> torch.device:
        return torch.device("cpu", self.local_rank)


def stage_config(stage: int, *, offload: bool = False) -> dict[str, Any]:
    """The config of one ZeRO stage; `offload` keeps parameters and optimiser states in the machine's memory."""
    zero: dict[str, Any] = {"stage": stage, "contiguous_gradients": True, "overlap_comm": True}
    if offload:
        zero |= {"offload_optimizer": {"device": "cpu"}, "offload_param": {"device": "cpu"}}
    return {"zero_optimization": zero}


def _given(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is left to others: transformers' Trainer fills in `auto`, here DeepSpeed's defaults stand."""
    return {
        name: _given(value) if isinstance(value, Mapping) else value
        for name, value in config.items()
        if value != "auto"
    }
