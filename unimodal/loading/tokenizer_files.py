"""Tokenizers of other projects: read by transformers, from files alone."""

from pathlib import Path
from typing import Any

from unimodal.loading.folder import read_json

_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model", "*.spm")
_CONFIG = "tokenizer_config.json"
_BYTES = "ByT5Tokenizer"
"""Its tokens are bytes, so that it needs no vocabulary."""


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of a checkpoint's folder. FileNotFoundError where there is none, ValueError for a broken one.

    The files are looked for here, for transformers makes an empty tokenizer where it finds none.
    """
    reads_bytes = (folder / _CONFIG).is_file() and read_json(folder / _CONFIG).get("tokenizer_class") == _BYTES
    if not reads_bytes and not any(file for pattern in _VOCABULARIES for file in folder.glob(pattern)):
        raise FileNotFoundError(f"{folder}: holds no tokenizer ({', '.join(_VOCABULARIES)}), so it reads no text")
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # each tokenizer class has errors of its own, the compiled one a plain Exception
        raise ValueError(f"{folder}: its tokenizer cannot be read ({type(error).__name__}: {error})") from error
