"""Span corruption: what T5 reads and writes."""

import pytest
import torch

from unimodal.corruptors.sentinels import Sentinels
from unimodal.vocabulary import Vocabulary

TEXT = list(range(10, 110))


def test_marks_come_in_turn_and_their_spans_are_written(vocabulary: Vocabulary) -> None:
    marks = list(vocabulary.space.ids("sentinel"))
    for seed in range(50):
        found = Sentinels(vocabulary).corrupt(TEXT, torch.Generator().manual_seed(seed))
        assert [token for token in found.source if token in marks] == marks
        assert [token for token in found.target if token in marks] == marks, "15 tokens in five spans; no mark is left"
        assert len(found.target) == 15 + 5 and len(found.source) == 85 + 5
        assert found.source[0] == TEXT[0] and found.source[-1] == marks[4], "begins with what stays, ends with a span"


def test_a_mark_ends_the_target_where_one_is_left(vocabulary: Vocabulary) -> None:
    marks = list(vocabulary.space.ids("sentinel"))
    found = Sentinels(vocabulary).corrupt(TEXT[:20], torch.Generator().manual_seed(0))
    assert found.target[0] == marks[0] and found.target[-1] == marks[1] and len(found.target) == 5


@pytest.mark.parametrize("settings", [{"share": 0.0}, {"share": 1.0}, {"mean_length": 0.5}])
def test_settings_that_mean_nothing_are_refused(vocabulary: Vocabulary, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="^share, mean_length: "):
        Sentinels(vocabulary, **settings)
