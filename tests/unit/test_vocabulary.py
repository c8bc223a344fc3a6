"""Ids: one place knows the offsets, and text survives its pieces."""

import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unimodal.build import build
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary


def test_every_id_belongs_to_one_kind_and_comes_back(space):
    kinds = ("control", *space.kinds)
    assert sum(len(space.ids(kind)) for kind in kinds) == len(space)
    for id in range(len(space)):
        kind = space.kind(id)
        assert id in space.ids(kind)
        assert space.id("text" if kind == "control" else kind, space.index(id)) == id
    masks = torch.stack([space.mask(kind) for kind in kinds])
    assert (masks.sum(0) == 1).all()
    assert torch.equal(space.mask("loc", "time"), space.mask("loc") | space.mask("time"))


def test_names_and_offsets(space):
    assert space.id("task", "asr") == 512
    assert space.id("loc", 0) == 512 + 4
    assert space.name(space.id("task", "tts")) == "tts"
    assert space.name(space.id("loc", 17)) == "loc 17"
    assert space.name(space.end) == "end"
    assert (space.pad, space.end, space.unknown, space.start) == (0, 1, 2, 3)


def test_ids_survive_a_config_file_with_sorted_keys(space):
    spec = {"class": "unimodal.vocabulary.TokenSpace", "ranges": space.ranges}
    again = build(json.loads(json.dumps(spec, sort_keys=True)), TokenSpace)
    assert [again.name(id) for id in range(len(again))] == [space.name(id) for id in range(len(space))]


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ([], "the first kind is 'text'"),
        ([{"loc": 10}], "the first kind is 'text'"),
        ([{"text": 4}], "more than 4 ids"),
        ([{"text": 9}, {"loc": 0}], r"config: ranges\[1\]: 'loc' is empty"),
        ([{"text": 9}, {"loc": 2}, {"loc": 2}], "is there already"),
        ([{"text": 9}, {"control": 2}], "is there already"),
        ([{"text": 9}, {"task": ["asr", "asr"]}], "names something twice"),
        ([{"text": 9, "loc": 2}], "expected one kind"),
        ([{"text": "9"}], r"ranges\[0\]\.text: expected int or list"),
    ],
)
def test_bad_ranges_are_named(ranges, message):
    with pytest.raises(ValueError, match=message):
        build({"class": "unimodal.vocabulary.TokenSpace", "ranges": ranges}, TokenSpace)


def test_unknown_items_are_named(space):
    with pytest.raises(ValueError, match="no kind 'locs'; did you mean 'loc'"):
        space.size("locs")
    with pytest.raises(ValueError, match="'task' has no 'captoin'; did you mean 'caption'"):
        space.id("task", "captoin")
    with pytest.raises(ValueError, match="'loc' has 20 ids, so no index 20"):
        space.id("loc", 20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text() | st.text(alphabet="▁ \n\t\0<0x41>é漢𝄞�a1"))
def test_text_survives(pieces, text):
    ids = pieces.encode(text)
    assert pieces.decode(ids) == text
    assert not {TokenSpace.pad, TokenSpace.end, TokenSpace.unknown, TokenSpace.start} & set(ids)


def test_code_and_markup_survive(pieces):
    for text in ("def f(x):\n        return  x\n\n", "<0x41></s><pad>", "  two  spaces  ", "▁", "<s>▁▁ ▁"):
        assert pieces.decode(pieces.encode(text)) == text


def test_pieces_are_worth_it_and_digits_stand_alone(pieces):
    assert len(pieces.encode("the number of arguments")) < 14
    assert len(pieces.encode("20417")) == 5
    assert all(len(pieces.encode(sign)) == 1 for sign in "0123456789-.")


def test_pieces_are_the_same_when_loaded(pieces, tmp_path):
    pieces.save(tmp_path / "tokenizer.model")
    again = TextPieces.load(tmp_path / "tokenizer.model")
    assert again.encode("an example: é\n") == pieces.encode("an example: é\n")
    assert again.decode([-1, 1, 10**6, *again.encode("x")]) == "x"
    assert again.decode([again.encode("é")[0]] if len(again.encode("é")) == 2 else []) in (
        "",
        "\N{REPLACEMENT CHARACTER}",
    )


def test_mistakes_with_pieces_are_one_line(tmp_path, pieces, space):
    (tmp_path / "bad.model").write_bytes(b"not a model")
    heard = []
    for mistake in (
        lambda: TextPieces.load(tmp_path / "missing.model"),
        lambda: TextPieces.load(tmp_path / "bad.model"),
        lambda: TextPieces.train(["too little text"], 5000, tmp_path / "x.model", heard.append),
        lambda: TextPieces.train([], 300, tmp_path / "x.model"),
        lambda: TextPieces.train(["one text"] * 20, 20, tmp_path / "x.model"),
    ):
        with pytest.raises(ValueError, match=str(tmp_path)) as caught:
            mistake()
        assert "\n" not in str(caught.value)
    assert heard == [1]
    with pytest.raises(ValueError, match="surrogates not allowed"):
        pieces.encode("a\ud800")
    with pytest.raises(ValueError, match="9 text ids, the pieces 512"):
        Vocabulary(TokenSpace([{"text": 9}]), pieces)


@pytest.mark.parametrize("text", ["", "plain", "é漢𝄞 – \N{ZERO WIDTH JOINER}", "▁ sign", "a\n\tb"])
def test_streamed_parts_are_whole_characters_and_join_to_the_text(pieces: TextPieces, text: str) -> None:
    ids = pieces.encode(text)
    parts = list(pieces.decode_stream(iter(ids)))
    assert "".join(parts) == text and "" not in parts
    assert len(ids) > len(parts) or text.isascii()


def test_streamed_bytes_that_are_no_text_are_those_of_decode(pieces: TextPieces) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        ids = torch.randint(-2, len(pieces) + 5, (20,), generator=generator).tolist()
        assert "".join(pieces.decode_stream(ids)) == pieces.decode(ids)


def test_numbers_in_order_are_named_and_stay_so(space):
    ordered = TokenSpace(space.ranges, ordered=["loc", "time"])
    assert ordered.extended(10, ["more"]).ordered == ("loc", "time") and space.ordered == ()
    with pytest.raises(ValueError, match="no kind 'lok'; did you mean 'loc'"):
        TokenSpace(space.ranges, ordered=["lok"])
