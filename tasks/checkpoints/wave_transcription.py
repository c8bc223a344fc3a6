"""Speech -> what was said, heard whole."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from torch import Tensor

from unimodal.foreign import Checkpoint
from unimodal.prenets.spectrogram import RATE
from unimodal.prenets.waveform import Waveform
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.sounds import heard, hearing, read_recordings
from unimodal.tasks.checkpoints.writing import writing, written
from unimodal.tasks.clips import LONGEST_SOUND


@final
class WaveTranscription(CheckpointTask):
    """Writes what is said in a recording of half a minute at most.

    Samples -> `m i s t e r | q u i l t e r` (Ao et al. 2022, arXiv:2110.07205). Recordings are heard one by one, for
    the network hears the silence behind a shorter one.
    """

    reads = ("speech",)
    writes = "text"
    architectures = ("ForSpeechToText",)

    def __init__(self, *, checkpoint: Checkpoint) -> None:
        self._checkpoint = writing(checkpoint)
        self._is_normalised = hearing(checkpoint.folder, {"sampling_rate": RATE}).get("do_normalize", False)
        config = vars(checkpoint.model.generation_config)
        said = config.get("max_length") is not None or config.get("max_new_tokens") is not None
        longest = checkpoint.origin.get("max_text_positions", 450)
        self._settings: dict[str, Any] = {} if said else {"max_new_tokens": longest - 1}

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        return read_recordings(paths, prompt, task="asr", max_seconds=LONGEST_SOUND)

    def answer(self, parts: Sequence[Waveform], decoding: Choice) -> list[Result]:
        return [self._write(heard(part.samples, self._is_normalised), decoding) for part in parts]

    def _write(self, samples: Tensor, decoding: Choice) -> Result:
        inputs = {"input_values": samples[None].to(self._checkpoint.model.device)}
        (only,) = written(self._checkpoint, inputs, decoding, settings=self._settings)
        return only

    def join(self, answers: Sequence[Result]) -> Result:
        (only,) = answers
        return only
