"""Processes that began together, by torch.distributed."""

from datetime import timedelta
from typing import final

import torch
import torch.distributed as dist
from jaxtyping import UInt8
from torch import Tensor

from unimodal.links import Link, Pending, Round


@final
class ProcessGroup(Link):
    """All ranks of the process group that is initialised, over gloo's own threads beside whatever else they say.

    Nobody can join late, and a worker that dies ends the run of all. All messages of a round have the same length.
    """

    def __init__(self, *, patience: float = 1800.0) -> None:
        """`patience` in seconds: a worker that does not answer for so long is lost."""
        if patience <= 0:
            raise ValueError(f"patience: expected seconds above 0, got {patience}")
        self.patience = patience
        self._group: dist.ProcessGroup | None = None

    def open(self) -> None:
        if not dist.is_initialized():
            raise ValueError("link: no process group to talk in; begin the run with torchrun or several devices")
        group = dist.new_group(backend="gloo", timeout=timedelta(seconds=self.patience))
        assert isinstance(group, dist.ProcessGroup), "every rank is a member"
        self._group = group

    @property
    def number(self) -> int:
        return dist.get_rank()

    @property
    def workers(self) -> list[int]:
        return list(range(dist.get_world_size()))

    def gather(self, message: UInt8[Tensor, " c"]) -> Pending:
        received = [torch.empty_like(message) for _ in self.workers]
        try:
            work = dist.all_gather(received, message, group=self._group, async_op=True)
        except RuntimeError as error:
            raise _lost(error) from error

        def collect() -> Round:
            try:
                work.wait()
            except RuntimeError as error:
                raise _lost(error) from error
            return dict(enumerate(received))

        return collect

    def missed(self) -> list[Round]:
        return []

    def close(self) -> None:
        if self._group is not None:
            dist.destroy_process_group(self._group)
            self._group = None


def _lost(error: RuntimeError) -> OSError:
    return ConnectionError(f"a worker was lost: {str(error).splitlines()[0]}")
