import pytest
import torch
from PIL import Image

from unimodal.prenets.image import ImagePrenet, ImageProcessor
from unimodal.prenets.resizings.area import Area
from unimodal.prenets.resizings.boxed import Boxed
from unimodal.prenets.resizings.strip import Strip


def whole(patches, rows, columns, patch):
    """The picture that patches without overlap came from, in 0..1."""
    picture = torch.zeros(3, (int(rows.max()) + 1) * patch, (int(columns.max()) + 1) * patch)
    for values, row, column in zip(patches, rows, columns, strict=True):
        top, left = int(row) * patch, int(column) * patch
        picture[:, top : top + patch, left : left + patch] = values.view(3, patch, patch)
    return picture / 2 + 0.5


def test_patches_are_the_picture():
    picture = torch.rand(3, 16, 24)
    arrays = ImageProcessor(resizing=Area(pixels=10_000, longest=100))(picture)
    assert arrays["patches"].shape == (6, 192)
    assert arrays["rows"].tolist() == [0, 0, 0, 1, 1, 1] and arrays["columns"].tolist() == [0, 1, 2, 0, 1, 2]
    torch.testing.assert_close(whole(**arrays, patch=8), picture)


def test_a_canvas_continues_the_edge_of_the_picture():
    picture = torch.rand(3, 20, 10)
    again = whole(**ImageProcessor(resizing=Area(pixels=10_000, longest=100))(picture), patch=8)
    assert again.shape == (3, 24, 16)
    torch.testing.assert_close(again[:, :20, :10], picture)
    torch.testing.assert_close(again[:, 20:, :10], picture[:, -1:].expand(3, 4, 10))
    torch.testing.assert_close(again[:, :20, 10:], picture[:, :, -1:].expand(3, 20, 6))


def test_overlapping_patches_cover_the_picture():
    picture = torch.rand(3, 16, 28)
    arrays = ImageProcessor(resizing=Area(pixels=10_000, longest=100), patch=8, stride=4)(picture)
    assert int(arrays["rows"].max()) == 2 and int(arrays["columns"].max()) == 5
    for values, row, column in zip(arrays["patches"], arrays["rows"], arrays["columns"], strict=True):
        top, left = 4 * int(row), 4 * int(column)
        torch.testing.assert_close(values.view(3, 8, 8) / 2 + 0.5, picture[:, top : top + 8, left : left + 8])


@pytest.mark.parametrize(
    ("resizing", "size", "expected"),
    [
        (Boxed(height=64, width=64), (300, 100), 64),
        (Boxed(height=64, width=64), (10, 10), 64),
        (Strip(height=32, longest=160), (28, 56), 4 * 8),
        (Strip(height=32, longest=160), (28, 2000), 4 * 20),
        (Area(pixels=4096, longest=256), (28, 112), 4 * 14),
        (Area(pixels=4096, longest=256), (640, 640), 64),
        (Area(pixels=4096, longest=256), (3, 4000), 32),
    ],
)
def test_number_of_patches(resizing, size, expected):
    arrays = ImageProcessor(resizing=resizing)(torch.rand(3, *size))
    assert arrays["patches"].shape[0] == expected


def test_files_of_any_mode_lie_on_white(tmp_path):
    processor = ImageProcessor(resizing=Area(pixels=10_000, longest=100))
    expected = torch.tensor([1.0, 0.5, 0.5])  # half transparent red on white
    picture = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    picture.save(tmp_path / "clear.png")
    colour = whole(**processor(tmp_path / "clear.png"), patch=8)[:, 0, 0]
    torch.testing.assert_close(colour, expected, atol=0.01, rtol=0)
    torch.testing.assert_close(whole(**processor(picture), patch=8)[:, 0, 0], colour)
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"):
        shade = {"LA": (255, 255), "P": 0, "RGB": (255,) * 3, "RGBA": (255,) * 4, "CMYK": (0,) * 4, "I;16": 65535}
        image = Image.new(mode, (8, 8), shade.get(mode, 255))
        if mode == "P":
            image.putpalette([255, 255, 255] * 256)
        assert processor(image)["patches"].min() > 0.99, mode


def test_files_that_are_no_picture(tmp_path):
    processor = ImageProcessor(resizing=Boxed(height=8, width=8))
    path = tmp_path / "broken.png"
    Image.effect_noise((64, 64), 50).save(path)
    for content in (b"", b"no picture", path.read_bytes()[:2000]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="broken.png: cannot be read as a picture") as caught:
            processor(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="nowhere.png: no such file"):
        processor(str(tmp_path / "nowhere.png"))


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "huge.png"
    Image.new("1", (12_000, 10_000)).save(path)
    with pytest.raises(ValueError, match="huge.png: has 12000 x 10000 pixels"):
        ImageProcessor(resizing=Boxed(height=8, width=8))(path)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (torch.rand(1, 8, 8), "pixels are Float"),
        (torch.rand(8, 8), "pixels are Float"),
        (torch.rand(3, 0, 8), "pixels are Float"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "pixels are Float"),
        (torch.full((3, 8, 8), 255.0), "pixels lie from 0 to 1, got 255 to 255"),
        (torch.full((3, 8, 8), float("nan")), "pixels lie from 0 to 1"),
    ],
)
def test_tensors_that_are_no_picture(picture, message):
    with pytest.raises(ValueError, match=message):
        ImageProcessor(resizing=Boxed(height=8, width=8))(picture)


def test_what_does_not_fit_is_named():
    arrays = {
        name: array[None]
        for name, array in ImageProcessor(resizing=Boxed(height=16, width=32))(torch.rand(3, 9, 9)).items()
    }
    lengths = torch.tensor([8])
    with pytest.raises(ValueError, match="columns: number 3 of an input, but this prenet knows 2"):
        ImagePrenet(8, num_columns=2).embed(arrays, lengths, torch.nn.Identity())
    with pytest.raises(ValueError, match="patches have 192 values, but this prenet reads 768"):
        ImagePrenet(8, patch=16).embed(arrays, lengths, torch.nn.Identity())
    with pytest.raises(ValueError, match="stride"):
        ImageProcessor(resizing=Boxed(height=16, width=32), patch=8, stride=9)
