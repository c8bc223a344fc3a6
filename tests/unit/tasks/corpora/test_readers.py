"""How each corpus reads its files, on small files made here."""

import gettext
import lzma
import pickle
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unimodal.tasks.corpora.asterisk import clean_transcript
from unimodal.tasks.corpora.catalogues import (
    Catalogues,
    SentencePair,
    clean_message,
    read_catalogue,
    without_the_test,
)
from unimodal.tasks.corpora.recordings import SAMPLING_RATE, Recording, decode, write_store
from unimodal.tasks.corpora.splits import split_of
from unimodal.tasks.corpora.tables import describe, is_usable, load_plain, name_rows


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("...has joined the conference.", "has joined the conference."),
        ("at [@]", "at"),
        ("[sound of monkeys screaming]", None),
        ("(10 seconds of silence)", None),
        ("<beep ascending>", None),
        ("press * to toggle pause", None),
        ("IAX (note: does not say '2')", "IAX"),
        ("“Pour quitter, appuyez sur 8.”", "Pour quitter, appuyez sur 8."),
        ("Login incorrect.  Please try.", "Login incorrect. Please try."),
        ("", None),
    ],
)
def test_transcripts_keep_what_is_said(written: str, spoken: str | None) -> None:
    assert clean_transcript(written) == spoken


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ("_Open file", "Open file"),
        ("Save _As…", "Save As…"),
        ("E&xit", "Exit"),
        ("Quit (_Q)", "Quit"),
        ("Save & close", "Save & close"),
        ("Cannot open '%s':\n%s", "Cannot open '%s': %s"),
        ("%s: %d", None),
        ("{name}", None),
        ("<b>Notes</b>", None),
        ("Rate|abbr", None),
        ("a_b_c", None),
        ("12:30", None),
    ],
)
def test_messages_become_sentences(message: str, sentence: str | None) -> None:
    assert clean_message(message) == sentence


def write_catalogue(path: Path, messages: dict[bytes, bytes]) -> None:
    texts = sorted(messages.items())
    position = 28 + 16 * len(texts)
    tables, body = [b"", b""], b""
    for column in (0, 1):
        for pair in texts:
            tables[column] += struct.pack("<2I", len(pair[column]), position + len(body))
            body += pair[column] + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, len(texts), 28, 28 + 8 * len(texts), 0, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(header + tables[0] + tables[1] + body)


def test_catalogues_are_read_as_gettext_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "locale" / "fr" / "LC_MESSAGES" / "words-1.0.mo"
    messages = {
        b"": b"Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n>1;\n",
        b"_Open the file": b"_Ouvrir le fichier",
        b"menu\x04Close the file": "Fermer l'été".encode(),
        b"one file\0%d files": b"un fichier\0%d fichiers",
        b"Open the file.": b"Ouvrir un fichier.",
        b"OK": b"OK",
    }
    write_catalogue(path, messages)
    with path.open("rb") as file:
        theirs = gettext.GNUTranslations(file)
    ours = dict(read_catalogue(path))
    assert ours.pop("Close the file") == theirs.pgettext("menu", "Close the file")
    assert set(ours) == {"_Open the file", "Open the file.", "OK"}
    assert all(theirs.gettext(source) == target for source, target in ours.items())
    pairs = list(Catalogues("fr").records(tmp_path))
    # Once without its access key, the same sentence; what is the same in both languages teaches nothing.
    assert [(pair.source, pair.target) for pair in pairs] == [
        ("Open the file.", "Ouvrir un fichier."),
        ("Close the file", "Fermer l'été"),
    ]
    assert {pair.program for pair in pairs} == {"words"}
    with pytest.raises(ValueError, match="language: no catalogues are in 'xx', only in fr"):
        list(Catalogues("xx").records(tmp_path))


def test_other_languages_meet_in_their_english(tmp_path: Path) -> None:
    sentences = {
        "Open it": ("Öffne es", "Ouvre-le"),
        "Open this": ("Öffne es!", "Ouvre ceci"),
        "Close it": ("Schließe es", "Ferme-le"),
        "Name it": ("Nenne es", "Nenne es"),
        "Only here": ("Nur hier", None),
    }
    for place, language in enumerate(("de", "fr")):
        messages = {english.encode(): found[place].encode() for english, found in sentences.items() if found[place]}
        write_catalogue(tmp_path / "locale" / language / "LC_MESSAGES" / "words.mo", messages)
    found = {pair.english: pair for pair in Catalogues("fr", source="de").records(tmp_path)}
    assert "Only here" not in found and "Name it" not in found, "there is nothing to translate"
    assert (found["Close it"].source, found["Close it"].target) == ("Schließe es", "Ferme-le")
    turned = {pair.english: pair for pair in Catalogues("en", source="de").records(tmp_path)}
    assert (turned["Close it"].source, turned["Close it"].target) == ("Schließe es", "Close it")
    groups = {
        Catalogues(to, source=of).group(found["Close it"]) for of, to in (("de", "fr"), ("de", "en"), ("en", "de"))
    }
    assert groups == {"close it"}


def test_what_the_test_says_is_said_nowhere_else() -> None:
    def pair(english: str, source: str, target: str) -> SentencePair:
        return SentencePair("words", "fr", source, target, english)

    names = [f"sentence {number}" for number in range(200)]
    tested = next(name for name in names if split_of(name) == "test")
    first, second, third = [name for name in names if split_of(name) == "train"][:3]
    held = pair(tested, "Das Ende.", "La fin")
    kept = pair(third, "Der Anfang", "Le début")
    pairs = [pair(first, "das ENDE", "Fin de tout"), held, pair(second, "Schluss", "la fin!"), kept]
    assert list(without_the_test(pairs)) == [held, kept]


def test_recordings_come_back_from_the_store(tmp_path: Path) -> None:
    import soundfile

    time = np.arange(44_100) / 44_100
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone, tone], axis=1), 44_100)
    soundfile.write(tmp_path / "mono.wav", tone[:8_000], SAMPLING_RATE, subtype="PCM_16")
    places = write_store([tmp_path / "stereo.wav", tmp_path / "mono.wav"], tmp_path)
    stereo, mono = (Recording(tmp_path / "speech.int16", start, num_samples) for start, num_samples in places)
    assert stereo.seconds == pytest.approx(1.0, abs=0.01) and mono.num_samples == 8_000
    np.testing.assert_allclose(mono.samples(), tone[:8_000], atol=1e-4)
    spectrum = np.abs(np.fft.rfft(stereo.samples()))
    assert np.argmax(spectrum) * SAMPLING_RATE / stereo.num_samples == pytest.approx(440, abs=2)
    assert np.abs(stereo.samples()).max() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(decode(tmp_path / "mono.wav") / np.float32(32768), mono.samples())


def test_tables_are_read_but_nothing_is_run() -> None:
    with pytest.raises(pickle.UnpicklingError, match="a table may not hold"):
        load_plain(pickle.dumps(Path.home))
    with pytest.raises(pickle.UnpicklingError, match="posix.system"):
        load_plain(b"cposix\nsystem\n(S'touch evil'\ntR.")
    assert load_plain(pickle.dumps({"a": {"b": "c"}})) == {"a": {"b": "c"}}
    assert load_plain(lzma.decompress(lzma.compress(pickle.dumps([1, 2.5])))) == [1, 2.5]


def test_headers_decide_whether_a_table_is_usable() -> None:
    def table(*headers: str, rows: int = 5) -> pd.DataFrame:
        return pd.DataFrame([range(len(headers))] * rows, columns=list(headers))

    assert is_usable(table("city", "people"))
    assert not is_usable(table("city"))
    assert not is_usable(table("city", "V1"))
    assert not is_usable(table("city", "x"))
    assert not is_usable(table("city", "City"))
    assert not is_usable(table("city", "people", rows=2))
    assert not is_usable(table("city", "people", rows=1_001))


def test_row_names_become_a_column_unless_they_only_count() -> None:
    cars = pd.DataFrame({"rownames": ["Fiat", "Ford"], "mpg": [30, 20]})
    assert list(name_rows(cars).columns) == ["name", "mpg"]
    counted = pd.DataFrame({"rownames": [1, 2], "mpg": [30, 20]})
    assert list(name_rows(counted).columns) == ["mpg"]


def test_a_description_is_cut_out_of_the_manual() -> None:
    manual = "# Title\n\n### Description\n\nCars and\ntheir mileage.\n\n### Usage\n\n    cars\n"
    assert describe(manual) == "Cars and their mileage."
    assert describe("no sections") == ""
