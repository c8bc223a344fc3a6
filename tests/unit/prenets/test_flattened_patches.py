"""Patches with row and column: cut as transformers cuts them, refused where the model has no place for them."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from transformers.models.pix2struct.image_processing_pil_pix2struct import Pix2StructImageProcessorPil

import unimodal
from tests.parity.cases import CASES
from unimodal.build import build
from unimodal.conversions.pictures import read_pictures
from unimodal.modality import Extractor
from unimodal.prenets.flattened_patches import FlattenedPatches, FlattenedPatchesPrenet, FlattenedPatchesProcessor

SIZES = [(427, 640), (64, 60), (500, 9), (3, 200), (1, 1)]


@pytest.fixture(scope="module")
def photograph():
    return Image.fromarray(load_sample_image("china.jpg"))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "settings", [{"max_patches": 300}, {"max_patches": 40, "patch_size": {"height": 8, "width": 8}}]
)
def test_a_picture_of_any_shape_gives_what_transformers_gives(photograph, size, settings, tmp_path: Path):
    processor, picture = Pix2StructImageProcessorPil(**settings), photograph.resize(size[::-1])
    processor.save_pretrained(tmp_path)
    found = build(read_pictures(tmp_path), Extractor)(picture)
    expected = processor(picture, return_tensors="pt")["flattened_patches"][0]
    assert found.shape == expected.shape and torch.equal(found[:, :2], expected[:, :2])
    assert (found - expected).abs().max() <= 1e-4


def test_a_picture_of_one_colour_is_zeros():
    arrays = FlattenedPatchesProcessor(max_patches=9, patch=4)(torch.full((3, 10, 10), 0.7))
    assert arrays["patches"].shape == (9, 48) and arrays["patches"].abs().max() < 1e-2
    assert sorted(zip(arrays["rows"].tolist(), arrays["columns"].tolist(), strict=True)) == [
        (row, column) for row in (1, 2, 3) for column in (1, 2, 3)
    ]


def test_a_checkpoint_reads_pictures_and_writes(tmp_path: Path):
    next(case for case in CASES if case.name == "pix2struct").save(tmp_path)
    Pix2StructImageProcessorPil(max_patches=20, patch_size={"height": 2, "width": 2}).save_pretrained(tmp_path)
    loaded = unimodal.load(tmp_path)
    inputs = loaded.picture_inputs([torch.rand(3, 12, 20), torch.rand(3, 5, 5)])
    assert inputs["flattened_patches"].shape == (2, 20, 14) and inputs["attention_mask"].sum(1).tolist() == [15, 16]
    together = loaded.generate(**inputs, max_new_tokens=6)
    alone = loaded.generate(**{name: value[1:, :16] for name, value in inputs.items()}, max_new_tokens=6)
    assert together[1].tolist()[: alone.shape[1]] == alone[0].tolist()


@pytest.mark.parametrize(
    ("field", "value"),
    [("is_vqa", True), ("do_normalize", False), ("patch_size", {"height": 16, "width": 8}), ("patch_size", "16")],
)
def test_what_ours_lack_is_named(tmp_path: Path, field, value):
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps({"image_processor_type": "Pix2StructImageProcessor", field: value}))
    with pytest.raises(ValueError, match=f"preprocessor_config.json: {field}: "):
        read_pictures(tmp_path)


def test_what_the_model_has_no_place_for_is_named():
    prenet = FlattenedPatchesPrenet(8, num_values=12, num_places=4)
    with pytest.raises(ValueError, match=r"flattened_patches: .*12 values.*\[2, 5, 13\]"):
        prenet.arrays({"flattened_patches": torch.zeros(2, 5, 13)})
    far = torch.zeros(1, 2, 14)
    far[0, 1, 1] = 4
    with pytest.raises(ValueError, match="columns: number 4 of a picture, but the model knows those below 4"):
        prenet.embed(prenet.arrays({"flattened_patches": far}), torch.tensor([2]), torch.nn.Embedding(3, 8))
    with pytest.raises(ValueError, match="max_patches, patch: at least 1"):
        FlattenedPatches(max_patches=0)
