"""A bootstrap's limits are those of theory where theory knows them, and the same every time."""

import numpy as np
import pytest

from unimodal.measuring.intervals import bootstrap_interval
from unimodal.tasks.metrics.errors import CharacterErrorRate
from unimodal.tasks.metrics.match import ExactMatch
from unimodal.tasks.metrics.overlap import ChrF
from unimodal.tasks.metrics.voices import EqualErrorRate


def test_a_share_has_the_binomial_s_limits() -> None:
    tally = np.array([[1.0]] * 120 + [[0.0]] * 80)
    reach = 1.96 * (0.6 * 0.4 / 200) ** 0.5
    assert bootstrap_interval(ExactMatch(), tally) == pytest.approx((0.6 - reach, 0.6 + reach), abs=0.01)
    assert bootstrap_interval(ExactMatch(), tally) == bootstrap_interval(ExactMatch(), tally)
    wider = bootstrap_interval(ExactMatch(), tally[::10])
    assert wider[0] < 0.6 - 2 * reach and wider[1] > 0.6 + 2 * reach


def test_limits_are_of_the_pooled_score() -> None:
    """Nine short texts without an error and a long one with some: their mean is not what is pooled."""
    predictions, references = ["ab"] * 9 + ["c" * 50], ["ab"] * 9 + ["d" * 50]
    metric = CharacterErrorRate()
    low, high = bootstrap_interval(metric, metric.tally(predictions, references))
    assert low == 0 and 0.9 < high <= 1
    texts = ["open the file", "close it", "save as", "no such file"]
    chrf = ChrF()
    assert bootstrap_interval(chrf, chrf.tally(texts, texts)) == pytest.approx((100, 100))


def test_draws_without_a_score_are_left_out() -> None:
    metric = EqualErrorRate()
    low, high = bootstrap_interval(metric, metric.tally([0.9, 0.1, 0.5], [True, False, True]), draws=100)
    assert low == 0 and high <= 1
