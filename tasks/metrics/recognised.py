"""What an independent recogniser hears in made speech: pocketsphinx with the English model that its wheel brings.

p pairs
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, final

import numpy as np
from jaxtyping import Float

from unimodal.prenets.spectrogram import RATE
from unimodal.tasks.metrics import as_waveform, require
from unimodal.tasks.metrics.errors import ErrorRate, WordErrorRate

FULL_SCALE = 32767
QUIETEST = 1e-3
"""Peak of full scale below which there is nothing to hear; pocketsphinx makes a word of digital silence."""


@final
class RecognisedWordErrorRate(ErrorRate):
    """Word error rate of what pocketsphinx hears (Huggins-Daines et al. 2006), beside the text that was to be said.

    For English. It hears real recordings far from perfectly, and other voices better or worse: beside the value of
    made speech belongs that of the real recordings of the same texts.
    """

    name = "recognised word error rate"

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 2"]:
        return WordErrorRate().tally([recognise(sound) for sound in predictions], references)


def recognise(sound: object) -> str:
    """The words that pocketsphinx hears in a Waveform, or in samples at 16 kHz; none in silence."""
    samples = as_waveform(sound).samples.double().numpy()
    if np.abs(samples).max() < QUIETEST:
        return ""
    raw = np.round(np.clip(samples, -1, 1) * FULL_SCALE).astype("<i2").tobytes()
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(raw, no_search=False, full_utt=True)
    decoder.end_utt()
    heard = decoder.hyp()
    return "" if heard is None else str(heard.hypstr)


@cache
def _decoder() -> Any:
    """One for the process: loading takes a second. Its own words for noise are no part of a hypothesis."""
    return require("pocketsphinx", extra="evaluate").Decoder(samprate=RATE, loglevel="ERROR")
