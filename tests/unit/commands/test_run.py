"""`unimodal run` on files as users bring them: an answer for every modality, one line for every mistake."""

import json
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import unimodal
from unimodal import cli
from unimodal.adapters.lora import Lora
from unimodal.decoding.generate import DECODINGS
from unimodal.loading.hub import load_own
from unimodal.loading.own import Unimodal

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tiny_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Runs `unimodal run` with the tiny model: (status, stdout, stderr). Untrained, it would write on for long."""
    decodings = tmp_path_factory.mktemp("decoding")
    for path in DECODINGS.glob("*.yaml"):
        (decodings / path.name).write_text(path.read_text() + "limit: 12\n")
    monkeypatch.setattr("unimodal.decoding.generate.DECODINGS", decodings)

    def call(*arguments: object, model: object = tiny_folder) -> tuple[int, str, str]:
        task, *rest = map(str, arguments)
        status = cli.main(["run", task, "--decoding", "greedy", *rest, "--model", str(model)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def write_wav(path: Path, *, seconds: float = 0.5, rate: int = 16_000, level: float = 8000) -> Path:
    samples = np.sin(np.arange(int(seconds * rate)) * 0.05) * level
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One good file of every kind."""
    import soundfile
    from PIL import Image

    found = {"wav": write_wav(tmp_path / "clip.wav")}
    samples, rate = soundfile.read(found["wav"])
    for kind in ("flac", "ogg"):
        found[kind] = tmp_path / f"clip.{kind}"
        soundfile.write(found[kind], samples, rate)
    for kind in ("png", "jpg"):
        found[kind] = tmp_path / f"picture.{kind}"
        Image.new("RGB", (40, 24), "red").save(found[kind])
    for kind, text in {
        "csv": "city,people\nOslo,7\nBonn,3\n",
        "tsv": "city\tpeople\nOslo\t7\n",
        "py": "def double(x):\n    return 2 *",
        "txt": "press one\n",
    }.items():
        found[kind] = tmp_path / f"input.{kind}"
        found[kind].write_text(text)
    return found


CASES = [
    ("asr", "wav", []),
    ("asr_fr", "flac", []),
    ("lid", "ogg", []),
    ("caption", "png", []),
    ("classify_image", "jpg", []),
    ("read", "png", []),
    ("translate_fr", "txt", []),
    ("lid_text", "txt", []),
    ("table_qa", "csv", ["--prompt", "how many rows are there?"]),
    ("table_qa", "tsv", ["--prompt", "how many rows are there?"]),
    ("code_summary", "py", []),
    ("code_completion", "py", []),
]


@pytest.mark.parametrize(("task", "kind", "more"), CASES)
def test_every_kind_of_file_gets_one_json_row(
    task: str, kind: str, more: list[str], run: Run, files: dict[str, Path]
) -> None:
    status, said, _ = run(task, files[kind], "--json", *more)
    row = json.loads(said)
    assert (status, list(row)) == (0, ["input", "task", "text", "score", "seconds"])
    assert (row["input"], row["task"]) == (str(files[kind]), task)
    assert row["score"] < 0 and row["seconds"] >= 0 and isinstance(row["text"], str)


def test_answers_come_in_the_order_of_the_files(run: Run, tmp_path: Path) -> None:
    paths = []
    for number in range(10):
        paths.append(tmp_path / f"{number}.txt")
        paths[-1].write_text("word " * (10 - number))
    status, said, _ = run("lid_text", *paths, "--json")
    assert status == 0 and [json.loads(line)["input"] for line in said.splitlines()] == list(map(str, paths))
    alone = [json.loads(run("lid_text", path, "--json")[1])["text"] for path in paths]
    assert [json.loads(line)["text"] for line in said.splitlines()] == alone


def test_without_json_the_answer_alone_is_printed(run: Run, files: dict[str, Path]) -> None:
    _, row, _ = run("lid_text", files["txt"], "--json")
    assert run("lid_text", files["txt"]) == (0, json.loads(row)["text"] + "\n", "")
    status, said, _ = run("lid_text", files["txt"], "--prompt", "bonjour", "--decoding", "beam")
    assert status == 0 and [line.partition(": ")[0] for line in said.splitlines()] == [str(files["txt"]), "prompt"]


def test_text_goes_to_the_file_that_is_asked_for(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "answer.txt"
    status, said, _ = run("lid_text", files["txt"], "--out", out)
    assert (status, said) == (0, "") and out.read_text() == run("lid_text", files["txt"])[1]


def test_places_are_read_a_line_each_and_drawn_where_asked(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    from PIL import Image

    out = tmp_path / "found.png"
    status, said, _ = run("word_points", files["png"], "--out", out)
    places = [tuple(map(float, line.split())) for line in said.splitlines()]
    assert status == 0 and places and all(0 <= share <= 1 for place in places for share in place)
    with Image.open(out) as drawn, Image.open(files["png"]) as read:
        assert drawn.size == read.size and drawn.convert("RGB").tobytes() != read.convert("RGB").tobytes()
    assert run("word_points", files["png"])[1] == said


def test_speech_is_written_where_asked_or_beside_its_text(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    for arguments, place in [(["--out", tmp_path / "hello.wav"], tmp_path / "hello.wav"), ([], f"{files['txt']}.wav")]:
        status, said, _ = run("tts", files["txt"], "--json", *arguments)
        assert status == 0 and json.loads(said)["value"] == str(place) and json.loads(said)["score"] is None
        with wave.open(str(place)) as sound:
            assert (sound.getframerate(), sound.getnchannels()) == (16_000, 1) and sound.getnframes() > 0


def test_an_adapter_folder_is_a_model(run: Run, tiny_folder: Path, files: dict[str, Path], tmp_path: Path) -> None:
    model = load_own(tiny_folder).model
    lora = Lora(rank=2)
    lora.attach(model)
    lora.save(model, tmp_path / "adapter")
    status, said, _ = run("lid_text", files["txt"], "--base", tiny_folder, model=tmp_path / "adapter")
    assert (status, said) == (0, run("lid_text", files["txt"])[1])
    status, said, error = run("lid_text", files["txt"], model=tmp_path / "adapter")
    assert (status, said) == (2, "") and "an adapter needs its base model in the folder above it" in error
    status, _, error = run("lid_text", files["txt"], "--base", tmp_path)
    assert status == 2 and "is no adapter (it holds no adapter_config.json), so it takes no base" in error


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder one stands in: files that cannot be used, and two that can."""
    monkeypatch.chdir(tmp_path)
    Path("empty.wav").touch()
    Path("noise.wav").write_bytes(bytes(range(256)) * 8)
    Path("noise.png").write_bytes(b"no picture at all")
    Path("binary.txt").write_bytes(b"\xff\xfe\x00\x01")
    Path("blank.txt").write_text(" \n")
    Path("good.txt").write_text("hello")
    Path("ragged.csv").write_text("city,people\nOslo\n")
    Path("unnamed.csv").write_text("city,\nOslo,7\n")
    Path("tall.csv").write_text("a,b\n" + "1,2\n" * 100)
    Path("folder").mkdir()
    write_wav(Path("slow.wav"), rate=100, seconds=5)
    write_wav(Path("long.wav"), seconds=31)
    write_wav(Path("good.wav"))
    write_wav(Path("silent.wav"), level=0)
    whole = write_wav(Path("cut.wav"), seconds=1).read_bytes()
    Path("cut.wav").write_bytes(whole[:-16_000])
    return tmp_path


QUESTION = ["--prompt", "how many rows are there?"]
MISTAKES = {
    "unknown task": (["asrr", "good.wav"], "unknown task 'asrr'; did you mean 'asr'?"),
    "no file": (["asr", "no.wav"], "no.wav: no such file"),
    "a folder": (["asr", "folder"], "folder: is a folder"),
    "empty file": (["asr", "empty.wav"], "empty.wav: is empty"),
    "no sound": (["asr", "noise.wav"], "noise.wav: cannot be read as sound"),
    "wrong sample rate": (["asr", "slow.wav"], "slow.wav: has a sample rate of 100 Hz"),
    "too long": (["lid", "long.wav"], "long.wav: lasts longer than the limit of 30 s"),
    "windows too long": (["asr", "long.wav", "--chunk-length-s", "31"], "chunk_length_s: windows last 1 to 30 seconds"),
    "no windows": (["lid", "good.wav", "--chunk-length-s", "9"], "--chunk-length-s: is no option of lid"),
    "silence": (["asr", "silent.wav"], "silent.wav: holds nothing but silence"),
    "cut off": (["asr", "cut.wav"], "cut.wav: ends after 0.50 s of the 1.00 s that its header promises"),
    "one bad of two": (["asr", "good.wav", "empty.wav"], "empty.wav: is empty"),
    "no picture": (["caption", "noise.png"], "noise.png: cannot be read as a picture"),
    "no text": (["tts", "binary.txt"], "binary.txt: is not UTF-8 text"),
    "blank text": (["tts", "blank.txt"], "blank.txt: holds no text"),
    "one bad text of two": (["tts", "good.txt", "blank.txt"], "blank.txt: holds no text"),
    "missing cell": (["table_qa", "ragged.csv", *QUESTION], "ragged.csv: row 1 has 1 cells, the header has 2 columns"),
    "missing column": (["table_qa", "unnamed.csv", *QUESTION], "unnamed.csv: column 2 has no name"),
    "too many rows": (["table_qa", "tall.csv", *QUESTION], "tall.csv: has 100 rows, more than the limit of 64"),
    "no question": (["table_qa", "tall.csv"], "prompt: the task table_qa needs a question about the table"),
    "no prompt taken": (["asr", "good.wav", "--prompt", "x"], "prompt: the task asr reads files only"),
    "nothing": (["asr"], "there is nothing to read: give a file"),
    "no text at all": (["tts"], "there is nothing to read: give a text file or a prompt"),
    "unknown decoding": (
        ["tts", "good.txt", "--decoding", "gredy"],
        "decoding: there is no 'gredy' among",
    ),
    "unknown option": (["tts", "good.txt", "--jsn"], "unrecognized arguments: --jsn (see `unimodal run --help`)"),
    "folder to write": (["tts", "good.txt", "--out", "folder"], "folder: is a folder"),
    "nowhere to write": (["tts", "good.txt", "--out", "no/a.wav"], "no: no such folder"),
    "a picture of text": (
        ["lid_text", "good.txt", "--out", "a.png"],
        "--out: a.png would be a picture, and this task's answers have no places to draw in one",
    ),
    "two sounds in one": (
        ["tts", "good.txt", "--prompt", "hi", "--out", "a.wav"],
        "--out: one file cannot hold 2 sounds",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_written(name: str, run: Run, broken: Path) -> None:
    before = sorted(broken.rglob("*"))
    arguments, expected = MISTAKES[name]
    status, said, error = run(*arguments)
    assert (status, said) == (2, "")
    assert error.startswith(f"unimodal: {expected}") and error.count("\n") == 1
    assert sorted(broken.rglob("*")) == before


def test_what_is_no_model_is_one_line(run: Run, broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("folder/config.json").write_text("{")
    for model, expected in {
        "nowhere/model/at/all": "nowhere/model/at/all: no such folder, and no name of a model on the Hub",
        str(broken): f"{broken}: holds no config.json and no adapter_config.json, so it is no model",
        "folder": "folder/config.json: is no JSON (JSONDecodeError)",
    }.items():
        status, said, error = run("asr", "good.wav", model=model)
        assert (status, said) == (2, "") and error.startswith(f"unimodal: {expected}") and error.count("\n") == 1
    assert cli.main(["run", "asr", "good.wav"]) == 2


def test_a_task_that_the_model_was_not_taught_is_named(
    run: Run, broken: Path, tiny: Unimodal, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("configs").mkdir()
    Path("configs/sing.yaml").write_text("class: unimodal.tasks.tts.SpeechSynthesis\nname: sing\n")
    monkeypatch.setattr("unimodal.catalogue.TASKS", Path("configs"))
    status, _, error = run("sing", "good.txt")
    assert status == 2 and error.startswith("unimodal: the model was not taught the task sing; it knows asr, ")


def test_python_answers_as_the_command_does(run: Run, tiny_folder: Path, files: dict[str, Path]) -> None:
    model = unimodal.load(tiny_folder)
    (result,) = model.run("lid_text", files["txt"], decoding="greedy")
    assert result.text + "\n" == run("lid_text", files["txt"])[1]
    assert [found.task for found in model.run("lid_text", str(files["txt"]), prompt="hi", decoding="greedy")] == [
        "lid_text"
    ] * 2
    with pytest.raises(ValueError, match="unknown task 'sing'"):
        model.run("sing", files["txt"])


def test_on_a_terminal_the_answer_appears_token_by_token(
    run: Run, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run("lid_text", files["txt"])[1]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    status, said, _ = run("lid_text", files["txt"])
    assert status == 0 and plain.rstrip() in said and "\x1b[" in said


def test_a_long_recording_is_transcribed_in_windows(run: Run, tmp_path: Path) -> None:
    long, short = write_wav(tmp_path / "long.wav", seconds=31), write_wav(tmp_path / "short.wav")
    status, said, _ = run("asr", long, short, long, "--json")
    first, whole, again = map(json.loads, said.splitlines())
    assert status == 0 and first["input"] == str(long) and whole["input"] == str(short)
    assert "passages" not in whole and {**first, "seconds": 0} == {**again, "seconds": 0}
    passages = first["passages"]
    assert passages[0]["start"] == 0 and passages[-1]["end"] == 31 and len(passages) in range(4, 9)
    assert all(before["end"] == after["start"] for before, after in zip(passages, passages[1:], strict=False))
    assert first["text"] == " ".join(passage["text"] for passage in passages if passage["text"])
    assert max(passage["end"] - passage["start"] for passage in passages) <= 8
    status, said, _ = run("asr", long, "--json", "--chunk-length-s", 20)
    assert len(json.loads(said)["passages"]) in (2, 3)


def test_python_hears_in_windows_too(run: Run, tiny_folder: Path, tmp_path: Path) -> None:
    model = unimodal.load(tiny_folder)
    long = write_wav(tmp_path / "long.wav", seconds=12)
    (result,) = model.run("asr", long, decoding="greedy", chunk_length_s=4)
    assert 3 <= len(result.passages) <= 6 and result.text == result.value
    alone = write_wav(tmp_path / "alone.wav", seconds=result.passages[0].end)
    assert model.run("asr", alone, decoding="greedy")[0].text == result.passages[0].text
    work = model.prepare("asr", [long], options={"chunk_length_s": 4.0})
    assert work.names == [str(long)] and work.size == len(result.passages) and work.stream(0, "greedy") is None
