"""From words, DeepSpeed's files and a launcher's environment to what the trainer is given."""

import json
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy

from tests.unit.training.conftest import Fit
from tests.unit.training.distributed.strategies.conftest import torchrun, two_machines
from unimodal.training.distributed.launch import DeepSpeedEnvironment, launched
from unimodal.training.distributed.processes import Processes
from unimodal.training.distributed.strategies import World
from unimodal.training.distributed.strategies.partitioned import Partitioned
from unimodal.training.distributed.strategies.words import STAGES, WORDS, strategy_named
from unimodal.training.optimizer import AdamW, Muon

CPU = World(processes=2, cpu=True, precision="32-true")
GPU = World(processes=2, cpu=False, precision="bf16-mixed")
SETTINGS = {"accelerator": "cpu", "devices": "auto", "num_nodes": 1, "precision": None, "plugins": None}


def processes(variables: dict[str, str] | None = None, **settings: object) -> Processes:
    return Processes({"strategy": "auto", "callbacks": None, **SETTINGS, **settings}, variables or {})


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("world", [CPU, GPU], ids=["cpu", "gpu"])
def test_every_word_gives_the_trainer_a_strategy(
    word: str, world: World, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    strategy = strategy_named(word)
    made = strategy.make(world)
    assert isinstance(made, DeepSpeedStrategy if word in STAGES else DDPStrategy)
    assert strategy.uniform == (word in STAGES) and strategy.ignored("32-true") == []


def test_one_process_needs_no_strategy() -> None:
    assert strategy_named("auto").make(World(processes=1, cpu=True, precision="32-true")) == "auto"


@pytest.mark.parametrize("short", ["1", "2", "3", "3_offload"])
def test_a_stage_has_a_short_name(short: str) -> None:
    short_one, whole = strategy_named(short), strategy_named(f"deepspeed_stage_{short}")
    assert isinstance(short_one, Partitioned) and isinstance(whole, Partitioned)
    assert short_one.config == whole.config and short_one.stage == int(short[0])


def test_a_deepspeed_file_is_taken_but_for_what_the_run_decides(tmp_path: Path) -> None:
    """The file is one that transformers' Trainer takes: `auto` stands for what it would fill in."""
    file = tmp_path / "ds.json"
    zero = {"stage": 2, "overlap_comm": False, "allgather_bucket_size": "auto"}
    given: dict[str, Any] = {
        "zero_optimization": zero,
        "fp16": {"enabled": True},
        "bf16": {"enabled": "auto"},
        "optimizer": {"type": "AdamW", "params": {"lr": "auto"}},
        "gradient_accumulation_steps": 4,
        "gradient_clipping": "auto",
        "train_batch_size": "auto",
        "wall_clock_breakdown": True,
    }
    file.write_text(json.dumps(given), encoding="utf-8")
    strategy = strategy_named(str(file))
    assert isinstance(strategy, Partitioned) and strategy.stage == 2
    assert strategy.ignored("bf16-mixed") == ["fp16", "optimizer", "gradient_accumulation_steps"]
    assert strategy.ignored("16-mixed") == ["bf16", "optimizer", "gradient_accumulation_steps"]
    made = strategy.make(CPU).config
    assert made["zero_optimization"] == {"stage": 2, "overlap_comm": False} and made["wall_clock_breakdown"]
    assert not {"fp16", "bf16", "optimizer", "gradient_accumulation_steps", "train_batch_size"} & set(made)
    assert json.loads(file.read_text()) == given


def test_what_a_file_says_in_vain_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ds.json"
    file.write_text('{"zero_optimization": {"stage": 1}, "gradient_clipping": 0.3, "scheduler": {}}', encoding="utf-8")
    processes(strategy=str(file)).arguments()
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"unimodal: {file}: gradient_clipping, scheduler: what the run's own config says is used"


@pytest.mark.parametrize("word", ["deepspeed_stage_1", "2", "3", "3_offload"])
def test_whole_matrices_are_not_cut(word: str) -> None:
    with pytest.raises(ValueError, match=r"model\.optimizer: Muon steps along whole matrices"):
        strategy_named(word).check(Muon(learning_rate=0.01))
    strategy_named(word).check(AdamW(learning_rate=0.01))
    strategy_named("ddp").check(Muon(learning_rate=0.01))
    Partitioned({"zero_optimization": {"stage": 0}}).check(Muon(learning_rate=0.01))


MISTAKES = {
    "deepspeed_stage_4": r"trainer\.strategy: 'deepspeed_stage_4': did you mean 'deepspeed_stage_",
    "horovod": r"there are auto, ddp, deepspeed_stage_1, .* and DeepSpeed's JSON files",
    "absent.json": r"absent\.json: no such file",
    "torn.json": r"torn\.json: is not JSON: .* line 1",
    "list.json": r"list\.json: expected DeepSpeed's config, a mapping",
    "stage.json": r"stage\.json: zero_optimization: expected a mapping with a stage from 0 to 3",
}


@pytest.mark.parametrize("word", MISTAKES)
def test_a_mistake_names_the_word_or_the_file(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("torn.json").write_text('{"zero', encoding="utf-8")
    Path("list.json").write_text("[]", encoding="utf-8")
    Path("stage.json").write_text('{"zero_optimization": {"stage": 5}}', encoding="utf-8")
    with pytest.raises((ValueError, FileNotFoundError), match=MISTAKES[word]):
        strategy_named(word)


def test_a_run_with_muon_under_zero_ends_before_it_begins(fit: Fit) -> None:
    muon = '{"class": "unimodal.training.optimizer.Muon", "learning_rate": 0.01}'
    with pytest.raises(ValueError, match=r"take AdamW, or --trainer\.strategy ddp"):
        fit("--trainer.strategy", "deepspeed_stage_2", "--model.optimizer", muon)


def test_nobody_launched_this() -> None:
    assert launched({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a"}) is None
    assert processes(devices="3", num_nodes=2).world == World(processes=6, cpu=True, precision="32-true")
    assert processes(precision="bf16-true").world.precision == "bf16-true"


def test_a_launcher_says_how_many_processes_there_are() -> None:
    one, many = launched(torchrun(1, 4)), launched(two_machines(1, 2))
    assert one is not None and (one.nodes, one.devices) == (1, 4)
    assert many is not None and (many.nodes, many.devices, many.environment.node_rank()) == (2, 1, 1)
    assert isinstance(many.environment, DeepSpeedEnvironment)
    told = processes(torchrun(0, 4)).arguments()
    assert (told["devices"], told["num_nodes"]) == (4, 1)
    told = processes(two_machines(1, 2), devices="1", num_nodes=2).arguments()
    assert (told["devices"], told["num_nodes"], told["plugins"][0].node_rank()) == (1, 2, 1)


def test_config_and_launcher_have_to_agree() -> None:
    with pytest.raises(
        ValueError, match=r"trainer\.devices, trainer\.num_nodes: 3 and 1, but .* 4 processes on each of 1"
    ):
        processes(torchrun(0, 4), devices="3")
    with pytest.raises(ValueError, match=r"WORLD_SIZE: 6 on 2 machines, 4 of them here: each needs as many"):
        launched({**two_machines(0, 6), "CROSS_SIZE": "2", "LOCAL_SIZE": "4"})
