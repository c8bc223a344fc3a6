"""Which conversion reads a checkpoint: by the `model_type` of its `config.json`."""

import importlib
from collections.abc import Mapping
from typing import Any

from unimodal.conversions import Conversion

FAMILIES = {
    "bart": "bart.Bart",
    "bert": "bert.Bert",
    "deit": "vit.VisionTransformer",
    "hifigan": "hifigan.HifiGan",
    "llama": "llama.Llama",
    "m2m_100": "m2m_100.M2M100",
    "marian": "marian.Marian",
    "mbart": "mbart.MBart",
    "mistral": "llama.Mistral",
    "mt5": "t5.T5",
    "pegasus": "pegasus.Pegasus",
    "pix2struct": "pix2struct.Pix2Struct",
    "qwen2": "llama.Qwen2",
    "roberta": "bert.Roberta",
    "speecht5": "speecht5.SpeechT5",
    "speecht5_hifigan": "hifigan.HifiGan",
    "t5": "t5.T5",
    "t5gemma": "t5gemma.T5Gemma",
    "umt5": "t5.T5",
    "vision-encoder-decoder": "vision_encoder_decoder.VisionEncoderDecoder",
    "vit": "vit.VisionTransformer",
    "whisper": "whisper.Whisper",
}
"""Their `model_type` -> the module and class below `unimodal.conversions`."""
RENAMED = {"hifigan": "speecht5_hifigan"}
"""A `model_type` of released files -> the name under which transformers has its settings today."""


def conversion_of(theirs: Mapping[str, Any]) -> Conversion:
    """The conversion of a family. Raises ValueError that names the families which there are."""
    model_type = theirs.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise ValueError(f"model_type: {model_type!r} is none of {', '.join(sorted(FAMILIES))}")
    module, name = FAMILIES[model_type].split(".")
    conversion = getattr(importlib.import_module(f"unimodal.conversions.{module}"), name)()
    assert isinstance(conversion, Conversion)
    return conversion
