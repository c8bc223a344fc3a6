"""Image processors of other projects: `preprocessor_config.json` -> the spec of our Extractor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unimodal.loading.folder import read_json

PREPROCESSOR_FILE, PROCESSOR_FILE = "preprocessor_config.json", "processor_config.json"
_STANDARD = [0.5, 0.5, 0.5]
_DEFAULTS: dict[str, dict[str, Any]] = {
    "ViT": {"size": 224, "resample": 2, "do_center_crop": False, "crop_size": None},
    "DeiT": {"size": 256, "resample": 3, "do_center_crop": True, "crop_size": 224},
}
"""By the beginning of the processor's name: what files leave out."""
_KINDS = ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor")
_STEPS = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}
"""All pictures are made red, green and blue."""


def read_pictures(folder: Path) -> dict[str, Any]:
    """The spec for the file that a checkpoint's folder holds, of whichever version of transformers.

    Raises FileNotFoundError where there is none, and ValueError that names file and field.
    """
    for name in (PREPROCESSOR_FILE, PROCESSOR_FILE):
        file = folder / name
        if file.is_file():
            found = read_json(file)
            try:
                return _extractor(found.get("image_processor", found))
            except ValueError as error:
                raise ValueError(f"{file}: {error}") from error
    raise FileNotFoundError(f"{folder / PREPROCESSOR_FILE}: not there; {folder} does not say how it reads pictures")


def flattened_patches(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The spec for what a file of Pix2Struct holds. Raises ValueError that names a field which ours lack."""
    if not theirs.get("do_normalize", True):
        raise ValueError("do_normalize: pictures are not prepared so here; it has to be true")
    if theirs.get("is_vqa", False):
        raise ValueError("is_vqa: a question is not drawn above a picture here; draw it, and set this to false")
    patch = theirs.get("patch_size", {"height": 16, "width": 16})
    height, width = _size({"patch_size": patch}, "patch_size")
    if height != width:
        raise ValueError(f"patch_size: expected squares, got {height} x {width}")
    return {
        "class": "unimodal.prenets.flattened_patches.FlattenedPatches",
        "max_patches": theirs.get("max_patches", 2048),
        "patch": height,
    }


def _extractor(theirs: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(theirs, Mapping):
        raise ValueError(f"image_processor: expected an object, got {theirs!r}")
    patched = theirs.get("image_processor_type") in [f"Pix2Struct{kind}" for kind in _KINDS]
    return flattened_patches(theirs) if patched else pixel_values(theirs)


def pixel_values(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The spec for what a file holds. Raises ValueError that names a field which ours lack."""
    if not isinstance(theirs, Mapping):
        raise ValueError(f"image_processor: expected an object, got {theirs!r}")
    given = {**_defaults(theirs), **theirs}
    for step in sorted(name for name in given.keys() - _STEPS if name.startswith("do_")):
        if given[step]:
            raise ValueError(f"{step}: pictures are not prepared so here; it has to be false")
    scaled, normalised = given["do_resize"], given["do_normalize"]
    return {
        "class": "unimodal.prenets.fixed_image.PixelValues",
        "size": _size(given, "size") if scaled else None,
        "resample": given["resample"],
        "crop": _size(given, "crop_size") if given["do_center_crop"] else None,
        "factor": given["rescale_factor"] if given["do_rescale"] else 1.0,
        "mean": _channels(given, "image_mean") if normalised else [0.0, 0.0, 0.0],
        "deviation": _channels(given, "image_std") if normalised else [1.0, 1.0, 1.0],
    }


def _defaults(theirs: Mapping[str, Any]) -> dict[str, Any]:
    field = "image_processor_type" if "image_processor_type" in theirs else "feature_extractor_type"
    name = theirs.get(field)
    named = {f"{family}{kind}": family for family in _DEFAULTS for kind in _KINDS}
    if name not in named:
        raise ValueError(f"{field}: {name!r} is none of {', '.join(sorted(named))}")
    steps = {"do_resize": True, "do_rescale": True, "do_normalize": True}
    values = {"rescale_factor": 1 / 255, "image_mean": _STANDARD, "image_std": _STANDARD}
    return {**steps, **values, **_DEFAULTS[named[name]]}


def _size(given: Mapping[str, Any], field: str) -> list[int]:
    """[height, width]; older files hold one number for both."""
    size = given[field]
    pair: list[Any] = [size.get("height"), size.get("width")] if isinstance(size, Mapping) else [size, size]
    if not all(type(side) is int for side in pair):
        raise ValueError(f"{field}: expected a number of pixels, or a height and a width, got {size!r}")
    return pair


def _channels(given: Mapping[str, Any], field: str) -> list[float]:
    values = given[field]
    if not isinstance(values, list) or len(values) != 3 or not all(type(value) in (int, float) for value in values):
        raise ValueError(f"{field}: expected a number for each of red, green and blue, got {values!r}")
    return values
