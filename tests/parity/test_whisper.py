"""Whisper's transcripts of speech longer than a window are those of transformers, its options and segments included."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

import unimodal
from tests.parity.case import ParityCase
from tests.parity.cases.whisper import (
    CASES,
    END,
    ENTRIES,
    MULTILINGUAL,
    SPECIAL,
    START_OF_PREVIOUS,
    TIMESTAMPED,
    TRANSCRIBE,
    features,
    whisper,
)

TINY = CASES[0]
LONG = int(2 * ENTRIES * 70 / 30)
"""Frames of 70 s, if a window of the tiny model were 30 s."""
LENGTHS = [LONG, LONG - 31, LONG - 53]
PROMPT = torch.tensor([START_OF_PREVIOUS, 3, 4, 5])
SURE = {"logprob_threshold": -1.1, "no_speech_threshold": 1e-3}
OPTIONS = {
    "detected": {},
    "beams": {"num_beams": 4, "task": "translate"},
    "conditioned": {"language": "en", "condition_on_prev_tokens": True},
    "prompted": {"language": "fr", "prompt_ids": PROMPT},
    "prompted_once": {"language": "de", "prompt_ids": PROMPT, "condition_on_prev_tokens": True},
    "prompted_always": {
        "language": "de",
        "prompt_ids": PROMPT,
        "prompt_condition_type": "all-segments",
        "condition_on_prev_tokens": True,
    },
    "silence": {"language": "de", "temperature": 0.0, **SURE},
    "silence_of_beams": {"num_beams": 3, "length_penalty": 2.0, "temperature": (0.0,), "language": "en", **SURE},
    "no_repetition": {"language": "en", "no_repeat_ngram_size": 2, "repetition_penalty": 1.3},
}


@pytest.fixture
def pair(tmp_path: Path):
    theirs = TINY.save(tmp_path)
    return theirs, unimodal.load(tmp_path)


def long(rows: int = 3) -> dict[str, torch.Tensor]:
    mask = (torch.arange(LONG) < torch.tensor(LENGTHS[:rows])[:, None]).long()
    return {**features(80, rows=rows, frames=LONG), "attention_mask": mask}


def tokens(segments) -> list[list[list[int]]]:
    return [[part["tokens"].tolist() for part in row] for row in segments]


def times(segments) -> list[float]:
    return [float(part[name]) for row in segments for part in row for name in ("start", "end")]


def same(found, expected) -> None:
    assert found["sequences"].tolist() == expected["sequences"].tolist()
    assert tokens(found["segments"]) == tokens(expected["segments"])
    assert times(found["segments"]) == pytest.approx(times(expected["segments"]), abs=1e-6)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@torch.no_grad()
def test_long_speech_is_written_as_transformers_does(pair, options) -> None:
    theirs, ours = pair
    asked = {**long(), "max_new_tokens": 20, "return_timestamps": True, "return_segments": True, **options}
    found = ours.generate(**asked)
    same(found, theirs.generate(**asked))
    assert max(len(row) for row in found["segments"]) > 2


def test_some_windows_count_as_silence(pair) -> None:
    """Else the cases above would say nothing about it."""
    _, ours = pair
    asked = {**long(), "max_new_tokens": 20, "return_timestamps": True, "return_segments": True, "language": "de"}
    every, spoken = ours.generate(**asked)["segments"], ours.generate(**asked, **SURE)["segments"]
    counts = [(len(all_parts), len(parts)) for all_parts, parts in zip(every, spoken, strict=True)]
    assert any(fewer < number for number, fewer in counts) and any(fewer > 0 for _, fewer in counts)


@torch.no_grad()
def test_seventy_seconds_in_windows_of_thirty(tmp_path: Path) -> None:
    make = whisper(num_bands=80, entries=1500, suppress_tokens=SPECIAL, **MULTILINGUAL, **TIMESTAMPED)
    theirs = ParityCase(name="windows_of_thirty_seconds", make=make, inputs=dict).save(tmp_path)
    asked = {**features(80, rows=1, frames=7000), "max_new_tokens": 30, "return_timestamps": True}
    found = unimodal.load(tmp_path).generate(**asked, return_segments=True)
    same(found, theirs.generate(**asked, return_segments=True))
    assert times(found["segments"])[-1] > 60


def test_a_row_is_written_as_if_it_were_alone(pair) -> None:
    _, ours = pair
    asked, options = long(), {"max_new_tokens": 20, "return_timestamps": True, "condition_on_prev_tokens": True}
    together = ours.generate(**asked, **options, **SURE, return_segments=True)["segments"]
    for row, length in enumerate(LENGTHS):
        one = asked["input_features"][row : row + 1, :, :length]
        alone = ours.generate(input_features=one, **options, **SURE, return_segments=True)["segments"]
        assert (tokens(alone), times(alone)) == (tokens(together[row : row + 1]), times(together[row : row + 1]))


def test_only_poor_windows_are_tried_again(pair) -> None:
    _, ours = pair
    asked = {**features(80), "max_new_tokens": 20, "language": "en", "temperature": (0.0, 0.8)}
    greedy, drawn = ours.generate(**asked), []
    for _ in range(2):
        torch.manual_seed(1)
        drawn.append(ours.generate(**asked, logprob_threshold=-1.2).tolist())
    assert drawn[0] == drawn[1] != greedy.tolist()
    assert ours.generate(**asked, logprob_threshold=-100.0).equal(greedy)


def test_our_own_form_transcribes_too(pair, tmp_path: Path) -> None:
    _, ours = pair
    ours.save_pretrained(tmp_path / "ours")
    asked = {**long(), "max_new_tokens": 20, "return_timestamps": True}
    expected = ours.generate(**asked)
    assert unimodal.load(tmp_path / "ours").generate(**asked).equal(expected)
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "ours").eval()
    assert model.generate(asked.pop("input_features"), **asked).equal(expected)  # by position, as in transformers


@torch.no_grad()
def test_an_older_folder_says_all_of_it_in_its_config(tmp_path: Path) -> None:
    """Before there was a generation config, and with languages that cannot be named."""
    theirs = TINY.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    old = {"forced_decoder_ids": [[1, 63], [2, TRANSCRIBE], [3, 70]], "suppress_tokens": [1, 2, *SPECIAL]}
    old |= {"begin_suppress_tokens": [7, END], "max_length": 64}
    (tmp_path / "generation_config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config | old))
    theirs, asked = type(theirs).from_pretrained(tmp_path), {**features(80), "max_new_tokens": 20}
    assert unimodal.load(tmp_path).generate(**asked).tolist() == theirs.generate(**asked).tolist()


MISTAKES = [
    ({"return_timestamps": False}, "^return_timestamps: 112 frames are more than a window of 48, so it must be true"),
    ({"attention_mask": None}, "^attention_mask: several rows that are longer than a window need it"),
    ({"attention_mask": torch.tensor([[1], [0], [1]]).expand(3, LONG)}, "^attention_mask: row 1 has no frame"),
    ({"input_features": torch.zeros(80, LONG)}, "^input_features: expected rows x mel bands x frames, not 80 x 112"),
    ({"input_features": None}, "^input_features: is what speech is read from; given: nothing"),
    ({"input_features": torch.zeros(1, 79, 48)}, "^input_features: a window is 48 frames x 80, not 48 x 79"),
    (
        {"max_new_tokens": 62},
        "^max_new_tokens: 62 and the 3 tokens of the prompt are more than the 64 that the decoder",
    ),
    ({"num_return_sequences": 2}, "^num_return_sequences: speech has one transcript, not 2"),
    ({"decoder_input_ids": torch.zeros(3, 1).long()}, "^decoder_input_ids: what stands before a transcript is said by"),
    ({"decoding": "greedy"}, "^decoding: speech is transcribed as the options of a generation config say"),
    ({"num_beans": 3}, "^num_beans: is no field of a generation config"),
    ({"return_token_timestamps": True}, "^return_token_timestamps: is no field of a generation config"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=[next(iter(change)) for change, _ in MISTAKES])
def test_a_mistake_is_named(pair, change, message) -> None:
    _, ours = pair
    with pytest.raises(ValueError, match=message):
        ours.generate(**{**long(), "language": "en", "return_timestamps": True, **change})
