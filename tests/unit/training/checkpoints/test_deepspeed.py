"""Shards of a DeepSpeed run: copies in its own format, read without running what they hold."""

import os
from pathlib import Path

import pytest
import torch
from deepspeed.runtime.checkpoint_engine.checkpoint_engine import CheckpointCommitInfo
from deepspeed.runtime.fp16.loss_scaler import LossScaler

from unimodal.training.checkpoints.deepspeed import ShardFiles
from unimodal.training.checkpoints.files import CheckpointFiles


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch harm",)


def test_a_shard_is_a_copy_in_its_own_format(tmp_path: Path) -> None:
    files, weights = CheckpointFiles(), torch.zeros(3)
    shards = ShardFiles(files)
    state = {"module": {"weight": weights}, "loss_scaler": LossScaler(scale=4.0), "shapes": [torch.Size([3])]}
    with files.collecting() as pending:
        shards.create(CheckpointCommitInfo(tag="checkpoint", save_dir=str(tmp_path), save_latest=True))
        shards.save(state, str(tmp_path / "checkpoint/model.pt"))
    weights.fill_(1.0)  # the next step
    assert not list(tmp_path.iterdir())
    (tmp_path / "checkpoint").mkdir()
    assert [write(tmp_path) for write in pending] == [["checkpoint/model.pt"]]
    found = shards.load(str(tmp_path / "checkpoint/model.pt"))
    assert torch.equal(found["module"]["weight"], torch.zeros(3)) and found["shapes"] == [torch.Size([3])]
    assert found["loss_scaler"].cur_scale == 4.0


def test_a_shard_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"module": Harm()}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model.pt: is no shard of a DeepSpeed run, or holds more than its state"):
        ShardFiles(CheckpointFiles()).load(str(tmp_path / "model.pt"))
    (tmp_path / "torn.pt").write_bytes((tmp_path / "model.pt").read_bytes()[:100])
    with pytest.raises(ValueError, match=r"torn.pt: is no shard"):
        ShardFiles(CheckpointFiles()).load(str(tmp_path / "torn.pt"))
    assert not (tmp_path / "harm").exists()
