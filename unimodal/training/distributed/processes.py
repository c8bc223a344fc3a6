"""From a config's words on strategy, devices and machines to what Lightning's trainer is given."""

import sys
from collections.abc import Mapping
from typing import Any, final

import torch
from lightning.pytorch import Callback
from lightning.pytorch.accelerators import CPUAccelerator, CUDAAccelerator
from lightning.pytorch.utilities import rank_zero_only

from unimodal.communicators import Communicator
from unimodal.training.distributed.launch import launched
from unimodal.training.distributed.strategies import Strategy, World
from unimodal.training.distributed.strategies.communicating import Agree, Communicating
from unimodal.training.distributed.strategies.words import strategy_named

PRECISIONS = {"32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}
"""Lightning's short names."""


@final
class Processes:
    """A run's processes: how they work together, and the trainer's settings that make them do so.

    Where a launcher has started them already, it says how many there are. Raises ValueError where the config says
    something else, and for words that are no strategy.
    """

    def __init__(
        self, settings: Mapping[str, Any], variables: Mapping[str, str], communicator: Communicator | None = None
    ) -> None:
        """`settings` are the trainer's, as parsed; `variables` the environment's; a communicator is a strategy."""
        if not isinstance(settings["strategy"], str):
            raise ValueError(f"trainer.strategy: expected a word or a file, got {settings['strategy']!r}")
        self.strategy: Strategy = strategy_named(settings["strategy"])
        self._agreeing: list[Callback] = []
        if communicator is not None:
            if settings["strategy"] != "auto":
                raise ValueError(f"trainer.strategy: {settings['strategy']}: the communicator is the strategy")
            self.strategy, self._agreeing = Communicating(communicator), [Agree(communicator)]
        self._settings = dict(settings)
        self._launch = launched(variables)
        self._devices, self._nodes = settings["devices"], int(settings["num_nodes"])
        if self._launch is not None:
            if str(self._devices) not in ("auto", str(self._launch.devices)) or self._nodes not in (
                1,
                self._launch.nodes,
            ):
                raise ValueError(
                    f"trainer.devices, trainer.num_nodes: {self._devices} and {self._nodes}, but the launcher started "
                    f"{self._launch.devices} processes on each of {self._launch.nodes} machines"
                )
            self._devices, self._nodes = self._launch.devices, self._launch.nodes

    @property
    def world(self) -> World:
        accelerator = self._settings["accelerator"]
        cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.is_available())
        if cpu:
            devices = 1 if self._devices == "auto" else CPUAccelerator.parse_devices(self._devices)
        else:
            every = torch.cuda.device_count() if self._devices == "auto" else self._devices
            devices = len(CUDAAccelerator.parse_devices(every) or ())
        precision = str(self._settings["precision"] or "32")
        return World(processes=devices * self._nodes, cpu=cpu, precision=PRECISIONS.get(precision, precision))

    def arguments(self) -> dict[str, Any]:
        """The trainer's arguments that this decides."""
        world = self.world
        if ignored := self.strategy.ignored(world.precision):
            _say(f"{self._settings['strategy']}: {', '.join(ignored)}: what the run's own config says is used")
        given = {"strategy": self.strategy.make(world), "devices": self._devices, "num_nodes": self._nodes}
        if self._agreeing:
            given["callbacks"] = [*self._agreeing, *(self._settings["callbacks"] or ())]
        if self._launch is not None:
            given["plugins"] = [*(self._settings["plugins"] or ()), self._launch.environment]
        return given


@rank_zero_only
def _say(line: str) -> None:
    print(f"unimodal: {line}", file=sys.stderr)
