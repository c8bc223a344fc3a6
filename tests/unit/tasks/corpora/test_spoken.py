"""Speech with its speaker: who says what, which pairs there are, and what never stands on two sides."""

import wave
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
import pytest

from unimodal.tasks.corpora import SPLITS
from unimodal.tasks.corpora.klettres import read_listing
from unimodal.tasks.corpora.made import UNSEEN, MadeSpeech, Sentence, known_speakers
from unimodal.tasks.corpora.read_sentences import read_transcription
from unimodal.tasks.corpora.recordings import Recording
from unimodal.tasks.corpora.spoken import SpokenClip, conversion_pairs
from unimodal.tasks.corpora.synthesisers import CorpusUnavailable, Synthesiser, run_program, version_of

SENTENCES = [Sentence(f"s/{i}", f"Sentence number {i} is said.", f"group {i // 2}") for i in range(120)]


@final
class Tones(Synthesiser):
    """Says a text as a tone: as long as the text, and of a voice's pitch."""

    name = "tones"
    languages = ("en",)

    def __init__(self, edition: str = "1") -> None:
        self._edition = edition

    @property
    def edition(self) -> str:
        return self._edition

    @property
    def voices(self) -> tuple[str, ...]:
        return ("low", "middle", "high", "highest")

    def speak(self, text: str, voice: str, file: Path) -> None:
        pitch = 200 * (1 + self.voices.index(voice))
        samples = 8000 * np.sin(2 * np.pi * pitch * np.arange(800 * len(text)) / 16_000)
        with wave.open(str(file), "wb") as sound:
            sound.setparams((1, 2, 16_000, 0, "NONE", ""))
            sound.writeframes(samples.astype("<i2").tobytes())


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> MadeSpeech:
    monkeypatch.setattr("unimodal.tasks.corpora.made.sentences", lambda cache: SENTENCES)
    monkeypatch.setattr("unimodal.tasks.corpora.made.UNSEEN", frozenset({"tones.highest"}))
    return MadeSpeech([Tones()], voices_per_sentence=2)


def test_made_speech_says_each_sentence_in_some_voices(made: MadeSpeech, tmp_path: Path) -> None:
    parts = {split: made.examples(split, tmp_path) for split in SPLITS}
    clips = [clip for part in parts.values() for clip in part]
    assert len({clip.key for clip in clips}) == len(clips)
    said = Counter(clip.text for clip in clips if clip.speaker != "tones.highest")
    assert set(said.values()) == {2} and len(said) == len(SENTENCES)
    assert all(clip.made and clip.language == "en" for clip in clips)
    assert {clip.speaker for clip in parts["train"]} == {"tones.low", "tones.middle", "tones.high"}
    assert Counter(clip.speaker for clip in parts["test"])["tones.highest"] == len({c.text for c in parts["test"]})
    assert "tones.highest" not in {clip.speaker for clip in parts["validation"]}
    for clip in clips[::40]:
        samples, pitch = clip.speech.samples(), 200 * (1 + Tones().voices.index(clip.speaker.removeprefix("tones.")))
        assert len(samples) == 800 * len(clip.text)
        assert np.abs(np.fft.rfft(samples)).argmax() * 16_000 / len(samples) == pytest.approx(pitch, abs=2)


def test_made_speech_is_made_once_and_again_for_another_edition(made: MadeSpeech, tmp_path: Path) -> None:
    folder = made.fetch(tmp_path)
    assert made.fetch(tmp_path) == folder
    others = [MadeSpeech([Tones("2")], voices_per_sentence=2), MadeSpeech([Tones()], voices_per_sentence=2, seed=1)]
    assert len({made.folder(tmp_path), *(other.folder(tmp_path) for other in others)}) == 3


def test_who_says_a_sentence_depends_on_nothing_but_the_sentence(made: MadeSpeech) -> None:
    cast = {(part.sentence.key, part.speaker) for part in made.cast(SENTENCES)}
    assert {(part.sentence.key, part.speaker) for part in made.cast(SENTENCES[::-3])} <= cast


@final
class Missing(Synthesiser):
    """A program that is not there."""

    name = "missing"
    languages = ("en",)

    @property
    def edition(self) -> str:
        return version_of("no-such-program", "--version")

    @property
    def voices(self) -> tuple[str, ...]:
        return ("nobody",)

    def speak(self, text: str, voice: str, file: Path) -> None:
        run_program(["no-such-program", text])


def test_without_its_program_made_speech_is_unavailable_in_one_line(made: MadeSpeech, tmp_path: Path) -> None:
    with pytest.raises(CorpusUnavailable, match="the program 'no-such-program' is not on this machine") as problem:
        MadeSpeech([Missing()]).fetch(tmp_path)
    assert "\n" not in str(problem.value) and not [path for path in tmp_path.iterdir() if path.name != "registries"]


def test_a_program_that_fails_or_hangs_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CorpusUnavailable, match=r"the program 'sh' failed \(no voice\)"):
        run_program(["sh", "-c", "echo first; echo no voice >&2; exit 3"])
    monkeypatch.setattr("unimodal.tasks.corpora.synthesisers.PATIENCE", 0.05)
    with pytest.raises(CorpusUnavailable, match="the program 'sh' was not done"):
        run_program(["sh", "-c", "sleep 3"])
    assert run_program(["cat"], text="-v --help") == "-v --help"


def test_the_closed_set_of_speakers_has_none_who_are_unseen() -> None:
    known = known_speakers()
    assert len(known) >= 12 and list(known) == sorted(set(known)) and not UNSEEN & set(known)
    assert {"flite.slt", "flite.rms", "piper.joe"} <= set(known) and len(UNSEEN) >= 4


def clips() -> Iterator[SpokenClip]:
    for number, sentence in enumerate(["Hello.", "hello", "Good-bye now!", "Alone."]):
        for speaker in ("a.one", "a.two", "b.three")[: 1 if sentence == "Alone." else 3]:
            yield SpokenClip(
                f"{number}@{speaker}", Recording(Path("x"), 0, 1), sentence, speaker, "en", f"g{number}", made=True
            )


def test_pairs_say_the_same_in_two_voices() -> None:
    pairs = conversion_pairs(clips(), per_sentence=4)
    assert len(pairs) == 8 and len({pair.key for pair in pairs}) == 8
    for pair in pairs:
        assert pair.source.speaker != pair.target.speaker and pair.group == pair.source.group
        assert pair.source.text.lower().strip(".") == pair.target.text.lower().strip(".")
    assert conversion_pairs(clips(), per_sentence=4) == pairs != conversion_pairs(clips(), per_sentence=4, seed=1)
    assert len(conversion_pairs(clips(), per_sentence=1000)) == 6 * 5 - 2 * 3 + 6  # two clips of each say Hello
    only = [clip for clip in clips() if "bye" in clip.text]
    assert set(conversion_pairs(only, per_sentence=4)) <= set(pairs)


def test_transcriptions_and_listings_are_read(tmp_path: Path) -> None:
    assert read_transcription("<s> ten of clubs  </s> (001)\n<s> five </s> (b-2)\n\n") == [
        ("001", "ten of clubs"),
        ("b-2", "five"),
    ]
    listing = tmp_path / "sounds.xml"
    listing.write_text(
        '<klettres><language code="en"><menuitem><label>&amp;English</label></menuitem><alphabet>'
        '<sound name="A" file="en/alpha/A.ogg" /><sound name="A" file="en/alpha/A.ogg" />'
        '</alphabet><syllables><sound name=" AB " file="en/syllab/ab.ogg"/></syllables></language></klettres>'
    )
    assert read_listing(listing) == [("A", "en/alpha/A.ogg"), ("AB", "en/syllab/ab.ogg")]
