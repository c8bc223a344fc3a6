"""Pictures with what was found in them."""

import numpy as np
import torch

from unimodal.annotations import COLOUR, Annotation, draw

GREY = torch.full((3, 60, 90), 0.5)


def drawn(*annotations: Annotation) -> np.ndarray:
    return np.asarray(draw(GREY, annotations))


def redness(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., 0].astype(int) - pixels[..., 1]


def test_nothing_found_is_the_picture_itself() -> None:
    assert drawn().shape == (60, 90, 3) and (drawn() == 128).all()


def test_an_outline_is_a_closed_line_through_its_vertices() -> None:
    pixels = drawn(Annotation(((0.1, 0.5), (0.9, 0.5), (0.9, 0.9), (0.1, 0.9))))
    coloured = (pixels == COLOUR).all(-1)
    for x, y in [(0.1, 0.5), (0.9, 0.5), (0.9, 0.9), (0.1, 0.9), (0.5, 0.5), (0.1, 0.7)]:
        row, column = round(y * 59), round(x * 89)
        assert coloured[row - 1 : row + 2, column - 1 : column + 2].any()
    assert not coloured[:28].any() and not coloured[34:50, 20:70].any()


def test_a_place_is_a_dot_and_labels_stay_within_the_picture() -> None:
    pixels = drawn(Annotation(((0.5, 0.5),)))
    assert (pixels[29:31, 44:46] == COLOUR).all() and (pixels[:20] == 128).all()
    for x, y in [(0.5, 0.5), (0.0, 0.0)]:
        labelled, plain = drawn(Annotation(((x, y),), "Total")), drawn(Annotation(((x, y),)))
        assert (redness(labelled) > 60).sum() > (redness(plain) > 60).sum() + 20


def test_it_reads_as_its_label_and_its_middle() -> None:
    assert str(Annotation(((0.25, 0.5), (0.75, 0.25)), "Total")) == "Total at 0.500 0.375"
    assert str(Annotation(((0.25, 0.5),))) == "0.250 0.500"
