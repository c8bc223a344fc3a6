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
from unimodal.expressions import any_of, literal, repeat
from unimodal.grammars.automaton import Automaton
from unimodal.guides import NOTHING, Guide
from unimodal.guides.banned import BannedGuide
from unimodal.guides.chain import ChainGuide
from unimodal.guides.forced import ForcedGuide
from unimodal.guides.grammar import GrammarGuide
from unimodal.guides.json_schema import JsonSchemaGuide
from unimodal.guides.ngrams import NgramGuide
from unimodal.guides.normalised import NormalisedGuide
from unimodal.guides.prompt import PromptGuide
from unimodal.guides.repetition import RepetitionGuide
from unimodal.guides.source_ngrams import SourceNgramGuide
from unimodal.guides.source_repetition import SourceRepetitionGuide
from unimodal.guides.suppression import SuppressionGuide
from unimodal.guides.timestamps import TimestampGuide

SIZE, END, ROWS = 12, 1, 64
GRAMMAR = Automaton.compile(repeat(any_of(range(4, 8)), 2, 5) | literal([9, 10]), SIZE, END)
PROMPT = torch.tensor([[NOTHING, 4, 5], [NOTHING, NOTHING, 8], [9, 10, 4], [6, 7, 6]]).repeat(ROWS // 4, 1)
SOURCE = torch.tensor([[4, 5, 4, 6], [8, 8, 10, 0], [9, 10, 4, 5], [6, 0, 0, 0]]).repeat(ROWS // 4, 1)
CASES = {
    BannedGuide: lambda strength: BannedGuide([[5], [8, 9], [4, 7], [6, 6, 6]], strength=strength),
    GrammarGuide: lambda strength: GrammarGuide(GRAMMAR, strength=strength),
    RepetitionGuide: lambda strength: RepetitionGuide(strength=min(strength, 9.0)),
    NgramGuide: lambda strength: NgramGuide(length=2, strength=strength),
    ChainGuide: lambda strength: ChainGuide([CASES[GrammarGuide](strength), CASES[NgramGuide](strength)]),
    PromptGuide: lambda strength: PromptGuide(CASES[ChainGuide](strength), PROMPT),
    SourceNgramGuide: lambda strength: SourceNgramGuide(SOURCE, length=2, strength=strength),
    SourceRepetitionGuide: lambda strength: SourceRepetitionGuide(SOURCE, strength=min(strength, 9.0)),
    SuppressionGuide: lambda strength: SuppressionGuide([4, END], since=1, until=4, strength=strength),
    TimestampGuide: lambda strength: TimestampGuide(no_timestamps=6, end=END, latest_start=2, strength=strength),
}
WITHOUT_STRENGTH = {
    ForcedGuide: lambda strength: ForcedGuide([7, 8], place=2),
    NormalisedGuide: lambda strength: NormalisedGuide(),
}


def parametrized(guides):
    return pytest.mark.parametrize("make", guides.values(), ids=[guide.__name__ for guide in guides])


every_guide, every_strength = parametrized(CASES | WITHOUT_STRENGTH), parametrized(CASES)


def test_every_guide_of_the_folder_is_tried_here():
    found = set()
    for module in pkgutil.iter_modules(unimodal.guides.__path__, "unimodal.guides."):
        for _, part in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(part, Guide) and part.__module__ == module.name and not inspect.isabstract(part):
                found.add(part)
    # JSON needs a vocabulary of its own: tests/unit/guides/test_json_schema.py has its laws.
    assert found == set(CASES | WITHOUT_STRENGTH) | {JsonSchemaGuide}


def states_along(guide, tokens):
    state = guide.start(tokens.shape[0])
    yield state
    for column in tokens.T:
        state = guide.advance(state, column)
        yield state


@every_strength
def test_strength_zero_is_the_identity_and_more_is_not(make):
    tokens, logits = torch.randint(SIZE, (ROWS, 6)), torch.randn(ROWS, SIZE)
    changed = False
    for weak, strong in zip(states_along(make(0.0), tokens), states_along(make(3.0), tokens), strict=True):
        assert torch.equal(make(0.0).adjust(logits, weak), logits)
        changed |= not torch.equal(make(3.0).adjust(logits, strong), logits)
    assert changed


@every_guide
@pytest.mark.parametrize("strength", [0.5, math.inf])
def test_rows_stand_alone_and_may_be_taken_in_any_order(make, strength):
    guide, tokens, logits = make(strength), torch.randint(4, 11, (ROWS, 5)), torch.randn(ROWS, SIZE)
    tokens[:8, 2:] = torch.tensor([END, 0, 0])
    rows = torch.tensor([3, 3, 0, 15, 7])
    given = logits.clone()
    state, taken = guide.start(ROWS), guide.take(guide.start(ROWS), rows)
    for column in tokens.T:
        adjusted = guide.adjust(logits, state)
        assert torch.equal(guide.adjust(logits[rows], taken), adjusted[rows])
        assert torch.equal(guide.adjust(logits[rows], guide.take(state, rows)), adjusted[rows])
        assert not adjusted.isnan().any()
        assert (adjusted > -math.inf).any(-1).all()
        state, taken = guide.advance(state, column), guide.advance(taken, column[rows])
    assert torch.equal(logits, given)


@every_strength
def test_a_strength_that_turns_a_guide_around_is_refused(make):
    with pytest.raises(ValueError, match="strength: expected a number"):
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


@pytest.mark.parametrize("penalty", [0.7, 1.3, 2.5])
def test_repetition_is_that_of_transformers(penalty):
    from transformers import RepetitionPenaltyLogitsProcessor

    tokens, logits = torch.randint(SIZE, (8, 5)), torch.randn(8, SIZE)
    *_, state = states_along(RepetitionGuide(strength=penalty - 1), tokens)
    expected = RepetitionPenaltyLogitsProcessor(penalty)(tokens, logits)
    assert torch.equal(RepetitionGuide(strength=penalty - 1).adjust(logits, state), expected)


def test_padding_of_a_prompt_is_no_repetition():
    padded = torch.tensor([[NOTHING, NOTHING, 4, 5, 4]])
    logits = torch.randn(1, SIZE)
    for guide in (RepetitionGuide(strength=0.3), *(NgramGuide(length=length) for length in (1, 2, 3))):
        bare, told = PromptGuide(guide, padded[:, 2:]), PromptGuide(guide, padded)
        assert torch.equal(told.adjust(logits, told.start(1)), bare.adjust(logits, bare.start(1)))


def same_as(guide, processor, steps=6):
    """At every step of random answers to prompts of two tokens, a guide leaves what transformers' processor leaves."""
    tokens, logits = torch.randint(4, 8, (32, 2 + steps)), torch.randn(32, SIZE)
    guide, changed = PromptGuide(guide, tokens[:, :2]), False
    for step, state in enumerate(states_along(guide, tokens[:, 2:]), 2):
        expected = processor(tokens[:, :step], logits.clone())
        assert torch.equal(guide.adjust(logits, state), expected)
        changed |= not torch.equal(expected, logits)
    assert changed


@pytest.mark.parametrize("length", [1, 2, 3])
def test_blocked_ngrams_are_those_of_transformers(length):
    from transformers import NoRepeatNGramLogitsProcessor

    same_as(NgramGuide(length=length), NoRepeatNGramLogitsProcessor(length))


def test_ngrams_spare_what_they_are_told_to_spare():
    guide, logits = NgramGuide(length=1, spared=[5]), torch.zeros(1, SIZE)
    *_, state = states_along(guide, torch.tensor([[0, END, 5, 6]]))
    assert torch.nonzero(guide.adjust(logits, state)[0] == -math.inf).flatten().tolist() == [0, END, 6]


def test_banned_words_are_those_of_transformers():
    from transformers import NoBadWordsLogitsProcessor

    words = [[5], [4, 6], [7, 7], [6, 4, 7], [4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4]]
    same_as(BannedGuide(words), NoBadWordsLogitsProcessor(words, END))


def test_suppressed_tokens_are_those_of_transformers():
    from transformers import (
        MinLengthLogitsProcessor,
        SuppressTokensAtBeginLogitsProcessor,
        SuppressTokensLogitsProcessor,
    )

    same_as(SuppressionGuide([4, 7, SIZE + 3]), SuppressTokensLogitsProcessor([4, 7, SIZE + 3]))
    same_as(SuppressionGuide([4, 7], since=3, until=4), SuppressTokensAtBeginLogitsProcessor([4, 7], 3))
    same_as(SuppressionGuide([END, 7], until=5), MinLengthLogitsProcessor(5, [END, 7]))


@pytest.mark.parametrize("latest_start", [None, 1])
@pytest.mark.parametrize("sharpness", [0.3, 3.0])  # times outweigh text at the first, a token stands out at the second
def test_times_are_those_of_transformers(latest_start, sharpness):
    from transformers import GenerationConfig, WhisperTimeStampLogitsProcessor

    config = GenerationConfig(no_timestamps_token_id=6, eos_token_id=5, max_initial_timestamp_index=latest_start)
    guide = TimestampGuide(no_timestamps=6, end=5, latest_start=latest_start)
    processor, tokens = WhisperTimeStampLogitsProcessor(config, begin_index=1), torch.zeros(ROWS, 1, dtype=torch.long)
    state = guide.start(ROWS)
    for step in range(9):
        logits = torch.randn(ROWS, SIZE) * sharpness
        adjusted = guide.adjust(logits, state)
        assert torch.equal(adjusted, processor(tokens, logits))
        # Every other step follows the rules, so that both what they allow and what they do not comes about.
        chosen = torch.multinomial((adjusted if step % 2 else logits).softmax(-1), 1)
        state, tokens = guide.advance(state, chosen[:, 0]), torch.cat([tokens, chosen], dim=1)


def test_forced_tokens_are_those_of_transformers():
    from transformers import ForcedBOSTokenLogitsProcessor, ForcedEOSTokenLogitsProcessor

    same_as(ForcedGuide([END, 7], place=5), ForcedEOSTokenLogitsProcessor(6, [END, 7]))
    guide, processor = PromptGuide(ForcedGuide([9], place=1), torch.tensor([[3]])), ForcedBOSTokenLogitsProcessor(9)
    assert torch.equal(
        guide.adjust(torch.randn(1, SIZE), guide.start(1)), processor(torch.tensor([[3]]), torch.randn(1, SIZE))
    )


@pytest.mark.parametrize("length", [1, 2, 3])
def test_copied_ngrams_are_those_of_transformers(length):
    from transformers import EncoderNoRepeatNGramLogitsProcessor

    source = torch.randint(4, 8, (32, 9))
    same_as(SourceNgramGuide(source, length=length), EncoderNoRepeatNGramLogitsProcessor(length, source))


@pytest.mark.parametrize("penalty", [0.7, 1.5, 4.0])
def test_tokens_of_the_source_are_penalised_as_in_transformers(penalty):
    from transformers import EncoderRepetitionPenaltyLogitsProcessor

    source = torch.randint(4, 8, (32, 3))
    guide = SourceRepetitionGuide(source, strength=1 / penalty - 1)
    same_as(guide, EncoderRepetitionPenaltyLogitsProcessor(penalty, source))


MISTAKES = [
    (lambda: SourceNgramGuide(SOURCE, length=0), "^length: expected at least 1, got 0"),
    (lambda: ForcedGuide([], place=1), "^tokens: expected at least one"),
    (lambda: ForcedGuide([4], place=-1), "^place: expected a number from 0, got -1"),
    (lambda: BannedGuide([[4], []]), "^words: one of them has no token"),
    (lambda: NgramGuide(length=0), "^length: expected at least 1, got 0"),
]


@pytest.mark.parametrize(("make", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
