"""pocketsphinx hears what is said, and nothing in silence."""

import pytest
import torch

from unimodal.prenets.spectrogram import RATE
from unimodal.prenets.waveform import Waveform
from unimodal.tasks.corpora.asterisk import Asterisk
from unimodal.tasks.metrics.errors import WordErrorRate
from unimodal.tasks.metrics.recognised import RecognisedWordErrorRate, recognise

pytest.importorskip("pocketsphinx")


def test_silence_is_no_word() -> None:
    assert recognise(torch.zeros(RATE)) == ""
    assert RecognisedWordErrorRate()([torch.zeros(RATE)], ["please hold"]) == 1


def test_real_recordings_are_heard_far_better_than_their_texts_are_guessed() -> None:
    if not Asterisk().is_cached():
        pytest.skip("Asterisk is not in the cache")
    prompts = [prompt for prompt in Asterisk().examples("train") if prompt.language == "en"]
    chosen = [prompt for prompt in prompts if 4 <= len(prompt.text.split()) <= 8 and prompt.text.isascii()][:4]
    sounds = [Waveform(torch.from_numpy(prompt.speech.samples()), RATE) for prompt in chosen]
    texts = [prompt.text for prompt in chosen]
    heard = [recognise(sound) for sound in sounds]
    rate = WordErrorRate()
    assert rate(heard, texts) < 0.6 < rate(heard, texts[::-1])
    slow = sounds[0].resampled(8000)
    assert RecognisedWordErrorRate()([slow], texts[:1]) == rate([recognise(slow)], texts[:1])
