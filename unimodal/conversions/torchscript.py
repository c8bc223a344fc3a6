"""TorchScript files of other projects: their weights are read, their code never runs."""

import warnings
from pathlib import Path

import torch

from unimodal.config import UnimodalConfig
from unimodal.conversions.hifigan import HifiGan
from unimodal.loading.vocoding import UnimodalVocoder

_SIZES = {"upsample_rates": [8, 5, 2, 2], "resblock_dilation_sizes": [[1, 3, 5]] * 3}
"""As ours has them by default, under transformers' names: no weight tells rates and dilations."""
_SPEC = {"class": "unimodal.prenets.vocoders.hifigan.HifiGan"}


def convert_hifigan(file: Path, folder: Path) -> None:
    """Writes a HiFi-GAN of 160 samples a frame as a vocoder of ours. Raises ValueError for a file that holds none.

    transformers' own gives a sample too many where a rate is odd, so there is no form for it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated
        try:
            weights = torch.jit.load(file, map_location="cpu").state_dict()
        except RuntimeError as error:
            raise ValueError(f"{file}: is no TorchScript file ({str(error).splitlines()[0]})") from error
    named = {
        theirs.replace("upsampler", "ups"): own.removeprefix("vocoder.")
        for theirs, own in HifiGan().keys(_SIZES).ours.items()
    }
    model = UnimodalVocoder(UnimodalConfig(spec=_SPEC))
    states = {named.get(name, name): tensor for name, tensor in weights.items()}
    unused = dict(model.vocoder.named_buffers())
    try:
        model.vocoder.load_state_dict({**unused, **states})
    except RuntimeError as error:
        raise ValueError(f"{file}: holds no HiFi-GAN of 160 samples a frame") from error
    model.save_pretrained(folder)
