"""One of two processes that take training batches and judge their rounds: RANK PORT FOLDER."""

import json
import sys
from pathlib import Path
from random import Random

import torch
import torch.distributed

from unimodal.batching import EncoderDecoder, Item, Packed, token_piece
from unimodal.training.data.batches import Collation, TrainingBatches
from unimodal.training.data.bucketings.mixed import Mixed
from unimodal.training.data.rounds import Rounds
from unimodal.training.data.shards import Shards
from unimodal.training.data.streams import BATCHES_A_WINDOW
from unimodal.training.data.streams.mixed import MixedStream
from unimodal.training.measuring.tally import RoundTally

LONGEST = 30
BATCHES = 12 * 2 * BATCHES_A_WINDOW


class Made:
    """Items of uneven tasks, some of them too long."""

    sizes = {"large": 301, "small": 7, "single": 1}

    def get(self, task: str, number: int) -> Item:
        draw = Random(f"{task} {number}")
        source, target = draw.randint(1, LONGEST + 2 * (task == "large")), draw.randint(1, 9)
        labels = torch.zeros(target, dtype=torch.long)
        return Item(task, (token_piece([0] * source),), token_piece(labels), labels)


def main(rank: int, fault: str) -> dict[str, int]:
    items = Made()
    rounds = Rounds({task: [size] for task, size in items.sizes.items()}, seed=0, shards=2)
    shares = {"large": 0.8, "small": 0.15, "single": 0.05}
    stream = MixedStream(rounds, shares=shares, means=dict.fromkeys(shares, 20.0), entries=80)
    arranged = {"arrangement": EncoderDecoder(), "kinds": {"text": 0}}
    collation = Collation(Mixed(), packer=Packed(source=64, target=32), entries=80, longest=LONGEST, **arranged)
    shards = Shards(2, 0 if fault == "same_shard" else rank, 2)
    batches = TrainingBatches(items, stream, collation, shards, seed=0)
    tally = RoundTally(items.sizes, shards=2, device=torch.device("cpu"))
    counts = {"rounds": 0, "missing": 0, "repeated": 0, "left_out": 0}
    for number in range(BATCHES):
        batch = batches[number]
        assert tuple(draw.task for draw in batch.draws) == batch.tasks
        if not (fault == "skipped_batch" and rank == 1 and number == 40):
            tally.take(rank, (*batch.draws, *batch.left_out))
        long = torch.tensor(len(batch.left_out))
        torch.distributed.all_reduce(long)
        counts["left_out"] += int(long)
        if (number + 1) % (2 * BATCHES_A_WINDOW) == 0:
            for found in tally.close():
                counts["rounds"] += 1
                counts["missing"] += len(found.missing)
                counts["repeated"] += len(found.repeated)
    return counts


if __name__ == "__main__":
    rank, port, folder = sys.argv[1:]
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=int(rank), world_size=2)
    found = {fault: main(int(rank), fault) for fault in ("none", "same_shard", "skipped_batch")}
    Path(folder, f"{rank}.json").write_text(json.dumps(found), encoding="utf-8")
    torch.distributed.destroy_process_group()
