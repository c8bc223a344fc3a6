"""Text infilling: how much is hidden, in how long spans, behind which marks."""

from statistics import fmean

import pytest
import torch

from unimodal.corruptors import Corruption
from unimodal.corruptors.infilling import Infilling
from unimodal.vocabulary import Vocabulary

TEXT = list(range(10, 210))  # all different, so every token of the source tells where it comes from


def draws(vocabulary: Vocabulary, number: int = 300, **settings: float) -> list[Corruption]:
    corruptor = Infilling(vocabulary, **settings)
    return [corruptor.corrupt(TEXT, torch.Generator().manual_seed(seed)) for seed in range(number)]


def hidden_spans(found: Corruption, mark: int) -> list[int]:
    """The lengths of what each mark stands for, where no token is replaced at random."""
    lengths, place = [], 0
    for at, token in enumerate(found.source):
        if token == mark:
            following = next((TEXT.index(later) for later in found.source[at + 1 :] if later != mark), len(TEXT))
            assert found.source[at + 1 : at + 2] != [mark], "two spans touch"
            lengths.append(following - place)
            place = following
        else:
            assert token == TEXT[place]
            place += 1
    return lengths


def test_a_third_is_hidden_in_spans_of_poissons_lengths(vocabulary: Vocabulary) -> None:
    mark = vocabulary.space.id("sentinel", 0)
    spans = [hidden_spans(found, mark) for found in draws(vocabulary, random=0.0)]
    assert {sum(row) for row in spans} == {60}, "exactly 30 % of 200 tokens"
    lengths = [length for row in spans for length in row[:-1]]
    assert fmean(lengths) == pytest.approx(3.5, abs=0.15)
    assert fmean(length == 0 for length in lengths) == pytest.approx(0.030, abs=0.012), "insertions"
    assert max(lengths) > 7


def test_a_tenth_of_the_spans_is_a_token_of_the_text(vocabulary: Vocabulary) -> None:
    mark = vocabulary.space.id("sentinel", 0)
    marked = [found.source.count(mark) for found in draws(vocabulary)]
    all_spans = [found.source.count(mark) for found in draws(vocabulary, random=0.0)]
    assert sum(marked) / sum(all_spans) == pytest.approx(0.9, abs=0.02)
    assert all(found.target == TEXT and all(found.asked) for found in draws(vocabulary, 5))


@pytest.mark.parametrize("settings", [{"share": 1.1}, {"mean_length": 0.5}, {"random": -0.1}])
def test_settings_that_mean_nothing_are_refused(vocabulary: Vocabulary, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="^share, random, mean_length: "):
        Infilling(vocabulary, **settings)
