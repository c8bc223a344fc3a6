"""TorchScript files of other projects: their weights are read, their code never runs."""

import json
import warnings
from pathlib import Path

import torch
from safetensors.torch import save_file

from unimodal.folder import CONFIG_FILE

_UPSAMPLING = "ups."
_CONFIG = {
    "model_type": "hifigan",
    "architectures": ["SpeechT5HifiGan"],
    "model_in_dim": 80,
    "sampling_rate": 16_000,
    "upsample_initial_channel": 512,
    "upsample_rates": [8, 5, 2, 2],
    "upsample_kernel_sizes": [16, 10, 4, 4],
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "leaky_relu_slope": 0.1,
    "normalize_before": False,
}
"""Of a HiFi-GAN for a hop of 160 samples. A file of weights does not tell rates and dilations."""


def convert_hifigan(file: Path, folder: Path) -> None:
    """Writes the folder that transformers' SpeechT5HifiGan reads of a HiFi-GAN of 160 samples a frame.

    Raises ValueError for a file that holds none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated
        try:
            weights = torch.jit.load(file, map_location="cpu").state_dict()
        except RuntimeError as error:
            raise ValueError(f"{file}: is no TorchScript file ({str(error).splitlines()[0]})") from error
    if not {"conv_pre.weight", "conv_post.weight"} <= weights.keys():
        raise ValueError(f"{file}: holds no HiFi-GAN")
    named = {
        f"upsampler.{name.removeprefix(_UPSAMPLING)}" if name.startswith(_UPSAMPLING) else name: weight.contiguous()
        for name, weight in weights.items()
    }
    bands = _CONFIG["model_in_dim"]
    assert isinstance(bands, int)
    save_file(
        {**named, "mean": torch.zeros(bands), "scale": torch.ones(bands)},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    (folder / CONFIG_FILE).write_text(json.dumps(_CONFIG, indent=2) + "\n", encoding="utf-8")
