"""A worker that a test starts as a process of its own: `worker.py MODE ADDRESS NUMBER FOLDER`."""

import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from unimodal.agreement import digest
from unimodal.communicators import LocalStep, local_step
from unimodal.communicators.fragments import Fragments
from unimodal.communicators.shared_directions import SharedDirections
from unimodal.links import Link
from unimodal.links.process_group import ProcessGroup
from unimodal.links.shared_log import SharedLog
from unimodal.links.unreliable import Unreliable

ROUNDS_TOGETHER = 10


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict({"layers": nn.ModuleList(nn.Linear(16, 16) for _ in range(4)), "out": nn.Linear(16, 1)})


def step_of(model: nn.Module, optimizer: torch.optim.Optimizer, number: int, step: int) -> LocalStep:
    x = torch.randn(8, 16, generator=torch.Generator().manual_seed(100 * number + step))

    def loss() -> Tensor:
        hidden = x
        for layer in model["layers"]:
            hidden = hidden + layer(hidden).tanh()
        return (model["out"](hidden) - x.sum(1, keepdim=True).sin()).square().mean()

    return local_step(loss, optimizer)


def weights(model: nn.Module) -> str:
    return bytes(digest(list(model.parameters())).tolist()).hex()


def train(link: Link) -> dict[str, object]:
    """Fragments in four bits over a link that loses messages and delays them."""
    model, unreliable = net(), Unreliable(link, dropout=0.25, seconds=0.02, seed=5)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    communicator = Fragments(link=unreliable, num_fragments=3, period=6, delay=3)
    communicator.begin(model)
    for step in range(20):
        communicator.step(model, step, step_of(model, optimizer, link.number, step))
    communicator.finish(model)
    traffic = communicator.traffic
    return {"weights": weights(model), "bytes": traffic.bytes, "peak": traffic.peak, "missing": traffic.missing}


def overlap(link: Link, folder: Path) -> list[list[int]]:
    """The first worker's round begins before the second one sends anything: a gather that waits would hang."""
    link.open()
    begun = folder / "begun"
    if link.number == 1:
        while not begun.exists():
            time.sleep(0.01)
    collect = link.gather(torch.full((3,), link.number, dtype=torch.uint8))
    begun.touch()
    return [message.tolist() for message in collect().values()]


def in_a_group(address: str, number: int, folder: Path) -> None:
    dist.init_process_group("gloo", f"tcp://{address}", timedelta(seconds=60), world_size=2, rank=number)
    found = {**train(ProcessGroup()), "overlap": overlap(ProcessGroup(), folder)}
    last = ProcessGroup()
    last.open()
    if number == 1:
        (folder / "1.json").write_text(json.dumps(found))
        os._exit(9)  # without a word
    try:
        last.gather(torch.zeros(1, dtype=torch.uint8))()
    except OSError as error:
        found["lost"] = str(error)
    (folder / "0.json").write_text(json.dumps(found))
    os._exit(0)  # a group with a dead member cannot be taken down


def by_a_log(address: str, number: int, folder: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    communicator = SharedDirections(
        link=SharedLog(address, workers=2, patience=3.0), learning_rate=0.01, num_samples=2, check_every=8
    )
    communicator.begin(model)
    joined_at, end = communicator.rounds, folder / "end"
    last = 10**9
    while communicator.rounds < last:
        communicator.step(model, 0, step_of(model, optimizer, number, communicator.rounds))
        (folder / f"{number}.rounds").write_text(str(communicator.rounds))
        if number == 2 and not end.exists():
            partial = folder / "end.partial"
            partial.write_text(str(communicator.rounds + ROUNDS_TOGETHER))
            partial.rename(end)
        last = int(end.read_text()) if end.exists() else last
    communicator.finish(model)
    found = {"weights": weights(model), "rounds": communicator.rounds, "joined at": joined_at}
    found |= {"missing": communicator.traffic.missing, "bytes": communicator.traffic.bytes}
    (folder / f"{number}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    torch.set_num_threads(1)
    mode, where, which, place = sys.argv[1:]
    {"group": in_a_group, "log": by_a_log}[mode](where, int(which), Path(place))
