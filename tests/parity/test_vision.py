"""What is the vision families' own: pictures from end to end, what files hold beside the network, what ours lack."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_sample_images
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

import unimodal
from tests.parity.cases import vision_encoder_decoder as trocr
from tests.parity.cases import vit
from tests.parity.test_parity import saved_states
from unimodal.conversions.vision_encoder_decoder import VisionEncoderDecoder
from unimodal.conversions.vit import VisionTransformer

CLASSIFIER = next(case for case in vit.CASES if case.name == "vit_classifier")
BARE = next(case for case in vit.CASES if case.name == "vit_bare")
WRITER = next(case for case in trocr.CASES if case.name == "trocr_equal_widths")
COMPUTED = next(case for case in trocr.CASES if case.name == "trocr_bridged_sinusoidal")


@torch.no_grad()
def test_photographs_are_named_and_read_as_transformers_does(tmp_path: Path) -> None:
    photographs = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    processor = ViTImageProcessorPil(size={"height": 12, "width": 17})
    read = torch.cat([torch.tensor(processor(one)["pixel_values"][0])[None] for one in photographs])
    for case in (CLASSIFIER, WRITER):
        theirs = case.save(tmp_path / case.name)
        processor.save_pretrained(tmp_path / case.name)
        ours = unimodal.load(tmp_path / case.name)
        pixels = ours.pixel_values(photographs)
        assert (pixels - read).abs().max() <= 1e-3
        if case is CLASSIFIER:
            torch.testing.assert_close(ours.model(pixel_values=pixels).logits, theirs(read).logits)
        else:
            options = {"num_beams": 4, "max_new_tokens": 9}
            expected = theirs.generate(read, **options)
            assert ours.generate(pixel_values=pixels, **options).tolist() == expected.tolist()


def test_a_classifier_keeps_the_names_of_its_labels(tmp_path: Path) -> None:
    CLASSIFIER.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    named = {str(label): f"thing {label}" for label in range(7)}
    (tmp_path / "config.json").write_text(json.dumps({**config, "id2label": named}))
    loaded = unimodal.load(tmp_path)
    assert loaded.model.config.origin["id2label"] == named
    loaded.save_pretrained(tmp_path / "ours")
    assert unimodal.load(tmp_path / "ours").model.config.origin["id2label"] == named


def test_a_body_without_pooler_gives_none(tmp_path: Path) -> None:
    BARE.save(tmp_path)
    output = unimodal.load(tmp_path).model(**BARE.inputs())
    assert output.pooler_output is None and output.logits.shape[-1] == 0


def test_an_encoder_alone_writes_nothing(tmp_path: Path) -> None:
    CLASSIFIER.save(tmp_path)
    with pytest.raises(ValueError, match="the model has no decoder"):
        unimodal.load(tmp_path).generate(**CLASSIFIER.inputs())


def test_a_decoder_reads_the_labels_shifted(tmp_path: Path) -> None:
    theirs, inputs = WRITER.save(tmp_path), WRITER.inputs()
    given = {name: inputs[name] for name in ("pixel_values", "labels")}
    output = unimodal.load(tmp_path).model(**given)
    torch.testing.assert_close(output.loss, theirs(**given).loss)


def test_what_files_hold_and_nothing_reads_is_left(tmp_path: Path) -> None:
    """Files of the large models hold a number that only told a device, and files of others the encoder's pooler."""
    COMPUTED.save(tmp_path)
    file = tmp_path / "model.safetensors"
    idle = {
        "decoder.model.decoder.embed_positions._float_tensor": torch.ones(1),
        "encoder.pooler.dense.weight": torch.ones(16, 16),
        "encoder.pooler.dense.bias": torch.ones(16),
    }
    save_file(load_file(file) | idle, file, metadata={"format": "pt"})
    unimodal.load(tmp_path).save_original(tmp_path / "back")
    assert load_file(file).keys() - load_file(tmp_path / "back" / "model.safetensors").keys() == idle.keys()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architectures": ["ViTForMaskedImageModeling"]}, "architectures: 'ViTForMaskedImageModeling'"),
        ({"problem_type": "regression"}, "problem_type: "),
        ({"id2label": {"0": "only"}}, "id2label: "),
        ({"hidden_act": "mish"}, "hidden_act: 'mish'"),
        ({"patch_size": [4, 3, 2]}, "patch_size: expected a height and a width"),
        ({"image_size": 0}, "image_size: expected a height and a width from 1 on, got 0"),
    ],
)
def test_a_setting_that_ours_lack_is_named(changes: dict[str, Any], message: str) -> None:
    _, config = CLASSIFIER.make()
    with pytest.raises(ValueError, match=f"^{message}"):
        VisionTransformer().config({**config, **changes})


@pytest.mark.parametrize(
    ("side", "changes", "message"),
    [
        ("encoder", {"model_type": "swin"}, "encoder.model_type: 'swin' is none of deit, vit"),
        ("decoder", {"model_type": "gpt2"}, "decoder.model_type: 'gpt2' is none of trocr"),
        ("decoder", {"cross_attention_hidden_size": 99}, "decoder.cross_attention_hidden_size: is 99, but "),
        ("decoder", {"activation_function": "mish"}, "decoder.activation_function: 'mish'"),
        ("encoder", {"hidden_act": "mish"}, "encoder.hidden_act: 'mish'"),
        ("encoder", {"image_size": "large"}, "encoder.image_size: expected"),
    ],
)
def test_a_setting_of_a_side_is_named_with_its_side(side: str, changes: dict[str, Any], message: str) -> None:
    _, config = WRITER.make()
    with pytest.raises(ValueError, match=f"^{message}"):
        VisionEncoderDecoder().config({**config, side: {**config[side], **changes}})


def test_a_picture_table_of_another_size_is_named() -> None:
    theirs, config = CLASSIFIER.make()
    with pytest.raises(ValueError, match=r"^vit.embeddings.position_embeddings: has the shape \(1, 16, 16\), config"):
        VisionTransformer().to_unimodal(saved_states(theirs), {**config, "image_size": 24})
