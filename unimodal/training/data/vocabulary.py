"""The text pieces of a run: read where they are, learned from its texts where they are not."""

from collections.abc import Callable, Iterator
from pathlib import Path

from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary


def prepare(file: Path, space: TokenSpace, texts: Callable[..., Iterator[str]] | None) -> Vocabulary:
    """The vocabulary whose text pieces lie in `file`, learned from `texts()` first if the file is not there yet.

    Raises ValueError that names the file where it is missing and there are no texts, or where its size is not that of
    the token space.
    """
    if file.is_file():
        pieces = TextPieces.load(file)
    elif texts is None:
        raise ValueError(f"{file}: no such file, and the config names no texts to learn text pieces from")
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        pieces = TextPieces.train(texts(), space.size("text"), file)
    try:
        return Vocabulary(space, pieces)
    except ValueError as error:
        raise ValueError(f"{file}: {error}; another model's pieces?") from error
