"""Recorded sound."""

from typing import final

from unimodal.data.columns import string
from unimodal.prenets.waveform import Waveform
from unimodal.tasks.columns import Column, Files
from unimodal.tasks.files import check_file


@final
class Sound(Column):
    """The path of a sound file (wav, flac, ogg, mp3, the sound of a video) that lasts up to `max_seconds`."""

    sample = "clips/0001.wav"

    def __init__(self, max_seconds: float) -> None:
        self.max_seconds = max_seconds
        self.wants = f"the path of a sound file of up to {max_seconds:g} seconds"

    def read(self, value: object, files: Files) -> Waveform:
        path = files.find(string(value, self.wants))
        check_file(path)
        return Waveform.read(path, max_seconds=self.max_seconds)
