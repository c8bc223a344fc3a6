"""What a task's docstring shows is what the code does."""

from pathlib import Path

import pytest

from tests.unit.tasks.worked import ROOT, first_short_example, small_vocabulary
from unimodal.build import build
from unimodal.spec import load_spec
from unimodal.tasks import Task
from unimodal.tasks.corpora import CorpusUnavailable
from unimodal.vocabulary import Vocabulary

CONFIGS = ROOT / "configs" / "tasks"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
# Several languages of one class: its docstring shows one. All words of a picture are longer than a docstring.
NOT_SHOWN = {
    "asr_fr",
    "st_en",
    "spotting",
    "spotting_interleaved",
    "table_recognition",
    *(f"translate_{language}" for language in ("de", "en", "es", "gl", "ru")),
}
SHOWN_BUT_CHANGING = {"code_summary", "code_completion"}  # the library differs between releases of Python


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    return small_vocabulary(tmp_path_factory.mktemp("small"), NAMES)


@pytest.mark.parametrize("name", sorted({*NAMES} - NOT_SHOWN))
def test_the_docstring_shows_real_tokens(name: str, small: Vocabulary) -> None:
    task = build(load_spec(CONFIGS / f"{name}.yaml"), Task, vocabulary=small)
    shown = " ".join((type(task).__doc__ or "").partition("An example in pieces of a small vocabulary:")[2].split())
    assert shown.startswith(f"<{name}> ")
    if name in SHOWN_BUT_CHANGING:
        return
    try:
        assert shown == first_short_example(task, small)
    except CorpusUnavailable as problem:
        pytest.skip(str(problem))


def test_the_licence_is_the_text_that_the_pieces_are_made_of() -> None:
    assert "Apache License" in Path(ROOT / "LICENSE").read_text(encoding="utf-8")
