"""A model of another project in our network: what `unimodal.load` gives for its folder."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from unimodal.build import build
from unimodal.conversions.checkpoint import copy_accompanying, write_checkpoint
from unimodal.conversions.pictures import read_pictures
from unimodal.loading.checkpoint_tasks import CheckpointWork, build_checkpoint_task
from unimodal.loading.tokenizer_files import read_tokenizer
from unimodal.modality import Extractor
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.precision.dtypes import original_states
from unimodal.running.work import Loaded, Work

PATCHES = "flattened_patches"  # the input of a checkpoint that reads pictures as rows of patches


@final
class Checkpoint(Loaded):
    """A model of another project in our network, with what came beside its weights."""

    description = "A checkpoint of another project, converted; its licence is that of its origin."
    licence = None

    def __init__(self, model: UnimodalForConditionalGeneration, folder: Path) -> None:
        self.model = model
        self.generate = model.generate
        """Token ids in, token ids out, under transformers' names."""
        self._folder = folder

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of the checkpoint's folder. Raises FileNotFoundError where there is none, or ValueError."""
        return read_tokenizer(self._folder)

    @property
    def folder(self) -> Path:
        """Where it was read from."""
        return self._folder

    @property
    def origin(self) -> Mapping[str, Any]:
        """The `config.json` that its own project wrote."""
        origin: Mapping[str, Any] | None = self.model.config.origin
        assert origin is not None, "a checkpoint comes from another project"
        return origin

    def prepare(
        self,
        task: str,
        paths: Sequence[Path],
        *,
        prompt: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Work:
        """As in the contract, for the tasks that `unimodal tasks --model FOLDER` lists."""
        asked = build_checkpoint_task(task, self, options or {})
        return CheckpointWork(task, asked, asked.read(paths, prompt))

    def pixel_values(self, pictures: Sequence[object]) -> Tensor:
        """Pictures (paths, Pillow images, tensors from 0 to 1) as the checkpoint's own files say that it reads them.

        Raises ValueError or FileNotFoundError that names the picture, or the file of the checkpoint.
        """
        return torch.stack([self._extract_pixels(picture) for picture in pictures])

    def picture_inputs(self, pictures: Sequence[object]) -> dict[str, Tensor]:
        """As `pixel_values`, by the names of `generate`: patches come with a mask."""
        pixels = self.pixel_values(pictures)
        if PATCHES in self.model.source.keywords:
            return {PATCHES: pixels, "attention_mask": pixels[..., 0] > 0}
        return {"pixel_values": pixels}

    @cached_property
    def _extract_pixels(self) -> Extractor:
        extractor: Extractor = build(read_pictures(self._folder), Extractor, where="image processor")
        return extractor

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes a folder in our form, which `load` reads."""
        self.model.save_pretrained(folder)
        copy_accompanying(self._folder, Path(folder))

    def save_original(self, folder: str | Path) -> None:
        """Writes a folder in the form that the checkpoint had, which its own project reads."""
        write_checkpoint(self.model, Path(folder), original_states(self.model))
        copy_accompanying(self._folder, Path(folder))
