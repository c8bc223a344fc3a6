"""Clips: tubelets with their time, row and column.

m frames, i height, j width, k frames of a tubelet, n tubelets, v values of a tubelet, p pieces, l entries, d width
"""

from collections.abc import Mapping
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.modality import Embed, Prenet, Processor
from unimodal.prenets.pixels import PatchStem, check_colours, cut, from_pillow
from unimodal.prenets.places import Places
from unimodal.prenets.resizings import Resizing

MAX_PIXELS = 4096 * 2304
"""Of one frame; the chosen frames are in memory together."""


@final
class VideoProcessor(Processor):
    """A clip -> {"tubelets": Float[n, depth 3 patch patch], "times", "rows", "columns": Long[n]}, time by time.

    The clip is Float[m, 3, i, j] from 0 to 1 or the path of a file. `num_frames` frames are read, evenly spaced from
    the first to the last; a shorter clip is read whole, its last frame repeated up to a whole tubelet. Raises
    FileNotFoundError, or ValueError that names the file, for what is no video or has over `max_frames` frames.
    """

    def __init__(
        self, *, resizing: Resizing, num_frames: int = 8, depth: int = 2, patch: int = 16, max_frames: int = 20_000
    ):
        if num_frames < 1 or depth < 1:
            raise ValueError(f"num_frames and depth are at least 1, not {num_frames} and {depth}")
        self.resizing, self.num_frames, self.depth = resizing, num_frames, depth
        self.patch, self.max_frames = patch, max_frames

    def __call__(self, raw: object) -> dict[str, Tensor]:
        match raw:
            case Tensor():
                check_colours(raw, "frames, 3, height, width", 4)
                clip = raw[_spread(raw.shape[0], self.num_frames)].float()
            case str() | Path():
                clip = self._read(raw)
            case _:
                raise ValueError(f"a clip is a tensor or the path of a video, not {type(raw).__name__}")
        clip = torch.cat([clip, clip[-1:].expand(-clip.shape[0] % self.depth, -1, -1, -1)])
        patches, num_columns = cut(clip, self.resizing, self.patch, self.patch)
        tubelets = patches.unflatten(0, (-1, self.depth)).transpose(1, 2).flatten(start_dim=2)
        num_times, num_patches, _ = tubelets.shape
        places = torch.arange(num_patches).repeat(num_times)
        return {
            "tubelets": tubelets.flatten(0, 1),
            "times": torch.arange(num_times).repeat_interleave(num_patches),
            "rows": places // num_columns,
            "columns": places % num_columns,
        }

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return arrays["tubelets"].shape[0]

    def _read(self, path: str | Path) -> Float[Tensor, "m 3 i j"]:
        """The chosen frames of a file, which is read twice: frames can only be counted by decoding them."""
        import av

        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file")
        try:
            chosen = _spread(_count(str(path), self.max_frames), self.num_frames)
            with av.open(str(path)) as container:
                decoded = enumerate(container.decode(video=0))
                return torch.stack([from_pillow(frame.to_image()) for place, frame in decoded if place in chosen])
        except av.FFmpegError as error:
            raise ValueError(f"{path}: cannot be read as video ({error.strerror})") from error


@final
class VideoPrenet(Prenet):
    """Tubelets through two linear layers, plus learned times, rows and columns: an entry a tubelet.

    Tubelets are those of ViViT (Arnab et al. 2021, arXiv:2103.15691).
    """

    def __init__(
        self,
        dim: int,
        *,
        depth: int = 2,
        patch: int = 16,
        hidden: int = 256,
        num_times: int = 64,
        num_rows: int = 32,
        num_columns: int = 32,
    ):
        super().__init__()
        self.stem = PatchStem(dim, num_values=depth * 3 * patch * patch, hidden=hidden)
        self.places = Places(dim, sizes={"times": num_times, "rows": num_rows, "columns": num_columns})
        self.norm = nn.LayerNorm(dim)

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        x: Tensor = self.norm(self.stem(arrays["tubelets"]) + self.places(arrays))
        return x


def _spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` of `count` places, evenly spaced from the first to the last."""
    if count <= wanted:
        return list(range(count))
    return [round(step * (count - 1) / max(1, wanted - 1)) for step in range(wanted)]


def _count(path: str, max_frames: int) -> int:
    """Frames of a video. Raises ValueError when there are none, too many, or too large ones."""
    import av

    count = 0
    with av.open(path) as container:
        if not container.streams.video:
            raise ValueError(f"{path}: holds no video track")
        size = container.streams.video[0].codec_context
        if size.width * size.height > MAX_PIXELS:
            raise ValueError(f"{path}: has {size.width} x {size.height} pixels, more than {MAX_PIXELS:,}")
        for _ in container.decode(video=0):
            count += 1
            if count > max_frames:
                raise ValueError(f"{path}: has more than the limit of {max_frames} frames")
    if count == 0:
        raise ValueError(f"{path}: holds no frames")
    return count
