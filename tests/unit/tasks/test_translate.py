"""Directions into one language share its tag, and only what was taught can be asked for."""

import pytest

from unimodal.loading.own import Unimodal
from unimodal.tasks import Example
from unimodal.tasks.own_data import OwnData
from unimodal.tasks.translate import Translation
from unimodal.vocabulary import Vocabulary


def test_a_direction_is_named_by_both_languages_and_tagged_by_one(vocabulary: Vocabulary) -> None:
    usual, other = Translation(vocabulary=vocabulary), Translation(vocabulary=vocabulary, source="de")
    assert (usual.name, usual.tag, other.name, other.tag) == (
        "translate_fr",
        "translate_fr",
        "translate_de_fr",
        "translate_fr",
    )
    assert Translation(vocabulary=vocabulary, language="en", source="de", name="translate_en").tag == "translate_en"
    with pytest.raises(ValueError, match="^source: fr is the language of the translation"):
        Translation(vocabulary=vocabulary, source="fr").examples("train")


def test_the_tag_is_what_a_model_has_to_know(tiny: Unimodal, tmp_path) -> None:
    space, vocabulary = tiny.processor.vocabulary.space, tiny.processor.vocabulary
    example = Example("", {"text": "Die Datei"}, "le fichier")
    task = Translation(vocabulary=vocabulary, source="de")
    own = OwnData(task, manifest=tmp_path / "rows.jsonl", division=tmp_path / "division.json")
    for asked in (task, own):
        item = tiny.processor.example(asked, example)
        assert item.task == "translate_de_fr", "losses are told apart by direction"
        assert item.prompt[0].arrays["ids"].tolist() == [space.id("task", "translate_fr")]
    tagged = OwnData(task, manifest=own.manifest, division=own.division, tag="translate_de")
    assert tiny.processor.prompt(tagged, example).prompt[0].arrays["ids"].tolist() == [space.id("task", "translate_de")]
    assert tiny.task("translate_en").tag == "translate_en"
    unknown = Translation(vocabulary=vocabulary, language="xx")
    with pytest.raises(ValueError, match="'task' has no 'translate_xx'"):
        tiny.processor.prompt(unknown, example)
