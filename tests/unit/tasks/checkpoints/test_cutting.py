"""Long texts in pieces, and languages as tokenizers spell them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimodal.tasks.checkpoints.languages import english_name, matching, two_letters
from unimodal.tasks.checkpoints.sentences import cut

TEXTS = st.text(alphabet="ab .!?。\n", min_size=1, max_size=200).filter(lambda text: text.strip())


@given(text=TEXTS, longest=st.integers(min_value=1, max_value=40))
def test_pieces_fit_and_together_are_the_text(text: str, longest: int) -> None:
    pieces = cut(text, lambda piece: len(piece) <= longest)
    assert all(0 < len(piece) <= longest for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    if len(text) <= longest:
        assert pieces == [text]


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=20), longest=st.integers(min_value=14, max_value=40))
def test_no_two_neighbours_would_have_fitted_together(lengths: list[int], longest: int) -> None:
    pieces = cut(" ".join("a" * length + "." for length in lengths), lambda piece: len(piece) <= longest)
    firsts = [piece.split()[0] for piece in pieces[1:]]
    assert all(len(f"{piece} {first}") > longest for piece, first in zip(pieces, firsts, strict=False))


def test_a_text_is_cut_where_a_reader_would() -> None:
    text = "One two. Three four! Five\nsix. A verylongwordwithoutspaces ends."
    assert cut(text, lambda piece: len(piece) <= 20) == [
        "One two. Three four!",
        "Five\nsix.",
        "A",
        "verylongwordwithouts",
        "paces",
        "ends.",
    ]
    assert cut("天気がいい。散歩する。", lambda piece: len(piece) <= 6) == ["天気がいい。", "散歩する。"]
    with pytest.raises(ValueError, match="cannot read a single letter"):
        cut("text", lambda piece: False)


def test_few_lengths_are_asked_for() -> None:
    asked = 0

    def fits(piece: str) -> bool:
        nonlocal asked
        asked += 1
        return len(piece) <= 400

    pieces = cut("A sentence of words. " * 5_000, fits)
    assert len(pieces) > 200 and asked < 20 * len(pieces)


@pytest.mark.parametrize(
    ("language", "codes", "found"),
    [
        ("de", ["en_XX", "de_DE"], "de_DE"),
        ("German", ["__de__", "__nl__"], "__de__"),
        ("deu", ["__de__", "__nl__"], "__de__"),
        ("de", [">>deu<<", ">>nld<<"], ">>deu<<"),
        ("pt_BR", [">>pt<<", ">>pt_BR<<"], ">>pt_BR<<"),
        ("fa", ["prs_Arab", "pes_Arab"], "pes_Arab"),
        ("zho_Hans", ["zho_Hans", "zho_Hant"], "zho_Hans"),
        ("ast", ["__ast__", "__de__"], "__ast__"),
    ],
)
def test_a_language_finds_its_code(language: str, codes: list[str], found: str) -> None:
    assert matching(language, codes) == found


def test_languages_have_names_and_letters() -> None:
    assert [english_name(name) for name in ("de", "deu", "german", "ht")] == ["German"] * 3 + ["Haitian Creole"]
    assert [two_letters(name) for name in ("deu", "German", "de", "qq")] == ["de", "de", "de", "qq"]
    with pytest.raises(ValueError, match="^qq: is no language that is known here by name"):
        english_name("qq")
