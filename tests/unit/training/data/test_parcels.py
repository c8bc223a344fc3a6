"""A batch that went through shared memory is the batch that was sent; a program that leaves a loader early ends."""

import multiprocessing
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch

from unimodal.batching import Batch, Draw, EncoderDecoder, Item, Packed, Piece, token_piece
from unimodal.training.data.parcels import pack, unpack
from unimodal.training.measuring.finiteness import arrays
from unimodal.training.measuring.waiting import MeasuredLoader

IDS = torch.tensor([5])
LEAVES = """
from tests.unit.training.data.test_parcels import Numbered, loader
batches = iter(loader(Numbered()))
next(batches)
print("left")
"""


def batch(seed: int) -> Batch:
    """Of two nets: numbers of three kinds, some of odd sizes, and an array without any."""
    generator = torch.Generator().manual_seed(seed)
    sound, answer = torch.rand(7, 3, generator=generator), token_piece([3])
    items = [
        Item(
            "asr", (token_piece([9]), Piece("speech", {"mel": sound, "none": sound[:, :0]}, 7)), token_piece([3]), IDS
        ),
        Item("read", (Piece("image", {"dark": sound > 0.5}, 7),), answer, IDS),
    ]
    kinds = {"text": 0, "speech": 1, "image": 2}
    made = EncoderDecoder().batch(items, Packed(source=16, target=8), kinds)
    return Batch(**{**vars(made), "draws": (Draw("asr", 0, seed), Draw("read", 1, 2))})


class Numbered(torch.utils.data.Dataset[Batch]):
    def __getitem__(self, number: int) -> Batch:
        return batch(number)

    def __len__(self) -> int:
        return 6


def loader(batches: Numbered) -> MeasuredLoader:
    from unimodal.training.guards.signals import ignore_in_worker

    return MeasuredLoader(
        batches,
        batch_size=None,
        num_workers=1,
        collate_fn=pack,  # type: ignore[arg-type]  # of one batch, no list
        worker_init_fn=ignore_in_worker,
    )


def same(found: Batch, expected: Batch) -> None:
    one, other = dict(arrays(found)), dict(arrays(expected))
    assert one.keys() == other.keys() and len(one) > 20
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]) and tensor.dtype == other[name].dtype, name
    assert (found.tasks, found.draws, found.counted) == (expected.tasks, expected.draws, expected.counted)


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_comes_back_whole_and_may_be_written_to(seed: int) -> None:
    found = unpack(pack(batch(seed)))
    same(found, batch(seed))
    found.labels.fill_(7)
    changed = [name for name, tensor in arrays(found) if not torch.equal(tensor, dict(arrays(batch(seed)))[name])]
    assert changed == ["labels"], "two arrays share their memory"


def test_a_worker_gives_what_the_run_itself_would() -> None:
    found = list(loader(Numbered()))
    assert len(found) == 6
    for number, given in enumerate(found):
        same(given, batch(number))


def test_a_program_that_leaves_its_batches_ends() -> None:
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", LEAVES], cwd=root, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0 and done.stdout == "left\n", done.stderr


def test_a_worker_that_ends_while_its_parcel_is_fetched_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = iter(loader(Numbered()))
    next(batches)
    (worker,) = multiprocessing.active_children()
    hears = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # by which torch would say it, from wherever the run is
    try:
        time.sleep(3)  # by then parcels wait, whose memory the worker would have to hand over
        worker.kill()
        worker.join()
        monkeypatch.setattr(BaseProcess, "is_alive", lambda self: True)  # as when torch asks too early
        with pytest.raises(RuntimeError, match=rf"DataLoader worker \(pid\(s\) {worker.pid}\) exited unexpectedly"):
            list(batches)
    finally:
        signal.signal(signal.SIGCHLD, hears)
