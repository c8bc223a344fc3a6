"""Announcements: what was said and what is meant agree, splits are apart, and rows of one's own are checked."""

import json
import wave
from pathlib import Path
from typing import Any

import pytest
import torch

from unimodal.tasks import broadcast
from unimodal.tasks.broadcast import Subtitling, VerbatimTranscription, text_rows
from unimodal.tasks.corpora.splits import split_of
from unimodal.tasks.worlds.announcements import CLASSES, CLIPS, CORRECTING, FILLERS, Announcements, Word
from unimodal.vocabulary import Vocabulary

WORDS = {clip: Word(clip.rpartition("/")[2], torch.randn(400 + 7 * place)) for place, clip in enumerate(CLIPS)}
"""Each clip says its own name."""
NAMES = {word.text: clip for clip, word in WORDS.items()}
SPLITS = ("train", "validation", "test")


def meant(said: list[str]) -> list[str]:
    """The clips behind a verbatim text, read from its end: a repeat, a filler or a correction explains what is left."""
    kept: list[str] = []
    place = len(said) - 1
    while place >= 0:
        clip = said[place]
        kept.append(clip)
        place -= 1
        if place >= 0 and said[place] == clip and _repeats(said, place):
            place -= 1
        if place >= 1 and said[place] == CORRECTING:
            assert any({clip, said[place - 1]} <= each.keys() for each in CLASSES)
            place -= 2
        if place >= 0 and said[place] in FILLERS:
            place -= 1
    return kept[::-1]


def _repeats(said: list[str], place: int) -> bool:
    """Figures of an extension may be the same twice without a slip of the tongue: those are left alone here."""
    return not said[place].removeprefix("digits/").isdigit()


def test_what_is_meant_is_left_when_slips_are_taken_away() -> None:
    world = Announcements(WORDS, split="train")
    slips = 0
    for seed in range(300):
        made = world.draw(seed)
        said = [NAMES[name] for name in made.verbatim.split(" ")]
        left = meant(said)
        slips += len(said) - len(left)
        if "extension" in left and len(left) != len(dict.fromkeys(left)):
            continue
        written = made.subtitle.lower()
        for name, kind in (("vm-youhave", "you have"), ("vm-received", "received"), ("extension", "extension")):
            assert (name in left) == (kind in written), made.subtitle
        assert made.subtitle[0].isupper() and made.subtitle.endswith(".") and not made.subtitle.endswith("..")
        sender = next((clip for clip in left if clip in ("vm-Family", "vm-Friends", "vm-Work")), None)
        assert sender is None or sender.removeprefix("vm-").lower() in written
        dates = [clip.removeprefix("digits/h-") for clip in left if clip.startswith("digits/h-")]
        assert all(f" {date}" in written for date in dates) and len(dates) == ("received" in written)
    assert slips > 450


def test_draws_are_the_same_again_and_sentences_are_of_their_split() -> None:
    found = {}
    for split in SPLITS:
        world, again = Announcements(WORDS, split=split), Announcements(WORDS, split=split)
        for seed in (7, 0, 3):
            one, other = world.draw(seed), again.draw(seed)
            assert one.subtitle == other.subtitle and torch.equal(one.sound.samples, other.sound.samples)
        found[split] = {world.draw(seed).subtitle for seed in range(60)}
        assert {split_of(subtitle) for subtitle in found[split]} == {split}
    assert len(set.union(*found.values())) == sum(map(len, found.values()))
    with pytest.raises(ValueError, match="words: digits/1 are missing"):
        Announcements({clip: word for clip, word in WORDS.items() if clip != "digits/1"}, split="test")


def test_hiss_is_as_loud_as_asked() -> None:
    loud, quiet = (Announcements(WORDS, split="test", ratios=(ratio, ratio)) for ratio in (0.0, 60.0))
    for seed in range(3):
        noisy, clean = (world.draw(seed).sound.samples.double() for world in (loud, quiet))
        ratio = 10 * torch.log10(clean.square().mean() / (noisy - clean).square().mean())
        assert abs(float(ratio)) < 1.5, "clipping takes some of it away"


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "recorded_words", lambda cache: WORDS)


@pytest.mark.usefixtures("words")
def test_a_row_for_training_has_one_of_the_texts_and_one_for_the_test_both(vocabulary: Vocabulary) -> None:
    settings: dict[str, Any] = {"vocabulary": vocabulary, "num_train": 2000, "num_test": 20}
    verbatim, subtitles = VerbatimTranscription(**settings), Subtitling(**settings)
    of_words, of_subtitles = verbatim.examples("train"), subtitles.examples("train")
    assert len(of_words) + len(of_subtitles) == 2000 and 70 < len(of_words) < 130
    numbers = [{example.key.rpartition(".")[2] for example in of[:50]} for of in (of_words, of_subtitles)]
    assert not numbers[0] & numbers[1]
    for one, other in zip(verbatim.examples("test"), subtitles.examples("test"), strict=True):
        assert one.key == other.key and one.group == other.answer and one.answer != other.answer


def manifest(folder: Path, *rows: dict[str, Any]) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_rows_of_ones_own_may_lack_either_text(vocabulary: Vocabulary, tmp_path: Path) -> None:
    rows = [
        {
            "speech": "clip.wav",
            "verbatim": f"oh {number} oh" if number % 3 else None,
            "subtitle": "Four.",
            "group": f"{number}",
        }
        for number in range(40)
    ]
    with wave.open(str(tmp_path / "clip.wav"), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(bytes(range(1, 101)) * 64)
    file = manifest(tmp_path, *rows)
    made = [kind(vocabulary=vocabulary, manifest=file) for kind in (VerbatimTranscription, Subtitling)]
    sizes = [[len(task.examples(split)) for split in SPLITS] for task in made]
    assert sum(sizes[1]) == 40 and sum(sizes[0]) == 26 and all(own > 0 for own in sizes[1])
    example = made[0].examples("train")[0]
    assert example.answer == f"oh {_spoken(example.group)} oh" and example.inputs["speech"].seconds == 0.2
    assert made[1].examples("train")[0].answer == "Four."


def _spoken(number: str) -> str:
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return " ".join(names[int(figure)] for figure in number)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"speech": "a.wav"}, "line 2: has neither a verbatim text nor a subtitle"),
        ({"speech": "a.wav", "verbatim": " ", "subtitle": None}, "line 2: has neither a verbatim text nor a subtitle"),
        ({"verbatim": "yes"}, "line 2: speech: expected a string"),
        ({"speech": "a.wav", "verbatim": 3}, "line 2: verbatim: expected a string"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(row: dict[str, Any], said: str, tmp_path: Path) -> None:
    file = manifest(tmp_path, {"speech": "a.wav", "subtitle": "Yes."}, row)
    with pytest.raises(ValueError, match=f"rows.jsonl, {said}"):
        text_rows(file)
    file.write_text("{}x\n")
    with pytest.raises(ValueError, match="rows.jsonl, line 1: is no JSON"):
        text_rows(file)
