"""Every guide found in the folder: identity at strength zero, rows on their own, never a row without a token."""

import importlib
import inspect
import itertools
import math
import pkgutil

import pytest
import torch

import unimodal.guides
from unimodal.codecs.boxes import BoxCodec
from unimodal.codecs.characters import CharacterCodec
from unimodal.codecs.labels import LabelCodec
from unimodal.codecs.numbers import NumberCodec
from unimodal.codecs.text import TextCodec
from unimodal.grammar import Automaton, any_of, literal, repeat
from unimodal.guides import Guide
from unimodal.guides.chain import ChainGuide
from unimodal.guides.grammar import GrammarGuide
from unimodal.guides.ngrams import NgramGuide
from unimodal.guides.repetition import RepetitionGuide

SIZE, END = 12, 1
GRAMMAR = Automaton.compile(repeat(any_of(range(4, 8)), 2, 5) | literal([9, 10]), SIZE, END)
CASES = {
    GrammarGuide: lambda strength: GrammarGuide(GRAMMAR, strength=strength),
    RepetitionGuide: lambda strength: RepetitionGuide(strength=min(strength, 9.0)),
    NgramGuide: lambda strength: NgramGuide(length=2, strength=strength),
    ChainGuide: lambda strength: ChainGuide([CASES[GrammarGuide](strength), CASES[NgramGuide](strength)]),
}
every_guide = pytest.mark.parametrize("make", CASES.values(), ids=[guide.__name__ for guide in CASES])


def test_every_guide_of_the_folder_is_tried_here():
    found = set()
    for module in pkgutil.iter_modules(unimodal.guides.__path__, "unimodal.guides."):
        for _, part in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(part, Guide) and part.__module__ == module.name:
                found.add(part)
    assert found == set(CASES)


def states_along(guide, tokens):
    state = guide.start(tokens.shape[0])
    yield state
    for column in tokens.T:
        state = guide.advance(state, column)
        yield state


@every_guide
def test_strength_zero_is_the_identity_and_more_is_not(make):
    tokens, logits = torch.randint(SIZE, (64, 6)), torch.randn(64, SIZE)
    changed = False
    for weak, strong in zip(states_along(make(0.0), tokens), states_along(make(3.0), tokens), strict=True):
        assert torch.equal(make(0.0).adjust(logits, weak), logits)
        changed |= not torch.equal(make(3.0).adjust(logits, strong), logits)
    assert changed


@every_guide
@pytest.mark.parametrize("strength", [0.5, math.inf])
def test_rows_stand_alone_and_may_be_taken_in_any_order(make, strength):
    guide, tokens, logits = make(strength), torch.randint(4, 11, (16, 5)), torch.randn(16, SIZE)
    tokens[:8, 2:] = torch.tensor([END, 0, 0])
    rows = torch.tensor([3, 3, 0, 15, 7])
    given = logits.clone()
    state, taken = guide.start(16), guide.take(guide.start(16), rows)
    for column in tokens.T:
        adjusted = guide.adjust(logits, state)
        assert torch.equal(guide.adjust(logits[rows], taken), adjusted[rows])
        assert torch.equal(guide.adjust(logits[rows], guide.take(state, rows)), adjusted[rows])
        assert not adjusted.isnan().any()
        assert (adjusted > -math.inf).any(-1).all()
        state, taken = guide.advance(state, column), guide.advance(taken, column[rows])
    assert torch.equal(logits, given)


@every_guide
def test_a_negative_strength_is_refused(make):
    with pytest.raises(ValueError, match="strength: expected a number from 0"):
        make(-1.0)


@pytest.mark.parametrize(
    "codec",
    [
        TextCodec,
        CharacterCodec,
        BoxCodec,
        NumberCodec,
        lambda vocabulary: LabelCodec(vocabulary, names=["cat", "car", "cat food"]),
    ],
)
@pytest.mark.parametrize("guided_too", [[], [NgramGuide(length=1)], [RepetitionGuide(strength=1.0)]])
def test_an_untrained_decoder_under_a_grammar_writes_only_valid_answers(vocabulary, codec, guided_too):
    codec, space, rows = codec(vocabulary), vocabulary.space, 32
    guide = ChainGuide([GrammarGuide(codec.grammar()), *guided_too])
    state, written = guide.start(rows), torch.empty(rows, 0, dtype=torch.long)
    for step in itertools.count():
        logits = torch.randn(rows, len(space)) * 3
        logits[:, space.end] += step
        tokens = guide.adjust(logits, state).argmax(-1)
        state, written = guide.advance(state, tokens), torch.cat([written, tokens[:, None]], dim=1)
        if (written == space.end).any(-1).all():
            break
    for ids in written.tolist():
        answer, padding = ids[: ids.index(space.end) + 1], ids[ids.index(space.end) + 1 :]
        assert codec.grammar().accepts(answer)
        assert codec.decode(codec.encode(codec.decode(answer))) == codec.decode(answer)
        assert set(padding) <= {space.pad}


def test_a_row_that_left_the_grammar_is_free():
    guide, logits = GrammarGuide(GRAMMAR, strength=2.0), torch.randn(2, SIZE)
    state = guide.advance(guide.start(2), torch.tensor([11, 9]))
    expected = logits.clone()
    expected[1, torch.arange(SIZE) != 10] -= 2
    assert torch.equal(guide.adjust(logits, state), expected)


def test_repetition_is_that_of_transformers():
    from transformers import RepetitionPenaltyLogitsProcessor

    tokens, logits = torch.randint(SIZE, (8, 5)), torch.randn(8, SIZE)
    *_, state = states_along(RepetitionGuide(strength=0.3), tokens)
    expected = RepetitionPenaltyLogitsProcessor(1.3)(tokens, logits)
    assert torch.equal(RepetitionGuide(strength=0.3).adjust(logits, state), expected)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_blocked_ngrams_are_those_of_transformers(length):
    from transformers import NoRepeatNGramLogitsProcessor

    # Ids from 4: ours lets padding and the end token repeat.
    tokens, logits = torch.randint(4, 8, (32, 9)), torch.randn(32, SIZE)
    for steps, state in enumerate(states_along(NgramGuide(length=length), tokens)):
        if steps:
            expected = NoRepeatNGramLogitsProcessor(length)(tokens[:, :steps], logits)
            assert torch.equal(NgramGuide(length=length).adjust(logits, state), expected)
