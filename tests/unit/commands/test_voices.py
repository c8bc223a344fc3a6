"""`unimodal run` in somebody's voice: sound from files and numbers, one line for every mistake."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from unimodal import cli
from unimodal.prenets.speaker_encoder import SpeakerEncoder
from unimodal.tasks.pretrained import SPEAKER_ENCODER, SPEAKER_WEIGHTS

Run = Callable[..., tuple[int, str, str]]
SHORT = "{sampler: unimodal.samplers.greedy.Greedy, limit: 4}\n"


@pytest.fixture
def run(
    voiced_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Runs `unimodal run` with the tiny model, for few steps; an untrained speaker encoder stands in the cache."""
    monkeypatch.setenv("UNIMODAL_CACHE", str(tmp_path / "cache"))
    folder = SPEAKER_ENCODER.folder()
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    save_file(SpeakerEncoder().state_dict(), folder / SPEAKER_WEIGHTS)
    (tmp_path / "short.yaml").write_text(SHORT)

    def call(*arguments: object) -> tuple[int, str, str]:
        model = ["--model", str(voiced_folder), "--decoding", str(tmp_path / "short.yaml")]
        status = cli.main(["run", *map(str, arguments), *model])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Recordings, a text, and voices as numbers."""
    rng = np.random.default_rng(0)
    found = {name: tmp_path / name for name in ("a.wav", "b.wav", "silent.wav", "a.txt", "a.npy", "b.npy", "x.npy")}
    for name in ("a.wav", "b.wav"):
        soundfile.write(found[name], rng.standard_normal(12_000) * 0.1, 16_000)
    soundfile.write(found["silent.wav"], np.zeros(12_000), 16_000)
    found["a.txt"].write_text("please hold\n")
    for name in ("a.npy", "b.npy"):
        np.save(found[name], rng.standard_normal(256).astype(np.float32))
    np.save(found["x.npy"], np.ones(512))
    return found


@pytest.mark.parametrize(("task", "read"), [("vc", "a.wav"), ("tts_voices", "a.txt"), ("se", "a.wav")])
@pytest.mark.parametrize("voice", ["a.npy", "b.wav"])
def test_an_answer_is_sound_and_the_voice_is_heard_in_it(
    task: str, read: str, voice: str, run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.wav"
    assert run(task, files[read], "--voice", files[voice], "--out", out) == (0, f"{out}\n", "")
    samples, rate = soundfile.read(out)
    assert rate == 16_000 and 0 < len(samples) <= 4 * 4 * 160
    other = tmp_path / "other.wav"
    assert run(task, files[read], "--voice", files["b.npy"], "--out", other)[0] == 0
    assert soundfile.read(other)[0].tolist() != samples.tolist()


def test_enhancement_hears_the_voice_by_itself(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    assert run("se", files["a.wav"], "--out", tmp_path / "out.wav")[0] == 0


def test_who_speaks_is_one_name(run: Run, files: dict[str, Path]) -> None:
    status, said, _ = run("sid", files["a.wav"])
    assert status == 0 and "." in said.strip()


@pytest.mark.parametrize(
    ("task", "read", "options", "message"),
    [
        ("vc", "a.wav", [], "voice: vc speaks in somebody's voice; give --voice FILE, a recording or its numbers"),
        ("tts_voices", "a.txt", [], "voice: tts_voices speaks in somebody's voice; give --voice FILE"),
        ("vc", "a.wav", ["--voice", "none.wav"], "none.wav: no such file"),
        ("vc", "a.wav", ["--voice", "x.npy"], "x.npy: a voice is 256 numbers, not 512"),
        ("vc", "a.wav", ["--voice", "silent.wav"], "silent.wav: "),
        ("vc", "a.wav", ["--voice", "a.txt"], "a.txt: cannot be read as sound"),
        ("vc", "silent.wav", ["--voice", "a.npy"], "silent.wav: "),
        ("se", "silent.wav", [], "silent.wav: "),
        ("sid", "a.wav", ["--voice", "a.npy"], "--voice: is no option of sid"),
    ],
)
def test_a_mistake_is_one_line(
    task: str, read: str, options: list[str], message: str, run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    given = [str(tmp_path / option) if "." in option else option for option in options]
    status, said, error = run(task, files[read], *given)
    assert (status, said) == (2, "") and error.count("\n") == 1
    assert message in error and error.startswith("unimodal: ")
