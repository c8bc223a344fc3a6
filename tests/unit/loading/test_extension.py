"""A larger vocabulary: old texts and old scores stay, new letters are one piece, a saved model is as any other."""

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unimodal.batching import Batch, EncoderDecoder, Item, Padded, token_piece
from unimodal.codecs.characters import CharacterCodec
from unimodal.codecs.text import TextCodec
from unimodal.heads import OwnHead
from unimodal.loading.extension import (
    added_rows,
    check_pieces,
    extend,
    extended,
    likenesses,
    missing_characters,
    places,
)
from unimodal.loading.hub import load_own
from unimodal.loading.own import Unimodal
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.processor import UnimodalProcessor
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary

GREEK = "το γράμμα αλφα και το γράμμα βήτα"


@pytest.fixture(scope="module")
def greek(tiny: Unimodal) -> Vocabulary:
    vocabulary = tiny.processor.vocabulary
    return extended(vocabulary, missing_characters(vocabulary.pieces, [GREEK]), ["asr_el"])


def test_letters_that_are_seen_twice_are_missing(pieces: TextPieces) -> None:
    found = missing_characters(pieces, [GREEK, "ω", "plain\n\n\u200b\u200b"])
    assert set(found) == {letter for letter in GREEK if GREEK.count(letter) > 1} - {" "} and found[0] == "α"


def test_greek_goes_there_and_back(greek: Vocabulary) -> None:
    for codec in (TextCodec(greek), CharacterCodec(greek)):
        ids = codec.encode(GREEK)
        assert codec.decode(ids) == GREEK
        assert codec.grammar().accepts([*ids, greek.space.end])
        assert [greek.space.kind(id) for id in ids] == ["text"] * len(ids)
    assert len(CharacterCodec(greek).encode("γράμμα")) == 6


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=40))
def test_a_text_without_new_letters_keeps_its_ids(text: str, pieces: TextPieces, greek: Vocabulary) -> None:
    assert greek.pieces.decode(greek.pieces.encode(text)) == text
    if not set(text) & set(GREEK.replace(" ", "")):
        assert greek.pieces.encode(text) == pieces.encode(text)


def test_every_old_id_has_its_place(tiny: Unimodal, greek: Vocabulary) -> None:
    old, found = tiny.processor.vocabulary.space, places(tiny.processor.vocabulary.space, greek.space)
    assert [place for place in found if place is not None] == list(range(len(old)))
    added = added_rows(old, greek.space)
    assert [greek.space.kind(id) for id in added] == ["text"] * (len(added) - 1) + ["task"]
    assert greek.space.name(added[-1]) == "asr_el"
    with pytest.raises(ValueError, match="has fewer ids of the kind 'text'"):
        places(greek.space, old)
    other = TokenSpace([{"text": 512}, {"task": ["tts", "asr"]}])
    with pytest.raises(ValueError, match="has 'tts' where the model has 'asr'"):
        places(TokenSpace([{"text": 512}, {"task": ["asr", "tts"]}]), other)


def test_a_space_without_tasks_gets_some(greek: Vocabulary) -> None:
    assert TokenSpace([{"text": 300}]).extended(0, ["asr"]).ranges == [{"text": 300}, {"task": ["asr"]}]


def test_other_pieces_are_refused(pieces: TextPieces, greek: Vocabulary) -> None:
    check_pieces(pieces, greek.pieces)
    for first, second in ((greek.pieces, pieces), (greek.pieces, pieces.extended([*"абвгдежзиклмнопрст"]))):
        with pytest.raises(ValueError, match="text pieces: are not those of the model"):
            check_pieces(first, second)


def test_a_letter_with_a_sign_begins_as_the_letter(tiny: Unimodal) -> None:
    before = tiny.processor.vocabulary
    vocabulary = extended(before, ["ñ", "ф"], ["asr_es"])
    added = added_rows(before.space, vocabulary.space)
    found = likenesses(vocabulary, added, {"asr_es": "asr"})
    spelled = {vocabulary.space.name(id): vocabulary.space.name(other) for id, other in found.items()}
    (n,) = vocabulary.pieces.encode("n")
    assert spelled == {f"text {len(before.pieces)}": f"text {n}", "asr_es": "asr"}
    larger = extend(tiny.model, vocabulary.space, found)
    rows = larger.embedding.weight
    assert torch.equal(rows[added[0]], rows[n]) and not torch.equal(rows[added[1]], rows[n])
    assert torch.equal(rows[added[2]], tiny.model.embedding.weight[before.space.id("task", "asr")])


def batch(vocabulary: Vocabulary, kinds: dict[str, int]) -> Batch:
    ids = torch.tensor(vocabulary.pieces.encode("while True: pass"))
    tag = token_piece([vocabulary.space.id("task", "asr")])
    item = Item("asr", (tag, token_piece(ids)), token_piece([3, *ids[1:].tolist()]), ids)
    return EncoderDecoder().batch([item], Padded(), kinds)


def test_old_ids_keep_their_scores(tiny: Unimodal, greek: Vocabulary, tmp_path: Path) -> None:
    before, model = tiny.processor.vocabulary, tiny.model
    larger = extend(model, greek.space)
    hidden = model.run_batch(batch(before, model.kinds)).written.last
    again = larger.run_batch(batch(greek, larger.kinds)).written.last
    assert torch.equal(hidden, again)
    old = [place for place, id in enumerate(places(before.space, greek.space)) if id is not None]
    assert torch.allclose(larger.logits(again)[..., old], model.logits(hidden), atol=1e-6)
    assert len(model.vocabulary) == len(before.space), "the model itself stays"
    Unimodal(larger, UnimodalProcessor(tiny.processor.specs, greek)).save_pretrained(tmp_path)
    loaded = load_own(tmp_path)
    assert loaded.processor.vocabulary.space.ranges == greek.space.ranges
    assert all(torch.equal(value, larger.state_dict()[name]) for name, value in loaded.model.state_dict().items())


def test_a_head_of_its_own_grows_too(tiny: Unimodal, greek: Vocabulary) -> None:
    spec = {**(tiny.model.config.spec or {}), "head": {"class": "unimodal.heads.OwnHead", "bias": True}}
    config = type(tiny.model.config)(spec=spec)
    larger = extend(UnimodalForConditionalGeneration(config), greek.space)
    assert isinstance(larger.head, OwnHead) and larger.head.project.weight.shape[0] == len(greek.space)
    assert larger.head.project.bias.shape[0] == len(greek.space)


def test_a_readout_grows_by_the_letters_alone(tiny: Unimodal, greek: Vocabulary) -> None:
    before = tiny.processor.vocabulary.space
    larger, frames = extend(tiny.model, greek.space), torch.randn(3, 8)
    scores, grown = (model.read_off("speech", frames) for model in (tiny.model, larger))
    assert scores.shape[1] == before.size("text") and grown.shape[1] == greek.space.size("text")
    assert torch.equal(grown[:, : scores.shape[1]], scores)
