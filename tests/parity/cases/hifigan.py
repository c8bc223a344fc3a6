"""HiFi-GAN as SpeechT5's checkpoints have it."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel, SpeechT5HifiGan, SpeechT5HifiGanConfig

from tests.parity.case import Inputs, ParityCase, States, randomise, saved_config

BANDS = 6


def hifigan(model_type: str, **settings: Any) -> Callable[[], tuple[PreTrainedModel, dict[str, Any]]]:
    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        config = SpeechT5HifiGanConfig(model_in_dim=BANDS, **settings)
        model = SpeechT5HifiGan(config)
        randomise(model)
        for parameter in model.parameters():
            parameter.data *= 0.3  # so that the sound is not cut at full scale
        model.mean.normal_()
        model.scale.uniform_(0.5, 2)
        return model.eval(), saved_config(config, model_type=model_type)

    return make


def run(model: PreTrainedModel, inputs: Inputs) -> States:
    """Theirs and ours alike."""
    frames = inputs["spectrogram"]
    return {"waveform": model(frames), "waveform of one": model(frames[0])[None]}


def frames() -> Inputs:
    return {"spectrogram": torch.randn(2, 9, BANDS)}


CASES = [
    ParityCase(
        name="hifigan",
        make=hifigan("hifigan", upsample_initial_channel=32),
        inputs=frames,
        theirs=run,
        ours=run,
    ),
    ParityCase(
        name="hifigan_plain",
        make=hifigan(
            "speecht5_hifigan",
            normalize_before=False,
            upsample_initial_channel=12,
            upsample_rates=[5, 3],
            upsample_kernel_sizes=[9, 3],
            resblock_kernel_sizes=[3, 5],
            resblock_dilation_sizes=[[1, 2], [1]],
            leaky_relu_slope=0.2,
        ),
        inputs=frames,
        theirs=run,
        ours=run,
    ),
]
