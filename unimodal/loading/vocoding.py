"""A vocoder that stands alone: a part with weights of its own, in a folder of its own; and one in a model's post-net.

b rows, t frames, f mel bands, n samples
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from unimodal.build import build
from unimodal.config import UnimodalConfig
from unimodal.conversions.checkpoint import copy_accompanying, read_model, write_checkpoint
from unimodal.loading.auto import MODEL_TYPE
from unimodal.loading.folder import CONFIG_FILE, check_folder, find_folder, read_json
from unimodal.modality import Postnet
from unimodal.model import UnimodalForConditionalGeneration

PART = "vocoder"
"""The parameter of a post-net that takes one."""
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


def give_vocoder(model: UnimodalForConditionalGeneration, net: str, vocoder: UnimodalVocoder) -> None:
    """Lets the post-net `net` make sound by a vocoder of its own, which is saved with the model and said in its spec.

    Raises ValueError for a model whose post-net takes none.
    """
    config: Any = model.config
    spec = deepcopy(config.spec)
    if net not in spec["postnets"]:
        raise ValueError(f"vocoder: the model writes no {net}")
    spec["postnets"][net] = {**spec["postnets"][net], PART: vocoder.config.spec}
    postnet = build(spec["postnets"][net], Callable[[int], Postnet], where=f"config.spec.postnets.{net}")(spec["dim"])
    within, alone = f"{PART}.", vocoder.vocoder.state_dict()
    own = {name: value for name, value in model.postnet(net).state_dict().items() if not name.startswith(within)}
    postnet.load_state_dict({**own, **{within + name: value for name, value in alone.items()}})
    model.postnets[net] = postnet.to(device=model.device, dtype=model.dtype).train(model.training)
    config.spec = spec


def find_vocoder(name: str | Path, net: str) -> UnimodalVocoder:
    """A vocoder by its folder or Hub id, or the one that was taught in the post-net `net` of a model of ours.

    Raises ValueError where there is none.
    """
    folder = find_folder(name)
    config = read_json(folder / CONFIG_FILE)
    if is_vocoder(config):
        return VocoderCheckpoint.read(folder).model
    if config.get("model_type") != MODEL_TYPE:
        raise ValueError(f"{name}: is no vocoder")
    return take_vocoder(UnimodalForConditionalGeneration.from_pretrained(folder), net)


def take_vocoder(model: UnimodalForConditionalGeneration, net: str) -> UnimodalVocoder:
    """The vocoder that was taught in the post-net `net`, alone. Raises ValueError where there is none."""
    config: Any = model.config
    spec, within = config.spec["postnets"].get(net, {}).get(PART), f"postnets.{net}.{PART}."
    states = {name.removeprefix(within): value for name, value in model.state_dict().items() if name.startswith(within)}
    if not states:
        raise ValueError(f"vocoder: the model has none for {net} that was taught")
    alone = UnimodalVocoder(UnimodalConfig(spec={"class": spec} if isinstance(spec, str) else spec))
    alone.vocoder.load_state_dict(states)
    alone.eval()
    return alone


def is_vocoder(config: Mapping[str, Any]) -> bool:
    """Whether a `config.json`, ours or theirs, is that of a vocoder alone."""
    if config.get("model_type") != MODEL_TYPE:
        return config.get("model_type") in THEIRS
    spec = config.get("spec")
    return isinstance(spec, Mapping) and "class" in spec
