"""Recordings as checkpoints of other projects hear them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from unimodal.loading.folder import read_json
from unimodal.prenets.spectrogram import RATE
from unimodal.prenets.waveform import Waveform
from unimodal.tasks.checkpoints import Question
from unimodal.tasks.files import check_file, refuse_prompt

_FILES = ("preprocessor_config.json", "processor_config.json")


def read_recordings(paths: Sequence[Path], prompt: str | None, *, task: str, max_seconds: float) -> list[Question]:
    """One question a file: its Waveform at 16 kHz."""
    refuse_prompt(prompt, task)
    for path in paths:
        check_file(path)
    return [Question(str(path), [Waveform.read(path, max_seconds=max_seconds).resampled(RATE)]) for path in paths]


def hearing(folder: Path, needed: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint's folder says of how it hears; empty where it says nothing.

    Raises ValueError that names file and field where it says another thing than is `needed`.
    """
    for name in _FILES:
        if (folder / name).is_file():
            file = read_json(folder / name)
            said: dict[str, Any] = file.get("feature_extractor", file)
            for field, value in needed.items():
                if said.get(field, value) != value:
                    raise ValueError(
                        f"{folder / name}: {field}: is {said[field]!r}, and sound is heard with {value} here"
                    )
            return said
    return {}


def heard(samples: Float[Tensor, " n"], is_normalised: bool) -> Float[Tensor, " n"]:
    """Samples as a checkpoint reads them: of mean 0 and variance 1 where its folder says so."""
    if not is_normalised:
        return samples
    return (samples - samples.mean()) / (samples.var(correction=0) + 1e-7).sqrt()
