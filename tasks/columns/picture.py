"""Pictures."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from unimodal.data.columns import string
from unimodal.prenets.pixels import read_picture
from unimodal.tasks.columns import Column, Files
from unimodal.tasks.files import check_file


@final
class Picture(Column):
    """The path of a picture file (png, jpeg, webp, gif)."""

    wants = "the path of a picture file"
    sample = "pictures/0001.png"

    def read(self, value: object, files: Files) -> Float[Tensor, "3 height width"]:
        path = files.find(string(value, self.wants))
        check_file(path)
        return read_picture(path)
