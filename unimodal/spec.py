"""Reads specs (trees of plain values) from YAML files and merges overlays; builds nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def load_spec(path: str | Path) -> dict[str, Any]:
    """Reads a YAML mapping; with `base: other.yaml` (relative to the file) it is an overlay, merged into that file.

    Mappings are merged key by key; one that names another `class:` than its base replaces the whole branch.
    Raises ValueError that names the file.
    """
    return _load(Path(path), ())


def _load(path: Path, overlays: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in overlays:
        raise ValueError(f"{path}: is its own base")
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{path}: {place}{error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {str(error).splitlines()[0]}") from error
    if spec is None:
        raise ValueError(f"{path}: is empty")
    if not isinstance(spec, dict):
        raise ValueError(f"{path}: expected a mapping, got {type(spec).__name__}")
    base = spec.pop("base", None)
    if base is None:
        return spec
    if not isinstance(base, str):
        raise ValueError(f"{path}: base: expected the path of a YAML file, got {base!r}")
    return merge_specs(_load(path.parent / base, (*overlays, path.resolve())), spec)


def merge_specs(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`overlay` over `base`, by the rule of `load_spec`; neither is changed."""
    merged = dict(base)
    for key, value in overlay.items():
        below = base.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            another_class = value.get("class", below.get("class")) != below.get("class")
            merged[key] = value if another_class else merge_specs(below, value)
        else:
            merged[key] = value
    return merged
