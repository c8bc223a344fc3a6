"""The real corpora: these run where the cache holds them and are skipped elsewhere."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from unimodal.tasks.corpora import SPLITS, Corpus
from unimodal.tasks.corpora.asterisk import Asterisk
from unimodal.tasks.corpora.catalogues import Catalogues, words_of
from unimodal.tasks.corpora.collection import all_corpora, sound_corpora
from unimodal.tasks.corpora.fonts import Fonts
from unimodal.tasks.corpora.klettres import KLettres
from unimodal.tasks.corpora.made import UNSEEN, MadeSpeech, known_speakers
from unimodal.tasks.corpora.mnist import Mnist
from unimodal.tasks.corpora.noises import NoiseClip, noises
from unimodal.tasks.corpora.read_sentences import ReadSentences
from unimodal.tasks.corpora.spoken import conversion_pairs, studio_clips, translated_clips
from unimodal.tasks.corpora.tables import Tables
from unimodal.tasks.corpora.tuxpaint import TuxPaint


def cached(corpus: Corpus[Any]) -> Corpus[Any]:
    if not corpus.is_cached():
        pytest.skip(f"{corpus.name} is not in the cache: `python -m unimodal.tasks.corpora` fetches it")
    return corpus


@pytest.mark.parametrize("corpus", all_corpora(), ids=lambda corpus: corpus.title)
def test_splits_are_disjoint_and_large_enough(corpus: Corpus[Any]) -> None:
    parts = {split: cached(corpus).examples(split) for split in SPLITS}
    groups = {split: {corpus.group(example) for example in part} for split, part in parts.items()}
    assert sum(map(len, groups.values())) == len(set().union(*groups.values()))
    assert min(len(part) for part in parts.values()) >= 40 and len(parts["test"]) >= 50
    for example in parts["test"][:20]:
        assert all(isinstance(text, str) for text in corpus.texts(example))


def test_asterisk_says_the_same_in_both_languages() -> None:
    prompts = [prompt for split in SPLITS for prompt in cached(Asterisk()).examples(split)]
    by_key = Counter(prompt.key for prompt in prompts)
    assert sum(count == 2 for count in by_key.values()) > 450
    seconds = {
        language: sum(p.speech.seconds for p in prompts if p.language == language) / 60 for language in ("en", "fr")
    }
    assert 20 < seconds["en"] < 30 and 20 < seconds["fr"] < 30  # minutes: the rate and the decoder are right
    activated = next(prompt for prompt in prompts if prompt.key == "activated" and prompt.language == "en")
    samples = activated.speech.samples()
    assert activated.text == "Activated." and samples.dtype == np.float32 and 0.05 < np.abs(samples).max() <= 1


def test_no_sentence_of_the_test_was_heard_in_training() -> None:
    prompts = {split: {(p.language, p.text.lower()) for p in cached(Asterisk()).examples(split)} for split in SPLITS}
    assert not prompts["train"] & prompts["test"]
    stamps = {
        split: {text.lower() for stamp in cached(TuxPaint()).examples(split) for text in stamp.captions.values()}
        for split in ("train", "test")
    }
    english = {stamp.captions["en"].lower() for stamp in TuxPaint().examples("test")}
    assert not english & stamps["train"]


def test_a_sentence_is_on_the_same_side_in_every_language() -> None:
    french, german = cached(Catalogues("fr")), Catalogues("de")
    test = {pair.source for pair in french.examples("test")}
    assert not test & {pair.source for pair in german.examples("train")}
    assert len(test & {pair.source for pair in german.examples("test")}) > 1_000


def test_stamps_have_pictures_captions_and_speech() -> None:
    stamps = [stamp for split in SPLITS for stamp in cached(TuxPaint()).examples(split)]
    assert len(stamps) == 950
    assert Counter(language for stamp in stamps for language in stamp.speech)["fr"] > 800
    for stamp in stamps[::50]:
        image = stamp.image()
        assert image.dtype == np.float32 and max(image.shape) <= 256 and 0 <= image.min() < image.max() <= 1
        assert stamp.captions["en"] and stamp.speech.keys() <= stamp.captions.keys()
        assert all(np.abs(clip.samples()).max() > 0.01 for clip in stamp.speech.values())


def test_digits_are_ink_on_paper() -> None:
    digits = cached(Mnist()).examples("test")
    assert len(digits) > 1_000 and {digit.label for digit in digits} == set(range(10))
    corners = np.stack([digit.image[:2, :2] for digit in digits])
    assert corners.max() == 0 and max(digit.image.max() for digit in digits) == 1


def test_tables_open_as_their_records_say() -> None:
    tables = cached(Tables()).examples("validation")
    for table in tables[::10]:
        frame = table.frame()
        assert tuple(frame.columns) == table.columns and len(frame) == table.num_rows
    assert sum(bool(table.description) for table in tables) > len(tables) / 2


def test_no_direction_teaches_what_another_tests() -> None:
    """Sentences are held out by their English, and by what two English sentences are the same in."""
    cached(Catalogues("fr"))
    directions = [("en", "fr"), ("fr", "en"), ("en", "ru"), ("ru", "en")]
    taught = {
        (language, words_of(text))
        for source, target in directions
        for pair in Catalogues(target, source=source).examples("train")
        for language, text in ((source, pair.source), (target, pair.target))
    }
    untaught = Catalogues("ru", source="fr").examples("test")
    assert len(untaught) > 1_000
    asked = {("fr", words_of(pair.source)) for pair in untaught} | {("ru", words_of(pair.target)) for pair in untaught}
    assert not taught & asked
    with pytest.raises(ValueError, match="^source: fr is the language of the translation"):
        Catalogues("fr", source="fr")


@pytest.mark.parametrize("corpus", sound_corpora(), ids=lambda corpus: corpus.title)
def test_sound_corpora_keep_groups_together_and_are_heard(corpus: Corpus[Any]) -> None:
    parts = {split: cached(corpus).examples(split) for split in SPLITS}
    groups = {split: {corpus.group(example) for example in part} for split, part in parts.items()}
    assert sum(map(len, groups.values())) == len(set().union(*groups.values()))
    everything = [example for part in parts.values() for example in part]
    keys = [example.key for example in everything]
    assert len(set(keys)) == len(keys) >= 10
    for example in everything[:: max(1, len(everything) // 20)]:
        recording = example.sound if isinstance(example, NoiseClip) else example.speech
        assert 0.05 < recording.seconds < 60 and np.abs(recording.samples()).max() > 0.005, example.key


def test_strangers_read_sentences() -> None:
    clips = cached(ReadSentences()).all_clips()
    assert len(clips) == 10 and {clip.made for clip in clips} == {False}
    texts = {clip.key: clip.text for clip in clips}
    assert texts["librivox/sense_and_sensibility_01_austen_64kb-0880"] == "he was not an ill disposed young man"
    assert sum(clip.speech.seconds for clip in clips) == pytest.approx(34.4, abs=0.5)


def test_letters_are_said_in_twenty_languages() -> None:
    clips = [clip for split in SPLITS for clip in cached(KLettres()).examples(split)]
    assert len({clip.language for clip in clips}) >= 20 and len(clips) > 1_700
    assert {"A", "B", "Z"} <= {clip.text for clip in clips if clip.language == "en"}


def test_made_speech_is_said_by_many_and_pairs_with_the_studio() -> None:
    parts = {split: cached(MadeSpeech()).examples(split) for split in SPLITS}
    speakers = {split: {clip.speaker for clip in part} for split, part in parts.items()}
    assert speakers["train"] == speakers["validation"] == set(known_speakers())
    assert speakers["test"] == set(known_speakers()) | UNSEEN
    prompts = {clip.text: clip.group for clip in studio_clips("test")}
    assert not {clip.text for clip in parts["train"]} & prompts.keys()
    per_speaker = Counter(clip.speaker for clip in parts["train"])
    assert min(per_speaker.values()) > 50
    pairs = conversion_pairs([*parts["test"], *studio_clips("test")], per_sentence=20)
    to_studio = [pair for pair in pairs if pair.target.speaker == "asterisk.allison"]
    assert len(pairs) > 500 and len(to_studio) > 50 and not any(pair.target.made for pair in to_studio)


def test_prompts_are_translated() -> None:
    cached(Asterisk())
    clips = translated_clips("train")
    assert len(clips) > 300 and {(clip.source, clip.target) for clip in clips} == {("en", "fr")}
    activated = next(clip for split in SPLITS for clip in translated_clips(split) if clip.key == "activated")
    assert activated.said == "Activated." and activated.text == "activé"
    back = translated_clips("train", source="fr", target="en")
    assert {clip.key for clip in back} == {clip.key for clip in clips}
    with pytest.raises(ValueError, match="no studio prompts from 'en' to 'de'"):
        translated_clips("train", target="de")


def test_there_is_noise_of_two_kinds_in_every_split() -> None:
    for corpus in sound_corpora()[1:3]:
        cached(corpus)
    for split, fewest in {"train": 300, "validation": 20, "test": 30}.items():
        found = noises(split)
        assert len(found) >= fewest and {noise.kind for noise in found} == {"music", "effects"}


def test_typefaces_of_the_test_are_of_families_that_training_never_saw() -> None:
    families = {split: {face.family.split()[0] for face in cached(Fonts()).examples(split)} for split in SPLITS}
    assert {"Liberation", "Comic"} <= families["train"] and {"Lato"} <= families["test"]
    faces = [face for split in SPLITS for face in Fonts().examples(split)]
    assert len(faces) > 50 and all(face.path.is_file() for face in faces)
    from PIL import ImageFont

    for face in faces:
        assert ImageFont.truetype(face.path, 20).getlength("Total 9.50") > 30, face.key
