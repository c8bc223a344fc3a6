"""From a word of a config, or the file of a DeepSpeed config, to a strategy."""

import difflib
import json
from pathlib import Path

from unimodal.training.distributed.strategies import Strategy
from unimodal.training.distributed.strategies.automatic import Automatic
from unimodal.training.distributed.strategies.partitioned import Partitioned, stage_config
from unimodal.training.distributed.strategies.replicated import Replicated

STAGES = {
    "deepspeed_stage_1": stage_config(1),
    "deepspeed_stage_2": stage_config(2),
    "deepspeed_stage_3": stage_config(3),
    "deepspeed_stage_3_offload": stage_config(3, offload=True),
}
WORDS = ("auto", "ddp", *STAGES)


def strategy_named(word: str) -> Strategy:
    """`auto`, `ddp`, `deepspeed_stage_2` (`2` for short) and its like, or the path of a DeepSpeed JSON.

    Raises ValueError, or FileNotFoundError that names the file.
    """
    if word == "auto":
        return Automatic()
    if word == "ddp":
        return Replicated()
    full = f"deepspeed_stage_{word}"
    if word in STAGES or full in STAGES:
        return Partitioned(STAGES.get(word) or STAGES[full])
    if word.endswith(".json"):
        return Partitioned(_read(Path(word)))
    near = difflib.get_close_matches(word, WORDS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(WORDS)} and DeepSpeed's JSON files"
    raise ValueError(f"trainer.strategy: {word!r}: {hint}")


def _read(file: Path) -> dict[str, object]:
    if not file.is_file():
        raise FileNotFoundError(f"trainer.strategy: {file}: no such file")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file}: is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{file}: expected DeepSpeed's config, a mapping")
    zero = config.get("zero_optimization", {})
    if not isinstance(zero, dict) or zero.get("stage", 0) not in (0, 1, 2, 3):
        raise ValueError(f"{file}: zero_optimization: expected a mapping with a stage from 0 to 3")
    return config
