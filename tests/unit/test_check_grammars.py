"""A share of `scripts/check_grammars.py`: untrained models write nothing but valid answers."""

import pytest

from scripts import check_grammars
from unimodal.vocabulary import Vocabulary

NAMES = ["bins", "boxes", "characters", "digits", "events", "fields", "labels", "numbers", "tables", "text", "units"]
SCHEMAS = [f"JSON: {name}" for name in check_grammars.SCHEMAS]


@pytest.fixture(scope="module")
def languages(pieces):
    vocabulary = check_grammars.vocabulary_of(pieces)
    return vocabulary, {language.name: language for language in check_grammars.languages(vocabulary)}


def test_every_codec_and_schema_is_checked(languages):
    assert list(languages[1]) == [*NAMES, *SCHEMAS]


@pytest.mark.parametrize("name", [*NAMES, *SCHEMAS])
def test_untrained_models_write_only_valid_answers(languages, name):
    vocabulary, found = languages
    assert isinstance(vocabulary, Vocabulary)
    result = check_grammars.check(found[name], vocabulary, 126)
    assert result["answers"] == 126
    assert not result["invalid"], result["faults"]
    assert result["different"] > 3


def test_an_invalid_answer_would_be_seen(languages):
    vocabulary, found = languages
    end = vocabulary.space.end
    assert found["boxes"].fault([end]) == "is not in the grammar"
    assert found["text"].fault([5, 6]) == "has no end"
    assert found["JSON: list"].fault([*vocabulary.pieces.encode("[1]"), end]) is not None
    assert found["JSON: person"].fault([*vocabulary.pieces.encode('{"name":'), end]) is not None
