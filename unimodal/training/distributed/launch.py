"""Processes that somebody else started: torchrun, or DeepSpeed's launcher with its hostfile."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment


@final
class DeepSpeedEnvironment(TorchElasticEnvironment):
    """DeepSpeed's launcher sets what torchrun sets, but calls the number of a machine otherwise."""

    def __init__(self, node: int) -> None:
        super().__init__()
        self._node = node

    def node_rank(self) -> int:
        return self._node


@final
@dataclass(frozen=True)
class Launch:
    """How many machines there are, how many processes on each, and how Lightning finds its place among them."""

    nodes: int
    devices: int
    environment: ClusterEnvironment


def launched(variables: Mapping[str, str]) -> Launch | None:
    """What the environment's variables tell; None where the trainer starts the processes itself.

    Raises ValueError where machines have different numbers of processes, which the trainer cannot count.
    """
    if "TORCHELASTIC_RUN_ID" in variables:
        nodes, devices = int(variables["GROUP_WORLD_SIZE"]), int(variables["LOCAL_WORLD_SIZE"])
        environment: ClusterEnvironment = TorchElasticEnvironment()
    elif "CROSS_SIZE" in variables and "LOCAL_SIZE" in variables:
        nodes, devices = int(variables["CROSS_SIZE"]), int(variables["LOCAL_SIZE"])
        environment = DeepSpeedEnvironment(int(variables["CROSS_RANK"]))
    else:
        return None
    processes = int(variables["WORLD_SIZE"])
    if processes != nodes * devices:
        raise ValueError(f"WORLD_SIZE: {processes} on {nodes} machines, {devices} of them here: each needs as many")
    return Launch(nodes, devices, environment)
