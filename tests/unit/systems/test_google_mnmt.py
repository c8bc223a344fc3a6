"""One translator of many languages: every invariant holds; nothing is taught that is asked for untaught."""

from pathlib import Path

import pytest
import torch

from unimodal.spec import load_spec
from unimodal.systems import Invariant, google_mnmt
from unimodal.systems.fixtures.translators import Direction, Languages, centric
from unimodal.systems.google_mnmt import LANGUAGES, UNTAUGHT, MultilingualTranslation

CONFIG = Path(__file__).parents[3] / "configs" / "systems" / "google-mnmt.yaml"


@pytest.mark.parametrize("invariant", MultilingualTranslation().invariants(), ids=lambda found: found.name)
def test_it_holds(invariant: Invariant) -> None:
    invariant.check()


def test_a_tag_that_changes_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = google_mnmt._untrained

    def alike(*targets: str):
        model = whole(*targets)
        tags = model.processor.vocabulary.space.ids("task")
        with torch.no_grad():
            model.model.embedding.weight[list(tags)] = model.model.embedding.weight[tags[0]].clone()
        return model

    monkeypatch.setattr(google_mnmt, "_untrained", alike)
    for check in (google_mnmt._mixes_tags, google_mnmt._batches_targets):
        with pytest.raises(AssertionError, match="no mixture|the tag changes nothing"):
            check()


def test_the_config_teaches_directions_from_and_to_english_alone() -> None:
    config = load_spec(CONFIG)
    model = load_spec(CONFIG.parents[2] / config["model"]["source"])
    tags = model["spec"]["vocabulary"]["ranges"][1]["task"]
    languages = sorted(tag.removeprefix("translate_") for tag in tags if tag != "translate_en")
    assert len(languages) >= 5
    taught = {
        Direction((overlay or {}).get("source", "en"), (overlay or {}).get("language", name.removeprefix("translate_")))
        for name, overlay in config["data"]["tasks"].items()
    }
    assert taught == set(centric(languages))
    assert not set(centric(LANGUAGES)) & set(UNTAUGHT)
    assert {direction.source for direction in UNTAUGHT} == {direction.target for direction in UNTAUGHT}


def test_languages_are_told_by_their_letters() -> None:
    known = {
        "de": ["die Datei wurde nicht gefunden", "das ist nicht der richtige Ordner"],
        "fr": ["le fichier est introuvable", "ce n'est pas le bon dossier"],
        "ru": ["файл не найден", "это не та папка"],
    }
    language_of = Languages(known)
    assert [language_of(text) for text in ("die Ordner nicht", "le dossier", "папка не найдена")] == ["de", "fr", "ru"]
