"""Whose voice an answer has."""

from typing import final

import torch

from unimodal.data.columns import string
from unimodal.prenets.speaker_encoder import VOICE_DIM
from unimodal.prenets.voice import Voice
from unimodal.prenets.waveform import Waveform
from unimodal.tasks.columns import Column, Files
from unimodal.tasks.voices import numbers, read_voice


@final
class Speaker(Column):
    """A voice: the path of a recording, or `dim` numbers of a speaker encoder, as a list or by the path of a file."""

    sample = "voices/0001.npy"

    def __init__(self, dim: int = VOICE_DIM) -> None:
        self.dim = dim
        recording = "a recording, or of " if dim == VOICE_DIM else ""
        self.wants = f"the path of {recording}{dim} numbers of a voice (.npy, .safetensors), or these as a list"

    def read(self, value: object, files: Files) -> Voice | Waveform:
        if isinstance(value, list):
            if not all(type(number) in (int, float) for number in value):
                raise ValueError(f"expected {self.wants}, got a list of other things")
            return numbers(torch.tensor(value, dtype=torch.float32), self.dim, "the list")
        return read_voice(files.find(string(value, self.wants)), self.dim)
