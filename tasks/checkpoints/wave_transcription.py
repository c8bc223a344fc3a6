"""Speech -> what was said, heard whole or in windows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

from torch import Tensor

from unimodal.loading.foreign import Checkpoint
from unimodal.prenets.spectrogram import RATE
from unimodal.running.work import join_passages, said_in
from unimodal.task import Example
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.sounds import heard, hearing
from unimodal.tasks.checkpoints.writing import writing, written
from unimodal.tasks.clips import LONGEST_SOUND, read_long_sounds, sound
from unimodal.tasks.files import refuse_prompt


@final
class WaveTranscription(CheckpointTask):
    """Writes what is said in a recording; one longer than half a minute is heard in windows, cut where it is quiet.

    Samples -> `m i s t e r | q u i l t e r` (Ao et al. 2022, arXiv:2110.07205). Recordings are heard one by one, for
    the network hears the silence behind a shorter one.
    """

    reads = ("speech",)
    writes = "text"
    architectures = ("ForSpeechToText",)

    def __init__(self, *, checkpoint: Checkpoint, chunk_length_s: float = LONGEST_SOUND) -> None:
        """`chunk_length_s`: the longest window."""
        self._checkpoint = writing(checkpoint)
        self._is_normalised = hearing(checkpoint.folder, {"sampling_rate": RATE}).get("do_normalize", False)
        config = vars(checkpoint.model.generation_config)
        said = config.get("max_length") is not None or config.get("max_new_tokens") is not None
        longest = checkpoint.origin.get("max_text_positions", 450)
        self._window = chunk_length_s
        self._settings: dict[str, Any] = {} if said else {"max_new_tokens": longest - 1}

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        refuse_prompt(prompt, "asr")
        return [Question(str(path), read_long_sounds([path], window=self._window)) for path in paths]

    def answer(self, parts: Sequence[Example], decoding: Choice) -> list[Result]:
        clips = [sound(part.inputs["speech"]).resampled(RATE) for part in parts]
        answers = [self._write(heard(clip.samples, self._is_normalised), decoding) for clip in clips]
        return [said_in(part.span, answer) for part, answer in zip(parts, answers, strict=True)]

    def _write(self, samples: Tensor, decoding: Choice) -> Result:
        inputs = {"input_values": samples[None].to(self._checkpoint.model.device)}
        (only,) = written(self._checkpoint, inputs, decoding, settings=self._settings)
        return only

    def join(self, answers: Sequence[Result]) -> Result:
        return join_passages(answers)
