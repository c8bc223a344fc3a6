"""Words in pictures: equal seeds, outlines that are true to the pixel, no word upon another."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from jaxtyping import Bool
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from unimodal.codecs.spotting import NUM_SIDE
from unimodal.tasks.worlds.backdrops import Photographs, paper
from unimodal.tasks.worlds.drawn_words import Arc, Sizes, WordsInPictures, draw_strip
from unimodal.tasks.worlds.lexicons import Lexicon

matplotlib = pytest.importorskip("matplotlib")
FACE = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
"""A face that is on every machine of the tests; `tasks.corpora.fonts` has more."""
SIZES = Sizes(height=96, width=144, num_words=(3, 9))
ARCS = [Arc(60.3, 50.1, 70.0, 18.0, turn, bend) for turn in (0.0, 0.4) for bend in (0.0, 1.4, -1.4)]


def white(chance: Random, height: int, width: int) -> Tensor:
    return torch.ones(3, height, width)


class FourWords(Lexicon):
    alphabet = "9Wqt"

    def word(self, chance: Random) -> str:
        return chance.choice(["total", "9.50", "Wagen", "quay"])


def inside(outline: list[tuple[float, float]], height: int, width: int) -> Bool[Tensor, "h w"]:
    """The pixels of a polygon, as Pillow fills it; its pixels' middles are ours less a half."""
    image = Image.new("L", (width, height))
    ImageDraw.Draw(image).polygon([(x * width - 0.5, y * height - 0.5) for x, y in outline], fill=1)
    return torch.from_numpy(np.array(image)) > 0


def test_equal_seeds_give_equal_pictures() -> None:
    world = WordsInPictures(FourWords(), [FACE], paper, SIZES)
    first, again, other = world.draw(3), world.draw(3), world.draw(4)
    assert first.words == again.words and torch.equal(first.picture, again.picture)
    assert first.words != other.words
    assert first.picture.shape == (3, 96, 144) and 0 <= first.picture.min() and first.picture.max() <= 1


@pytest.mark.parametrize("arc", ARCS, ids=str)
def test_an_outline_holds_the_pixels_of_its_word_and_no_others(arc: Arc) -> None:
    ink, area = arc.lay(draw_strip("Wagen", FACE), (slice(0, 96), slice(0, 144)))
    polygon = inside(list(arc.outline(96, 144)), 96, 144)
    both, either = (area & polygon).sum(), (area | polygon).sum()
    assert both / either > 0.9, "an arc of eight points a side is nearly the arc itself"
    assert ink[~area].eq(0).all() and ink.max() > 0.8
    x, y = arc.point(0.5, 0.5)
    assert (round(x, 9), round(y, 9)) == (arc.x, arc.y)


@pytest.mark.parametrize("margin", [0.0, 3.0])
@pytest.mark.parametrize("arc", ARCS, ids=str)
def test_the_patch_of_a_word_holds_all_of_it(arc: Arc, margin: float) -> None:
    patch, whole = arc.patch(96, 144, margin=margin), (slice(0, 96), slice(0, 144))
    assert arc.area(patch, margin=margin).sum() == arc.area(whole, margin=margin).sum() > 0


def test_a_positive_bend_lets_the_ends_hang() -> None:
    hanging, lifted = (Arc(60, 50, 70, 18, 0.0, bend) for bend in (1.0, -1.0))
    assert hanging.point(0, 0.5)[1] > 50 > lifted.point(0, 0.5)[1]
    assert hanging.point(0, 0.5)[1] == pytest.approx(hanging.point(1, 0.5)[1])


def test_no_word_lies_upon_another_and_ink_lies_in_outlines_alone() -> None:
    world = WordsInPictures(FourWords(), [FACE], white, SIZES)
    drawn = [world.draw(seed) for seed in range(8)]
    assert len({len(page.words) for page in drawn}) > 2
    for page in drawn:
        areas = torch.stack([inside(list(one.outline), 96, 144) for one in page.words])
        assert areas.sum(0).max() <= 2 and (areas.sum(0) > 1).sum() < 4, "at most a pixel of a border"
        inked = page.picture.sub(1).abs().amax(0) > 0.1
        within_a_pixel = functional.max_pool2d(areas.any(0)[None].float(), 3, stride=1, padding=1)[0] > 0
        assert inked.any() and not (inked & ~within_a_pixel).any()
        centres = [one.centre[::-1] for one in page.words]
        assert centres == sorted(centres)
        for one, area in zip(page.words, areas, strict=True):
            x, y = one.centre
            assert len(one.outline) == 2 * NUM_SIDE and area[int(y * 96), int(x * 144)]


def test_photographs_fill_the_picture() -> None:
    shown = torch.rand(3, 20, 50)
    backdrop = Photographs([lambda: shown])
    assert backdrop(Random(0), 96, 144).shape == (3, 96, 144)
    assert not torch.equal(backdrop(Random(0), 96, 144), backdrop(Random(1), 96, 144))
    with pytest.raises(ValueError, match="pictures: there is none"):
        Photographs([])
    with pytest.raises(ValueError, match="faces: there is no typeface"):
        WordsInPictures(FourWords(), [], paper)
