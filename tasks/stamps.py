"""Pictures of the stamps as tasks read them: they stay on disk until a prompt is made of them."""

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.tasks.corpora.tuxpaint import Stamp


def picture(raw: object) -> Float[Tensor, "3 height width"]:
    """A stamp's picture, or one that is there already, red-green-blue in 0..1."""
    match raw:
        case Stamp():
            return torch.from_numpy(raw.image()).permute(2, 0, 1)
        case Tensor():
            return raw
    raise AssertionError(f"no picture: {type(raw).__name__}")
