"""What a transcript begins with, where it is cut, when it is thrown away, and the languages by name."""

import pytest
import torch
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from unimodal.transcription.languages import LANGUAGES, language_code
from unimodal.transcription.options import TranscriptionOptions
from unimodal.transcription.quality import Attempt, compression_ratio, is_poor, is_silence
from unimodal.transcription.segments import cut
from unimodal.transcription.tokens import SpecialTokens, beginnings

START, EN, DE, TRANSLATE, TRANSCRIBE, NO_TIMES = 50, 51, 52, 55, 56, 60
FIELDS = {
    "lang_to_id": {"<|en|>": EN, "<|de|>": DE},
    "task_to_id": {"transcribe": TRANSCRIBE, "translate": TRANSLATE},
    "no_timestamps_token_id": NO_TIMES,
}
OLD = {**FIELDS, "forced_decoder_ids": [[1, None], [2, TRANSCRIBE]]}
ENGLISH = {"no_timestamps_token_id": NO_TIMES, "forced_decoder_ids": [[1, NO_TIMES]]}


def begun(fields, **options):
    asked, _ = TranscriptionOptions.take(options, fields)
    return beginnings(SpecialTokens.of(fields, start=START), asked, 2, lambda: [DE, EN])


@pytest.mark.parametrize(
    ("fields", "options", "expected"),
    [
        (FIELDS, {}, [[START, DE, NO_TIMES], [START, EN, NO_TIMES]]),
        (OLD, {}, [[START, DE, TRANSCRIBE, NO_TIMES], [START, EN, TRANSCRIBE, NO_TIMES]]),
        (OLD, {"task": "translate"}, [[START, DE, TRANSLATE, NO_TIMES], [START, EN, TRANSLATE, NO_TIMES]]),
        (OLD, {"language": "German", "return_timestamps": True}, [[START, DE, TRANSCRIBE]] * 2),
        (
            FIELDS,
            {"language": ["en", "<|de|>"]},
            [[START, EN, TRANSCRIBE, NO_TIMES], [START, DE, TRANSCRIBE, NO_TIMES]],
        ),
        (
            {**FIELDS, "language": "de", "task": "translate"},
            {"task": "transcribe"},
            [[START, DE, TRANSCRIBE, NO_TIMES]] * 2,
        ),
        ({**OLD, "forced_decoder_ids": [[1, EN], [2, TRANSLATE]]}, {}, [[START, EN, TRANSLATE, NO_TIMES]] * 2),
        (ENGLISH, {}, [[START, NO_TIMES]] * 2),
        (ENGLISH, {"return_timestamps": True}, [[START]] * 2),
        ({}, {}, [[START]] * 2),
    ],
)
def test_beginnings(fields, options, expected):
    assert begun(fields, **options) == expected


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        (FIELDS, {"language": "klingon"}, "^language: 'klingon' is none of those that the checkpoint knows: de, en$"),
        (FIELDS, {"language": ["en"]}, "^language: 1 of them for 2 rows"),
        (FIELDS, {"task": "sing"}, "^task: 'sing' is none of those that the checkpoint knows: transcribe, translate$"),
        (ENGLISH, {"language": "en"}, "^language: 'en' is none of those that the checkpoint knows: none$"),
        (
            {**ENGLISH, "is_multilingual": False},
            {"task": "translate"},
            "^language, task: the checkpoint knows English only",
        ),
        (
            {**FIELDS, "forced_decoder_ids": [[1, EN], [3, 4]]},
            {},
            r"^forced_decoder_ids: \[\[1, 51\], \[3, 4\]\] does not",
        ),
        (FIELDS, {"prompt_condition_type": "some"}, "^prompt_condition_type: 'some' is neither"),
        (FIELDS, {"prompt_condition_type": "all-segments"}, "^prompt_condition_type: all-segments needs"),
        (FIELDS, {"no_speech_threshold": 0.6}, "^no_speech_threshold: needs a logprob_threshold"),
    ],
)
def test_a_mistake_is_named(fields, options, message):
    with pytest.raises(ValueError, match=message):
        begun(fields, **options)


def test_older_checkpoints_have_the_token_for_earlier_text_among_the_suppressed():
    assert SpecialTokens.of({"suppress_tokens": [1, 2, 57, 58]}, start=START).previous == 57
    assert SpecialTokens.of({"suppress_tokens": [1, 57], "prev_sot_token_id": 3}, start=START).previous == 3
    assert SpecialTokens.of({}, start=START).previous is None


def test_languages_are_those_of_transformers():
    assert LANGUAGES == TO_LANGUAGE_CODE
    assert [language_code(name) for name in ("Haitian Creole", "<|YUE|>", "nn", "castilian")] == [
        "ht",
        "yue",
        "nn",
        "es",
    ]


ZERO = 100
"""Times begin here: ZERO + 5 is 0.1 s."""


@pytest.mark.parametrize(
    ("tokens", "segments", "read"),
    [
        ([100, 1, 2, 105, 105, 3, 109, 109, 4], [(0, 0.1, 4), (0.1, 0.18, 4)], 18),  # the unfinished one is left
        ([100, 1, 105, 105, 3, 109], [(0, 0.1, 3), (0.1, 0.18, 3)], 48),  # nothing follows the last
        ([100, 1, 105, 107], [(0, 0.1, 4)], 10),  # silence in between, and a pair at the end
        ([100, 1, 2, 3], [(0, 0.48, 4)], 48),
        ([100, 1, 2, 3, 110], [(0, 0.2, 5)], 48),
        ([1, 2, 3], [(0, 0.48, 3)], 48),
        ([], [(0, 0.48, 0)], 48),
        ([100, 100, 1], [(0, 0, 2)], 48),  # the same window is not read for ever
    ],
)
@pytest.mark.parametrize("offset", [0, 30])
def test_cut(tokens, segments, read, offset):
    found, frames = cut(tokens, first_time=ZERO, offset=offset, frames=48)
    later = 0.01 * offset
    assert frames == read
    assert [(segment.start, segment.end, len(segment.tokens)) for segment in found] == [
        (pytest.approx(start + later), pytest.approx(end + later), length) for start, end, length in segments
    ]
    said = [token for segment in found for token in segment.tokens]
    assert said == tokens[: len(said)]


def test_a_segment_keeps_its_times():
    segments, _ = cut([100, 1, 105, 105, 3, 109], first_time=ZERO, offset=0, frames=48)
    assert [segment.tokens for segment in segments] == [(100, 1, 105), (105, 3, 109)]


def test_what_repeats_itself_is_poor():
    varied, repeated = tuple(torch.randperm(60).tolist()), (7, 8, 9) * 20
    assert compression_ratio(varied, 51865) < 2 < compression_ratio(repeated, 51865)
    options = TranscriptionOptions(compression_ratio_threshold=2.0)
    assert [is_poor(Attempt(tokens, -0.1, 0.0), options, 51865) for tokens in (varied, repeated)] == [False, True]


@pytest.mark.parametrize(
    ("mean", "no_speech", "poor", "silence"), [(-2, 0.9, True, True), (-2, 0.1, True, False), (-0.5, 0.9, False, False)]
)
def test_silence_is_an_unsure_text_where_nobody_may_speak(mean, no_speech, poor, silence):
    options = TranscriptionOptions(logprob_threshold=-1.0, no_speech_threshold=0.6)
    attempt = Attempt((1, 2), mean, 0.0)
    assert (is_poor(attempt, options, 60), is_silence(attempt, no_speech, options)) == (poor, silence)
    assert not is_silence(attempt, no_speech, TranscriptionOptions(logprob_threshold=-1.0))


def test_temperatures():
    assert TranscriptionOptions().temperatures == (0.0,)
    assert TranscriptionOptions(temperature=0.4).temperatures == (0.4,)
    assert TranscriptionOptions(temperature=[0.0, 0.2]).temperatures == (0.0, 0.2)
