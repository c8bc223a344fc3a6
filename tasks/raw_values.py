"""Raw inputs and answers of examples as files: JSON, WAV, PNG and NPY, none of which runs code when it is read."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unimodal.data.archives import Members
from unimodal.prenets.table import Grid
from unimodal.prenets.voice import Voice
from unimodal.prenets.waveform import Waveform
from unimodal.task import Example
from unimodal.tasks.clips import sound
from unimodal.tasks.corpora.recordings import Recording
from unimodal.tasks.corpora.tuxpaint import Stamp
from unimodal.tasks.stamps import picture

# What JSON has no word for is an object of one of these keys; the first three name a member.
_WAV, _PNG, _NPY, _GRID, _TUPLE, _VOICE = "$wav", "$png", "$npy", "$grid", "$tuple", "$voice"


def members_of(example: Example) -> Members:
    """An example as files: `json`, and one for each sound and picture. Raises ValueError for what has no form."""
    files: dict[str, bytes] = {}
    inputs = {name: _packed(value, name, files) for name, value in example.inputs.items()}
    content = {"key": example.key, "inputs": inputs, "answer": _packed(example.answer, "answer", files)}
    return {"json": json.dumps(content, ensure_ascii=False).encode(), **files}


def example_of(members: Members) -> Example:
    """The example whose files these are."""
    content = json.loads(members["json"])
    inputs = {name: _unpacked(value, members) for name, value in content["inputs"].items()}
    return Example(content["key"], inputs, _unpacked(content["answer"], members))


def _packed(value: object, name: str, files: dict[str, bytes]) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Waveform() | Recording():
            files[f"{name}.wav"] = _wav(sound(value))
            return {_WAV: f"{name}.wav"}
        case Stamp() | Tensor():
            return _packed_array(picture(value), name, files)
        case Grid():
            return {_GRID: {"header": value.header, "rows": value.rows, "name": value.name}}
        case Voice():
            return {_VOICE: {"vector": value.vector.tolist(), "name": value.name}}
        case tuple() | list():
            items = [_packed(item, f"{name}{place}", files) for place, item in enumerate(value)]
            return {_TUPLE: items} if isinstance(value, tuple) else items
        case Mapping():
            return {key: _packed(item, f"{name}_{key}", files) for key, item in value.items()}
    raise ValueError(f"{name}: a {type(value).__name__} has no form in an archive")


def _unpacked(value: Any, members: Members) -> Any:
    match value:
        case list():
            return [_unpacked(item, members) for item in value]
        case {"$wav": name}:
            return _read_wav(members[name], name)
        case {"$png": name}:
            return _read_png(members[name])
        case {"$npy": name}:
            return torch.from_numpy(np.load(io.BytesIO(members[name]), allow_pickle=False))
        case {"$grid": grid}:
            return Grid(tuple(grid["header"]), tuple(tuple(row) for row in grid["rows"]), grid["name"])
        case {"$voice": voice}:
            return Voice(torch.tensor(voice["vector"]), voice["name"])
        case {"$tuple": items}:
            return tuple(_unpacked(item, members) for item in items)
        case dict():
            return {key: _unpacked(item, members) for key, item in value.items()}
    return value


def _wav(waveform: Waveform) -> bytes:
    """In 16 bits where these say all, else as float."""
    import soundfile

    samples = waveform.samples.numpy()
    whole = np.round(samples * 32768)
    exact = bool((whole / 32768 == samples).all() and whole.min() >= -32768 and whole.max() <= 32767)
    file = io.BytesIO()
    written = whole.astype(np.int16) if exact else samples
    soundfile.write(file, written, waveform.rate, format="WAV", subtype="PCM_16" if exact else "FLOAT")
    return file.getvalue()


def _read_wav(content: bytes, name: str) -> Waveform:
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    return Waveform(torch.from_numpy(samples), rate, name)


def _packed_array(array: Tensor, name: str, files: dict[str, bytes]) -> dict[str, str]:
    """A picture in 8 bits where these say all, else its numbers."""
    pixels = (array * 255).round()
    if array.dtype == torch.float32 and array.shape[0] == 3 and torch.equal(pixels / 255, array):
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(pixels.to(torch.uint8).permute(1, 2, 0).numpy()).save(file, "PNG")
        files[f"{name}.png"] = file.getvalue()
        return {_PNG: f"{name}.png"}
    file = io.BytesIO()
    np.save(file, array.numpy(), allow_pickle=False)
    files[f"{name}.npy"] = file.getvalue()
    return {_NPY: f"{name}.npy"}


def _read_png(content: bytes) -> Tensor:
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        pixels = np.array(image.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
