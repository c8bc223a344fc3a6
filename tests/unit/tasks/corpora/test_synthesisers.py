"""The laws of synthesisers, over those whose program and data are on this machine."""

import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

from unimodal.tasks.corpora import synthesisers
from unimodal.tasks.corpora.made import default_synthesisers
from unimodal.tasks.corpora.recordings import decode
from unimodal.tasks.corpora.synthesisers import Synthesiser
from unimodal.tasks.corpora.synthesisers.piper import clauses

ALL = default_synthesisers()


def said(maker: Synthesiser, text: str, voice: str, folder: Path) -> np.ndarray:
    if not maker.edition:
        pytest.skip(f"{maker.name}: its program or its voice is not on this machine")
    maker.speak(text, voice, folder / "said.wav")
    return decode(folder / "said.wav") / 32768


def test_all_of_the_folder_are_tried() -> None:
    modules = (
        importlib.import_module(f"{synthesisers.__name__}.{m.name}")
        for m in pkgutil.iter_modules(synthesisers.__path__)
    )
    found = {v for m in modules for v in vars(m).values() if isinstance(v, type) and issubclass(v, Synthesiser)}
    assert found - {Synthesiser} == {type(maker) for maker in ALL}


@pytest.mark.parametrize("maker", ALL, ids=lambda maker: maker.name)
def test_the_same_text_sounds_the_same_and_another_otherwise(maker: Synthesiser, tmp_path: Path) -> None:
    voice = maker.voices[0]
    first = said(maker, "Please hold the line.", voice, tmp_path)
    assert np.array_equal(first, said(maker, "Please hold the line.", voice, tmp_path))
    assert 0.6 < len(first) / 16_000 < 4 and 0.05 < np.abs(first).max() <= 1
    longer = said(maker, "Please hold the line until somebody answers, or call again.", voice, tmp_path)
    assert len(longer) > 1.5 * len(first)


@pytest.mark.parametrize("maker", ALL, ids=lambda maker: maker.name)
def test_voices_differ(maker: Synthesiser, tmp_path: Path) -> None:
    sounds = [said(maker, "Press one.", voice, tmp_path) for voice in maker.voices]
    for place, one in enumerate(sounds):
        for other in sounds[:place]:
            assert len(one) != len(other) or not np.allclose(one, other, atol=0.01)


@pytest.mark.parametrize("maker", ALL, ids=lambda maker: maker.name)
@pytest.mark.parametrize("text", ["-h", "--version", "$(touch evil)", "a\nb", 'say "yes"', "1 < 2 & 3"])
def test_a_text_is_said_whatever_it_looks_like(maker: Synthesiser, text: str, tmp_path: Path) -> None:
    assert np.abs(said(maker, text, maker.voices[0], tmp_path)).max() > 0.01


def test_clauses_end_where_a_speaker_breathes() -> None:
    assert clauses("Well, hold on. Really?") == [("Well", ","), ("hold on", "."), ("Really", "?")]
    assert clauses("no stop") == [("no stop", ".")] and clauses("3.5 apples!") == [("3.5 apples", "!")]
    assert clauses("... (yes)") == [("(yes)", ".")]
