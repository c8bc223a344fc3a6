"""Metrics against values worked out by hand, and against a plain dynamic program."""

import math
import random
import sys

import numpy as np
import pytest
import torch

from unimodal.prenets.spectrogram import RATE, VOICE
from unimodal.prenets.waveform import Waveform
from unimodal.tasks.metrics.errors import CharacterErrorRate, WordErrorRate, scored_form
from unimodal.tasks.metrics.match import EditSimilarity, ExactMatch
from unimodal.tasks.metrics.mel_distance import MelDistance, warped_distance
from unimodal.tasks.metrics.overlap import Bleu, ChrF, RougeL

TEXTS = ["press one for sales", "a cat", "the number 42", "x = y + 1"]
STRANGE = ["", "   ", "\n", "ü" * 50, "a cat"]


@pytest.mark.parametrize(
    "metric", [CharacterErrorRate(), WordErrorRate(), EditSimilarity(), ExactMatch(), ChrF(), Bleu(), RougeL()]
)
def test_the_truth_is_best_the_order_is_free_and_anything_may_be_predicted(metric) -> None:
    best = metric(TEXTS, TEXTS)
    assert best == pytest.approx(
        {"chrF": 100, "BLEU": 100, "ROUGE-L": 100}.get(metric.name, float(metric.higher_is_better))
    )
    wrong = ["press two for sails", "a dog", "number", "x = z"]
    score = metric(wrong, TEXTS)
    assert score < best if metric.higher_is_better else score > best
    assert metric(wrong[::-1], TEXTS[::-1]) == pytest.approx(score)
    for strange in STRANGE:
        assert math.isfinite(metric([strange] * 4, TEXTS))
    assert metric([f"  {text}\n" for text in TEXTS], TEXTS) == pytest.approx(best), "blanks at the ends do not count"


def test_transcripts_are_compared_in_one_form() -> None:
    assert scored_form("Don’t  wait – PRESS “1”!\n") == "don't wait press 1"
    assert scored_form("ﬁle Ça 'tis l'été") == "file ça tis l'été"
    assert scored_form("हिन्दी में") == "हिन्दी में", "vowel signs are no punctuation"
    assert scored_form("…") == "" == scored_form("")
    for metric in (WordErrorRate(), CharacterErrorRate()):
        assert metric(["Press ONE, for sales."], ["press one for sales"]) == 0
        assert metric(["a word", ""], ["", ""]) >= 2, "where nothing was said, all is too much"
        assert metric(["", "a b"], ["", "a b"]) == 0


def test_counts_of_sacrebleu_are_its_public_scores() -> None:
    import sacrebleu

    said = ["the file is not open", "cannot read it", "a very long answer that nobody asked for", ""]
    meant = ["the file could not be opened", "cannot read it", "no", "nothing"]
    assert ChrF()(said, meant) == pytest.approx(sacrebleu.corpus_chrf(said, [meant]).score)
    assert Bleu()(said, meant) == pytest.approx(sacrebleu.corpus_bleu(said, [meant]).score)
    # 4 of 5 words, 3 of 4 pairs, 2 of 3 triples and 1 of 2 runs of four, as long as the reference.
    by_hand = 100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    assert Bleu()(["the cat sat down here"], ["the cat sat down there"]) == pytest.approx(by_hand)


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)
    with pytest.raises(ValueError, match=r"^jiwer: is not installed; pip install .unimodal\[evaluate\].$"):
        WordErrorRate()(["a"], ["a"])


def test_values_by_hand() -> None:
    # Pooled over the set: 1 + 0 edits of 3 + 7 letters, not the mean of 1/3 and 0.
    assert CharacterErrorRate()(["cut", "letters"], ["cat", "letters"]) == pytest.approx(1 / 10)
    assert WordErrorRate()(["a b c", "d"], ["a x c", "d"]) == pytest.approx(1 / 4)
    assert EditSimilarity()(["abcd"], ["abxy"]) == pytest.approx(0.5)
    assert ExactMatch()(["4", "5"], ["4", "6"]) == 0.5
    # Longest common subsequence 2: precision 2/2, recall 2/4.
    assert RougeL()(["the mat"], ["the cat on mat"]) == pytest.approx(100 * 2 * 1 * 0.5 / 1.5)


def plain_warped(distances: np.ndarray) -> float:
    rows, columns = distances.shape
    total = {(-1, -1): 0.0}
    for i in range(rows):
        for j in range(columns):
            step = float(distances[i, j])
            sides = [total.get((i - 1, j), math.inf) + step, total.get((i, j - 1), math.inf) + step]
            total[i, j] = min(*sides, total.get((i - 1, j - 1), math.inf) + 2 * step)
    return total[rows - 1, columns - 1] / (rows + columns)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 9), (12, 12)])
def test_warping_equals_a_plain_dynamic_program(shape: tuple[int, int]) -> None:
    distances = np.random.default_rng(sum(shape)).random(shape)
    assert warped_distance(distances) == pytest.approx(plain_warped(distances))


def test_slow_speech_is_no_error_and_missing_speech_is() -> None:
    frames = torch.randn(40, 80)
    metric = MelDistance()
    slow = frames.repeat_interleave(2, dim=0)
    assert metric([frames], [frames]) == pytest.approx(0, abs=1e-5)
    assert metric([slow], [frames]) == pytest.approx(0, abs=1e-5)
    half = metric([frames[:20]], [frames])
    assert half > 0.3
    assert metric([frames + 1], [frames]) <= 1 + 1e-5, "a shift of all bands by 1 costs at most 1"


def test_mel_distance_takes_sound_samples_and_frames() -> None:
    samples = torch.sin(torch.arange(RATE // 2) * 0.2) * 0.3
    sound = Waveform(samples, RATE)
    for given in (sound, samples, VOICE(samples)):
        assert MelDistance()([given], [sound]) == pytest.approx(0, abs=1e-5)
    faster = Waveform(samples, 8000).resampled(RATE)
    assert MelDistance()([Waveform(samples, 8000)], [faster]) == pytest.approx(0, abs=1e-5)


def test_character_error_rate_of_a_shuffled_answer_is_not_small() -> None:
    letters = list("press one for sales")
    random.Random(0).shuffle(letters)
    assert CharacterErrorRate()(["".join(letters)], ["press one for sales"]) > 0.5
