"""The pyramid of maps: both kinds of blocks, what a place sees, and what does not fit together."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from unimodal.prenets.image import ImageProcessor
from unimodal.prenets.places import SinePlaces
from unimodal.prenets.pyramid import PyramidPrenet
from unimodal.prenets.resizings.area import Area
from unimodal.prenets.trunks import coarser
from unimodal.prenets.trunks.convolution import Convolution
from unimodal.prenets.trunks.stages import MapBlock, Stages
from unimodal.prenets.trunks.windows import Windows

BLOCKS = {"convolution": partial(Convolution, kernel=3), "windows": partial(Windows, heads=2, side=4)}
DIM = 8


@pytest.fixture(params=sorted(BLOCKS))
def trunk(request: pytest.FixtureRequest) -> Stages:
    torch.manual_seed(0)
    return Stages(block=BLOCKS[request.param], widths=(8, 12, 16), depths=(2, 1, 1)).double().eval()


def embedded(trunk: Stages, pictures: list[Tensor], *, patch: int = 8) -> list[Tensor]:
    """Each picture's entries, all in one batch."""
    torch.manual_seed(1)
    prenet = PyramidPrenet(DIM, trunk=trunk, patch=patch, narrow=6).double().eval()
    processor = ImageProcessor(resizing=Area(pixels=4096, longest=128), patch=patch, stride=patch)
    pieces = [processor(picture) for picture in pictures]
    arrays = {name: nn.utils.rnn.pad_sequence([piece[name] for piece in pieces], True) for name in pieces[0]}
    lengths = [len(piece["rows"]) for piece in pieces]
    arrays["patches"] = arrays["patches"].double()
    found = prenet.embed(arrays, torch.tensor(lengths), nn.Embedding(5, DIM))
    return [row[:length] for row, length in zip(found, lengths, strict=True)]


@pytest.mark.parametrize("patch", [4, 8, 16, 32])
def test_pictures_of_all_shapes_in_one_batch_are_seen_as_if_alone(trunk: Stages, patch: int) -> None:
    """Also where the coarsest map has a place for a part of a stride, and patches are coarser than any map."""
    pictures = [torch.rand(3, *size) for size in ((40, 24), (24, 72), (8, 8), (56, 56))]
    together = embedded(trunk, pictures, patch=patch)
    for picture, found in zip(pictures, together, strict=True):
        (alone,) = embedded(trunk, [picture], patch=patch)
        torch.testing.assert_close(found, alone)


def test_what_is_seen_far_away_comes_through_the_coarser_maps(trunk: Stages) -> None:
    first = torch.rand(3, 32, 32)
    second = first.clone()
    second[:, 30:, 30:] = 1 - second[:, 30:, 30:]
    one, other = (embedded(trunk, [picture])[0] for picture in (first, second))
    changed = (one - other).abs().amax(-1).unflatten(0, (4, 4)) > 1e-9
    assert changed[3, 3] and changed[2:, 2:].all(), "they share a place of the coarsest map"


def test_a_place_is_real_where_any_of_its_pixels_is() -> None:
    real = torch.tensor([[[True, True, True], [False, False, False], [False, False, True]]])
    assert coarser(real, 2).tolist() == [[[True, True], [False, True]]]


@pytest.mark.parametrize("number", [0, 1])
def test_a_window_sees_itself_alone_and_every_other_one_is_shifted(number: int) -> None:
    torch.manual_seed(0)
    block = Windows(8, number, heads=2, side=4).double().eval()
    x = torch.rand(1, 8, 8, 8, dtype=torch.double, requires_grad=True)
    seen = torch.autograd.grad(block(x, torch.ones(1, 8, 8, dtype=torch.bool))[0, 1, 1].sum(), x)[0][0].abs().sum(-1)
    size = 2 if number else 4
    assert (seen[:size, :size] > 0).all() and seen.sum() == pytest.approx(seen[:size, :size].sum())


def test_sines_tell_all_places_of_a_page_apart() -> None:
    rows, columns = torch.meshgrid(torch.arange(120), torch.arange(90), indexing="ij")
    marks = SinePlaces(32)({"rows": rows.flatten()[None], "columns": columns.flatten()[None]})[0]
    assert marks.shape == (120 * 90, 32)
    some = marks[torch.randperm(len(marks), generator=torch.Generator().manual_seed(0))[:1500]]
    assert torch.cdist(some, some).add(torch.eye(1500)).min() > 0.05
    assert torch.equal(marks[5 * 90 + 7, :16], marks[5 * 90 + 9, :16]), "the first half says the row"


def test_what_does_not_fit_together_is_said() -> None:
    small: partial[MapBlock] = partial(Convolution, kernel=3)
    with pytest.raises(ValueError, match="patch: 12 pixels are none of the trunk's 4, 8"):
        PyramidPrenet(DIM, trunk=Stages(block=small), patch=12)
    with pytest.raises(ValueError, match="one of each for every stage"):
        Stages(block=small, widths=(8,), depths=(1, 1))
    with pytest.raises(ValueError, match="heads: 3 do not divide"):
        Windows(8, 0, heads=3)
    with pytest.raises(ValueError, match="kernel: expected an odd number"):
        Convolution(8, 0, kernel=4)
    with pytest.raises(ValueError, match="4 divides, not 6"):
        SinePlaces(6)
    trunk = Stages(block=small, widths=(8,), depths=(1,))
    patches = {"patches": torch.rand(1, 2, 48), "rows": torch.zeros(1, 2).long(), "columns": torch.arange(2)[None]}
    with pytest.raises(ValueError, match="squares of 8 pixels"):
        PyramidPrenet(DIM, trunk=trunk, patch=8).embed(patches, torch.tensor([2]), nn.Embedding(5, DIM))
