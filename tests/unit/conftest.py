"""A tiny untrained model of every modality, for tests of what stands around a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from unimodal.catalogue import task_names
from unimodal.spec import load_spec
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary

if TYPE_CHECKING:
    from unimodal.loading.own import Unimodal

PROCESSORS: dict[str, Any] = {
    "text": "unimodal.prenets.text.TextProcessor",
    "prompt": "unimodal.prenets.text.TextProcessor",
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
PRENETS: dict[str, Any] = {
    "text": "unimodal.prenets.text.TextPrenet",
    "prompt": "unimodal.prenets.text.TextPrenet",
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
        "refinement": {"class": "unimodal.prenets.refinement.Refinement", "width": 8, "num_layers": 2},
        "vocoder": {"class": "unimodal.prenets.vocoders.griffin_lim.GriffinLim", "num_steps": 2},
    }
}


@pytest.fixture(scope="session")
def tiny(pieces: TextPieces) -> "Unimodal":
    """Eight numbers wide, one layer deep, every net, every task; it speaks in one voice."""
    return made(pieces, PRENETS, PROCESSORS)


@pytest.fixture(scope="session")
def voiced(pieces: TextPieces) -> "Unimodal":
    """As `tiny`; it speaks in voices of 256 numbers."""
    processor = {**PROCESSORS["frames"], "voice_dim": 256}
    prenet = {"class": PRENETS["frames"], "voice_dim": 256}
    return made(pieces, {**PRENETS, "frames": prenet}, {**PROCESSORS, "frames": processor})


def made(pieces: TextPieces, prenets: dict[str, Any], processors: dict[str, Any]) -> "Unimodal":
    """A model with these nets."""
    from unimodal.config import UnimodalConfig
    from unimodal.loading.own import Unimodal
    from unimodal.model import SMALLEST, UnimodalForConditionalGeneration
    from unimodal.processor import UnimodalProcessor

    ranges: list[dict[str, int | list[str]]] = [
        {"text": len(pieces)},
        {"task": task_names()},
        {"unit": 40},
        {"sentinel": 5},
        {"table": ["row", "cell", "header"]},
        {"loc": 1000},
        {"grid": ["cell", "header", "left", "up", "cross", "row"]},
    ]
    spec = load_spec(SMALLEST)["spec"]
    spec |= {"vocabulary": {"class": spec["vocabulary"]["class"], "ranges": ranges}}
    spec |= {"prenets": prenets, "postnets": POSTNETS}
    torch.manual_seed(1)
    model = UnimodalForConditionalGeneration(UnimodalConfig(spec=spec, readouts=READOUTS, processors=processors))
    return Unimodal(model.eval(), UnimodalProcessor(processors, Vocabulary(TokenSpace(ranges), pieces)))


@pytest.fixture(scope="session")
def tiny_folder(tiny: "Unimodal", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def voiced_folder(voiced: "Unimodal", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model that speaks in voices."""
    folder = tmp_path_factory.mktemp("voiced")
    voiced.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> "Unimodal":
    """The shipped model of words and tables in pictures, not taught: what it says follows from grammars and chance."""
    from unimodal.config import UnimodalConfig
    from unimodal.loading.own import Unimodal
    from unimodal.model import UnimodalForConditionalGeneration
    from unimodal.processor import UnimodalProcessor

    config = load_spec(Path(__file__).parents[2] / "configs" / "models" / "documents.yaml")
    pieces = TextPieces.train(["0 1 2 3 4 5 6 7 8 9 all of them"] * 20, 280, tmp_path_factory.mktemp("p") / "p.model")
    vocabulary = config["spec"]["vocabulary"]
    vocabulary["ranges"] = [{"text": len(pieces)}, *vocabulary["ranges"][1:]]
    torch.manual_seed(0)
    made = UnimodalForConditionalGeneration(UnimodalConfig(**config)).double().eval()
    space = TokenSpace(vocabulary["ranges"])
    return Unimodal(made, UnimodalProcessor(config["processors"], Vocabulary(space, pieces)))
