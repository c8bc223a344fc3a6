"""A vocoder that stands alone: a part with weights of its own, in a folder of its own.

b rows, t frames, f mel bands, n samples
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from unimodal.auto import MODEL_TYPE
from unimodal.build import build
from unimodal.config import UnimodalConfig
from unimodal.conversions.checkpoint import copy_accompanying, read_model, write_checkpoint
from unimodal.folder import CONFIG_FILE, check_folder, read_json

THEIRS = ("hifigan", "speecht5_hifigan")
"""`model_type` of other projects' vocoders."""


@final
class UnimodalVocoder(PreTrainedModel):
    """One part as a model: `config.spec` is the part's own spec, so it names a class."""

    config_class = UnimodalConfig
    base_model_prefix = ""
    main_input_name = "spectrogram"

    def __init__(self, config: UnimodalConfig) -> None:
        super().__init__(config)
        self.vocoder = build(config.spec, nn.Module, where="config.spec")
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Parts keep what their constructors gave them."""

    def forward(self, spectrogram: Float[Tensor, "*b t f"]) -> Float[Tensor, "*b n"]:
        """Samples of one utterance, or of several that are padded to one length."""
        samples: Tensor = self.vocoder(spectrogram)
        return samples


@final
class VocoderCheckpoint:
    """A vocoder of another project in our network. Call it with frames; `generate_speech(vocoder=...)` does."""

    def __init__(self, model: UnimodalVocoder, folder: Path) -> None:
        self.model = model
        self._folder = folder

    @torch.no_grad()
    def __call__(self, spectrogram: Float[Tensor, "*b t f"]) -> Float[Tensor, "*b n"]:
        samples: Tensor = self.model(spectrogram)
        return samples

    @classmethod
    def read(cls, folder: Path, *, dtype: torch.dtype | None = None) -> "VocoderCheckpoint":
        """Of a folder in their form or in ours. Raises ValueError or FileNotFoundError that names what does not fit."""
        if read_json(folder / CONFIG_FILE)["model_type"] != MODEL_TYPE:
            return cls(read_model(folder, UnimodalVocoder, dtype=dtype), folder)
        check_folder(folder, lambda config: UnimodalVocoder(UnimodalConfig(**config)))
        return cls(UnimodalVocoder.from_pretrained(folder, dtype=dtype, use_safetensors=True).eval(), folder)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes a folder in our form, which `load` reads."""
        self.model.save_pretrained(folder)
        copy_accompanying(self._folder, Path(folder))

    def save_original(self, folder: str | Path) -> None:
        """Writes a folder in the form that the vocoder had, which its own project reads."""
        write_checkpoint(self.model, Path(folder))
        copy_accompanying(self._folder, Path(folder))


def is_vocoder(config: Mapping[str, Any]) -> bool:
    """Whether a `config.json`, ours or theirs, is that of a vocoder alone."""
    if config.get("model_type") != MODEL_TYPE:
        return config.get("model_type") in THEIRS
    spec = config.get("spec")
    return isinstance(spec, Mapping) and "class" in spec
