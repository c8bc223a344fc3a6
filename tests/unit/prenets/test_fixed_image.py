"""Pictures of one size: prepared as transformers prepares them, from whichever file says how."""

import json
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from unimodal.build import build
from unimodal.conversions.pictures import pixel_values, read_pictures
from unimodal.modality import Extractor
from unimodal.prenets.fixed_image import FixedImagePrenet, FixedImageProcessor, PixelValues

TYPED = {"image_processor_type": "ViTImageProcessor"}


def extractor(spec):
    return build(spec, Extractor)


@pytest.fixture(scope="module")
def photograph():
    return Image.fromarray(load_sample_image("china.jpg"))


@pytest.mark.parametrize(
    "processor",
    [
        ViTImageProcessorPil(),
        ViTImageProcessorPil(size={"height": 384, "width": 100}, resample=3, image_mean=[0.1, 0.2, 0.3]),
        ViTImageProcessorPil(do_rescale=False, do_normalize=False, size={"height": 30, "width": 700}, resample=0),
        ViTImageProcessorPil(do_resize=False, image_std=[0.1, 0.2, 0.3], rescale_factor=1 / 127.5),
        DeiTImageProcessorPil(),
        DeiTImageProcessorPil(do_center_crop=False),
        DeiTImageProcessorPil(do_resize=False, crop_size={"height": 301, "width": 90}),
    ],
    ids=lambda processor: type(processor).__name__,
)
def test_a_photograph_gives_what_transformers_gives(processor, photograph, tmp_path: Path):
    processor.save_pretrained(tmp_path)
    found = extractor(read_pictures(tmp_path))(photograph)
    expected = torch.tensor(numpy.stack(processor(photograph)["pixel_values"]))[0]
    assert found.shape == expected.shape and found.dtype == torch.float32
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max().clamp(min=1)


def test_a_file_gives_what_its_picture_gives(photograph, tmp_path: Path):
    photograph.save(tmp_path / "china.png")
    read = PixelValues(size=(32, 48))
    torch.testing.assert_close(read(tmp_path / "china.png"), read(photograph))
    tensor = torch.from_numpy(numpy.array(photograph)).permute(2, 0, 1) / 255
    torch.testing.assert_close(read(tensor), read(photograph))
    grey = read(photograph.convert("L"))
    assert torch.equal(grey[0], grey[1])


def test_files_of_older_versions_are_read():
    old = {
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "ViTFeatureExtractor",
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 2,
        "size": 384,
    }
    spec = pixel_values(old)
    assert spec["size"] == [384, 384] and spec["crop"] is None and spec["factor"] == 1 / 255
    deit = {"feature_extractor_type": "DeiTFeatureExtractor", "size": 438, "crop_size": 384, "do_center_crop": True}
    spec = pixel_values(deit)
    assert (spec["size"], spec["crop"], spec["resample"]) == ([438, 438], [384, 384], 3)


def test_a_processor_inside_another_is_read(tmp_path: Path):
    written = {"image_processor": {**TYPED, "size": {"height": 8, "width": 9}}, "processor_class": "TrOCRProcessor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(written))
    assert read_pictures(tmp_path)["size"] == [8, 9]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_processor_type": "DonutImageProcessor"}, "image_processor_type: 'DonutImageProcessor' is none of "),
        ({"size": {"shortest_edge": 224}}, "size: expected a number of pixels, or a height and a width"),
        ({"size": "large"}, "size: expected"),
        ({"do_center_crop": True}, "crop_size: expected"),
        ({"do_pad": True}, "do_pad: pictures are not prepared so here"),
        ({"image_mean": [0.5]}, "image_mean: expected a number for each of red, green and blue"),
        ({"image_std": [0.5, "a", 1]}, "image_std: expected a number"),
    ],
)
def test_what_ours_lack_is_named_with_its_file(changes, message, tmp_path: Path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**TYPED, **changes}))
    with pytest.raises(ValueError) as caught:
        read_pictures(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'preprocessor_config.json'}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resample": 17}, "resample: Pillow numbers its filters from 0 to 5, and 17 is none"),
        ({"image_std": [0.5, 0, 0.5]}, "deviation: values are divided by numbers above 0"),
        ({"size": 0}, "size: a picture is at least 1 pixel high and wide"),
        ({"rescale_factor": "a"}, "factor: expected"),
    ],
)
def test_numbers_without_sense_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        extractor(pixel_values({**TYPED, **changes}))


def test_a_folder_that_does_not_say_how_pictures_are_read_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="preprocessor_config.json: not there"):
        read_pictures(tmp_path)


def test_a_picture_smaller_than_its_crop_is_named():
    with pytest.raises(ValueError, match="crop: a picture of 5 x 9 pixels has no middle of 8 x 8"):
        PixelValues(size=None, crop=(8, 8))(torch.rand(3, 5, 9))


def test_patches_are_the_values_row_by_row_and_a_margin_is_not_read():
    pixels = PixelValues(size=None, mean=(0, 0, 0), deviation=(1, 1, 1))
    whole = torch.arange(3 * 5 * 7).view(3, 5, 7) / 255
    arrays = FixedImageProcessor(pixels=pixels, patch=(2, 3))(whole)
    assert arrays["patches"].shape == (4, 18)
    torch.testing.assert_close(arrays["patches"][3].view(3, 2, 3), whole[:, 2:4, 3:6])


def test_pixel_values_of_another_size_are_named():
    prenet = FixedImagePrenet(4, size=(8, 12), patch=(4, 4))
    with pytest.raises(ValueError, match="pixel_values: the model reads pictures of 3 x 8 x 12, not of 1 x 8 x 12"):
        prenet.arrays({"pixel_values": torch.rand(2, 1, 8, 12)})
    with pytest.raises(ValueError, match="patch: 16 x 4 pixels do not fit in a picture of 8 x 12"):
        FixedImagePrenet(4, size=(8, 12), patch=(16, 4))
