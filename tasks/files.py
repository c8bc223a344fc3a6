"""What users bring: files and a prompt -> raw inputs, or one line that says what is wrong."""

from collections.abc import Sequence
from pathlib import Path

from unimodal.prenets.pixels import read_picture
from unimodal.task import Example


def check_file(path: Path) -> None:
    """Raises FileNotFoundError where there is no file, ValueError where it is empty."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: is empty")


def read_text(path: Path) -> str:
    """The text of a UTF-8 file."""
    check_file(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text") from error
    if "\0" in text:
        raise ValueError(f"{path}: is not UTF-8 text")
    if not text.strip():
        raise ValueError(f"{path}: holds no text")
    return text


def read_texts(paths: Sequence[Path], prompt: str | None) -> dict[str, str]:
    """Texts by the name of their file; a prompt is one more text, named `prompt`."""
    texts = {str(path): read_text(path) for path in paths}
    if prompt is not None:
        if not prompt.strip():
            raise ValueError("prompt: holds no text")
        texts["prompt"] = prompt
    if not texts:
        raise ValueError("there is nothing to read: give a text file or a prompt")
    return texts


def read_pictures(paths: Sequence[Path]) -> list[Example]:
    """One example a file, with its picture as the input `image`."""
    for path in paths:
        check_file(path)
    return [Example(str(path), {"image": read_picture(path)}) for path in paths]


def refuse_prompt(prompt: str | None, task: str) -> None:
    """Raises ValueError where a prompt is given to a task that reads files alone."""
    if prompt is not None:
        raise ValueError(f"prompt: the task {task} reads files only")
