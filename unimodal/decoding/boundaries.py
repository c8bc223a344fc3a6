"""The tokens that begin, end and fill a row of answers."""

from collections.abc import Mapping
from typing import final

import torch
from transformers import GenerationConfig


@final
class Boundaries:
    """What a generation config says of them; `defaults`, by the same names, stand where it says nothing."""

    def __init__(self, config: GenerationConfig, *, defaults: Mapping[str, int]) -> None:
        self.defaults = dict(defaults)
        self._said = vars(config)

    @property
    def start(self) -> int:
        """The token that a decoder reads first. Raises ValueError where a checkpoint names none."""
        return self._first("decoder_start_token_id", "bos_token_id")

    @property
    def before_labels(self) -> int:
        """The token that a decoder reads before the labels it is taught; unlike `start`, nothing stands in for it."""
        return self._first("decoder_start_token_id")

    @property
    def ends(self) -> tuple[int, ...]:
        """The tokens that end an answer; there may be none."""
        return self._tokens("eos_token_id")

    @property
    def pad(self) -> int:
        """The token that stands where a row has ended. Raises ValueError where a checkpoint names none."""
        return self._first("pad_token_id", "eos_token_id")

    def _first(self, *names: str) -> int:
        found = self._tokens(*names)
        if not found:
            raise ValueError(f"{names[0]}: stands in no generation config of the model")
        return found[0]

    def _tokens(self, *names: str) -> tuple[int, ...]:
        """What is said for the first of some fields that has a value."""
        for fields in (self._said, self.defaults):
            for name in names:
                if fields.get(name) is not None:
                    return tuple(torch.tensor(fields[name]).reshape(-1).tolist())
        return ()
