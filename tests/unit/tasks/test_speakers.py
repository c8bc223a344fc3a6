"""Whose voice an example is told, and the clips that tasks of speech hear besides; on clips that are drawn here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pytest

from unimodal.tasks import asr, st
from unimodal.tasks.asr import SpeechRecognition
from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.asterisk import Prompt
from unimodal.tasks.corpora.recordings import Recording
from unimodal.tasks.corpora.splits import split_of
from unimodal.tasks.corpora.spoken import SpokenClip, TranslatedClip
from unimodal.tasks.speakers import NUM_HEARD, Enrolment
from unimodal.tasks.st import SpeechTranslation
from unimodal.tasks.transcripts import spoken_form
from unimodal.vocabulary import Vocabulary

SPEAKERS = ("anna", "ben", "carl")


def clip_of(folder: Path, sentence: int, speaker: str, *, seconds: float = 0.5, made: bool = True) -> SpokenClip:
    place = SPEAKERS.index(speaker) * 100 + sentence
    return SpokenClip(
        key=f"{sentence}@{speaker}",
        speech=Recording(folder / "speech", 10 * place, int(16_000 * seconds)),
        text=f"Sentence number {sentence}.",
        speaker=speaker,
        language="en",
        group=f"s{sentence}",
        made=made,
    )


def clips_in(folder: Path, sentences: range) -> list[SpokenClip]:
    np.zeros(64_000, np.int16).tofile(folder / "speech")
    return [clip_of(folder, sentence, speaker) for sentence in sentences for speaker in SPEAKERS]


def test_a_voice_is_taken_from_other_sentences_of_the_same_speaker(tmp_path: Path) -> None:
    clips = clips_in(tmp_path, range(8))
    enrolment, by_speech = Enrolment(clips), {clip.speech: clip for clip in clips}
    for clip in clips:
        heard = [by_speech[recording] for recording in enrolment.heard(clip)]
        assert len(heard) == len(set(heard)) == NUM_HEARD
        assert all(other.speaker == clip.speaker and other.group != clip.group for other in heard)
    again = Enrolment(clips[::-1])
    assert all(again.heard(clip) == enrolment.heard(clip) for clip in clips), "whichever order the clips have"


def test_who_speaks_once_is_heard_in_that(tmp_path: Path) -> None:
    first, *_ = clips_in(tmp_path, range(1))
    assert Enrolment([first]).heard(first) == (first.speech,)


@final
class Made(Corpus[SpokenClip]):
    """Sentences 0 to 19 by two speakers, and one clip that lasts too long."""

    name = "made-here"
    licence = "none"
    archives: ClassVar[tuple[Archive, ...]] = ()
    title = edition = "1"  # type: ignore[assignment]

    def wants(self, member: str) -> bool:
        return False

    def prepare(self, unpacked: Path, folder: Path) -> None:
        np.zeros(1_000_000, np.int16).tofile(folder / "speech")

    def records(self, folder: Path) -> Iterator[SpokenClip]:
        for sentence in range(20):
            for speaker in SPEAKERS[:2]:
                yield clip_of(folder, sentence, speaker, seconds=9.0 if sentence == 3 else 0.5)

    def group(self, example: SpokenClip) -> str:
        return example.group

    def texts(self, example: SpokenClip) -> Iterator[str]:
        yield example.text


def trained(folder: Path) -> set[str]:
    """Sentences of the training split, without the long one."""
    return {f"s{sentence}" for sentence in range(20) if split_of(f"s{sentence}") == "train" and sentence != 3}


def test_recognition_hears_more_in_training_alone(
    vocabulary: Vocabulary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.zeros(64_000, np.int16).tofile(tmp_path / "speech")

    def transcribed(*asked: Any) -> list[tuple[Prompt, str]]:
        prompt = Prompt("p", "en", "anna", "Press one.", Recording(tmp_path / "speech", 0, 8000), "p")
        return [(prompt, "press one")]

    monkeypatch.setattr(asr, "transcribed", transcribed)
    settings: dict[str, Any] = {"vocabulary": vocabulary, "cache": tmp_path, "speeds": [0.9, 1.0]}
    plain, more = SpeechRecognition(**settings), SpeechRecognition(more=Made(), **settings)
    assert [example.key for example in more.examples("test")] == [example.key for example in plain.examples("test")]
    added = {example.key for example in more.examples("train")} - {example.key for example in plain.examples("train")}
    assert {key.partition("#")[0] for key in added} == trained(tmp_path) and len(added) == 2 * len(trained(tmp_path))
    one = next(example for example in more.examples("train") if example.key in added)
    number = one.key.partition("@")[0].partition("#")[2]
    assert one.answer == spoken_form(f"Sentence number {number}.", "en") and more.prompt(one)[0][0] == "speech"


def test_translation_hears_more_where_the_sentence_has_a_translation(
    vocabulary: Vocabulary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.zeros(64_000, np.int16).tofile(tmp_path / "speech")
    known = next(sentence for sentence in range(20) if f"s{sentence}" in trained(tmp_path))

    def translated(split: str, **asked: Any) -> list[TranslatedClip]:
        speech = Recording(tmp_path / "speech", 0, 8000)
        return [TranslatedClip("k", speech, f"Sentence number {known}!", f"Phrase {known}.", "en", "fr", f"s{known}")]

    monkeypatch.setattr(st, "translated_clips", translated)
    settings: dict[str, Any] = {"vocabulary": vocabulary, "cache": tmp_path, "speeds": [0.9, 1.0]}
    task = SpeechTranslation(more=Made(), **settings)
    keys = [example.key for example in task.examples("train")]
    assert sorted(keys) == sorted(
        [f"s{known}#k@0.9", f"s{known}#k@1", f"s{known}#{known}@anna", f"s{known}#{known}@ben"]
    )
    assert len({example.answer for example in task.examples("train")}) == 1
    assert [example.key for example in task.examples("test")] == [f"s{known}#k@1"]
