"""Users' voices: numbers in files and lists, recordings, and one line for each mistake; numbers are made once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from unimodal.data.columns import Files
from unimodal.prenets.speaker_encoder import VOICE_DIM, SpeakerEncoder
from unimodal.prenets.voice import Voice
from unimodal.prenets.waveform import Waveform
from unimodal.tasks import voices
from unimodal.tasks.columns.voice import Speaker
from unimodal.tasks.corpora import CorpusUnavailable
from unimodal.tasks.pretrained import SPEAKER_ENCODER, SPEAKER_WEIGHTS
from unimodal.tasks.voices import asked_voice, read_voice, voice_of


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache folder in which the encoder stands already, untrained."""
    folder = SPEAKER_ENCODER.folder(tmp_path / "cache")
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    save_file(SpeakerEncoder().state_dict(), folder / SPEAKER_WEIGHTS)
    return tmp_path / "cache"


def noise(seed: int, name: str = "a.wav") -> Waveform:
    return Waveform(torch.randn(20_000, generator=torch.Generator().manual_seed(seed)) * 0.1, 16_000, name)


def test_a_recording_is_heard_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = voice_of(noise(0), cache)
    assert first.vector.shape == (VOICE_DIM,) and first.name == "a.wav"
    (kept,) = (cache / "voices").rglob("*.npy")
    monkeypatch.setattr(voices, "_encoder", lambda file: pytest.fail("was heard again"))
    assert torch.equal(voice_of(noise(0, "b.wav"), cache).vector, first.vector)
    assert [*(cache / "voices").rglob("*")] == [kept.parent, kept], "nothing else is left"


def test_of_several_recordings_the_mean_counts(cache: Path) -> None:
    both = voice_of((noise(0), noise(1)), cache).vector
    torch.testing.assert_close(both, (voice_of(noise(0), cache).vector + voice_of(noise(1), cache).vector) / 2)
    voice = Voice(torch.ones(4))
    assert voice_of(voice) is voice
    with pytest.raises(ValueError, match="^voice: there is no recording of the speaker$"):
        voice_of(())


def test_without_the_encoder_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(cache: Path | None = None) -> Path:
        raise CorpusUnavailable("resemblyzer 0.1.4: PyPI did not give it (no route)")

    monkeypatch.setattr(type(SPEAKER_ENCODER), "fetch", lambda self, cache=None: unavailable(cache))
    with pytest.raises(OSError, match=r"^a.wav: its voice cannot be heard, for resemblyzer 0.1.4: PyPI did not"):
        voice_of(noise(0), tmp_path)
    with pytest.raises(CorpusUnavailable):
        voices.require_encoder(tmp_path)


def test_numbers_of_ones_own(tmp_path: Path) -> None:
    vector = torch.arange(1.0, 9.0)
    np.save(tmp_path / "a.npy", vector[None].numpy())
    save_file({"xvector": vector}, tmp_path / "a.safetensors")
    for name in ("a.npy", "a.safetensors"):
        voice = read_voice(tmp_path / name, 8)
        assert isinstance(voice, Voice) and torch.equal(voice.vector, vector)
        read = Speaker(8).read(name, Files(tmp_path))
        assert isinstance(read, Voice) and torch.equal(read.vector, vector)
    read = Speaker(8).read(vector.tolist(), Files(tmp_path))
    assert isinstance(read, Voice) and torch.equal(read.vector, vector)


def test_each_mistake_is_one_line(tmp_path: Path) -> None:
    np.save(tmp_path / "seven.npy", np.ones(7))
    np.save(tmp_path / "nan.npy", np.full(8, np.nan))
    np.save(tmp_path / "zeros.npy", np.zeros(8))
    np.save(tmp_path / "words.npy", np.array(["a"] * 8))
    save_file({"a": torch.ones(8), "b": torch.ones(8)}, tmp_path / "two.safetensors")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no sound at all")
    (tmp_path / "text.npy").write_text("no numbers at all")
    for name, message in {
        "seven.npy": "a voice is 8 numbers, not 7",
        "nan.npy": "a voice is a row of finite numbers",
        "zeros.npy": "a vector of nothing but zeros",
        "words.npy": "holds no single array of numbers",
        "two.safetensors": "holds no single array of numbers",
        "text.npy": "holds no single array of numbers",
        "none.npy": "no such file",
        "text.wav": "of a recording 256 numbers are made, and here a voice is 8; give those",
    }.items():
        with pytest.raises((ValueError, FileNotFoundError), match=message) as problem:
            read_voice(tmp_path / name, 8)
        assert str(problem.value).startswith(str(tmp_path / name)) and "\n" not in str(problem.value)
    for name, message in {"empty.wav": "is empty", "text.wav": "cannot be read as sound"}.items():
        with pytest.raises(ValueError, match=message):
            read_voice(tmp_path / name)
    with pytest.raises(ValueError, match="^voice: vc speaks in somebody's voice; give --voice FILE"):
        asked_voice(None, 8, "vc")
    for value in (["a"] * 8, [True] * 8, [], [1.0] * 7, 7, {"a": 1}):
        with pytest.raises(ValueError):
            Speaker(8).read(value, Files(tmp_path))
