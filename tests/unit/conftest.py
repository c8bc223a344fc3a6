"""A tiny untrained model of every modality, for tests of what stands around a model."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from unimodal.catalogue import task_names
from unimodal.spec import load_spec
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary

if TYPE_CHECKING:
    from unimodal.hub import Unimodal

PROCESSORS = {
    "text": "unimodal.prenets.text.TextProcessor",
    "characters": "unimodal.prenets.characters.CharacterProcessor",
    "code": "unimodal.prenets.code.CodeProcessor",
    "table": "unimodal.prenets.table.TableProcessor",
    "speech": "unimodal.prenets.speech.SpeechProcessor",
    "frames": {"class": "unimodal.prenets.frames.FrameProcessor", "reduction": 4},
    "image": {
        "class": "unimodal.prenets.image.ImageProcessor",
        "resizing": {"class": "unimodal.prenets.resizings.area.Area", "pixels": 1024, "longest": 128},
    },
}
PRENETS = {
    "text": "unimodal.prenets.text.TextPrenet",
    "characters": "unimodal.prenets.characters.CharacterPrenet",
    "code": "unimodal.prenets.code.CodePrenet",
    "table": "unimodal.prenets.table.TablePrenet",
    "speech": {"class": "unimodal.prenets.speech.SpeechPrenet", "channels": 4},
    "frames": "unimodal.prenets.frames.FramePrenet",
    "image": "unimodal.prenets.image.ImagePrenet",
}
READOUTS = {"speech": {"class": "unimodal.heads.OwnHead", "bias": True}}
POSTNETS = {
    "frames": {
        "class": "unimodal.prenets.frames.FramePostnet",
        "vocoder": {"class": "unimodal.prenets.vocoders.griffin_lim.GriffinLim", "num_steps": 2},
    }
}


@pytest.fixture(scope="session")
def tiny(pieces: TextPieces) -> "Unimodal":
    """Eight numbers wide, one layer deep, every net, every task."""
    from unimodal.config import UnimodalConfig
    from unimodal.hub import Unimodal
    from unimodal.model import SMALLEST, UnimodalForConditionalGeneration
    from unimodal.processor import UnimodalProcessor

    ranges: list[dict[str, int | list[str]]] = [
        {"text": len(pieces)},
        {"task": task_names()},
        {"table": ["row", "cell", "header"]},
    ]
    spec = load_spec(SMALLEST)["spec"]
    spec |= {"vocabulary": {"class": spec["vocabulary"]["class"], "ranges": ranges}}
    spec |= {"prenets": PRENETS, "postnets": POSTNETS}
    torch.manual_seed(1)
    model = UnimodalForConditionalGeneration(UnimodalConfig(spec=spec, readouts=READOUTS, processors=PROCESSORS))
    return Unimodal(model.eval(), UnimodalProcessor(PROCESSORS, Vocabulary(TokenSpace(ranges), pieces)))


@pytest.fixture(scope="session")
def tiny_folder(tiny: "Unimodal", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny.save_pretrained(folder)
    return folder
