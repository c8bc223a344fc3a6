"""The command line as a user meets it: quick help, one line for a mistake, the right exit status."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unimodal import cli
from unimodal.commands import Parser

ROOT = Path(__file__).resolve().parents[2]


def unimodal(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own, as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "unimodal", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", **environment},
        cwd=ROOT,
    )


@pytest.mark.parametrize("arguments", [["--help"], ["systems", "--help"], ["systems", "list"], ["--version"]])
def test_help_does_not_import_torch(arguments: list[str]) -> None:
    code = (
        "import sys; from unimodal.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'numpy', 'lightning'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_help_answers_at_once() -> None:
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        found = unimodal("--help")
        times.append(time.perf_counter() - begin)
    assert found.returncode == 0
    assert all(f"  {name} " in found.stdout for name in cli.COMMANDS)
    assert min(times) < 0.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sistems"], "unknown command 'sistems'; did you mean 'systems'?"),
        (
            ["qqqq"],
            "unknown command 'qqqq'; there are run, tasks, finetune, fit, validate, test, archive, convert, systems",
        ),
        (["systems", "check", "hydragn"], "unknown system 'hydragn'; did you mean 'hydragen'?"),
        (["systems", "list", "--jsn"], "unrecognized arguments: --jsn (see `unimodal systems --help`)"),
        (["systems", "check"], "one of the arguments name --all is required (see `unimodal systems check --help`)"),
        (["systems", "table", "--out", "missing/page.md"], "missing/page.md: No such file or directory"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments: list[str], said: str) -> None:
    found = unimodal(*arguments)
    assert (found.returncode, found.stdout, found.stderr) == (2, "", f"unimodal: {said}\n")


def test_debug_shows_where_an_error_comes_from() -> None:
    found = unimodal("systems", "check", "hydragn", UNIMODAL_DEBUG="1")
    assert found.returncode not in (0, 2) and "Traceback" in found.stderr


def test_without_a_command_the_help_is_shown_and_the_status_is_2() -> None:
    found = unimodal()
    assert found.returncode == 2 and found.stdout.startswith("usage: unimodal COMMAND")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ValueError("config.dim: is\nnot a number"), 2, "unimodal: config.dim: is not a number\n"),
        (FileNotFoundError(2, "No such file or directory", "a.wav"), 2, "unimodal: a.wav: No such file or directory\n"),
        (PermissionError("no.wav: may not be read"), 2, "unimodal: no.wav: may not be read\n"),
        (ValueError(), 2, "unimodal: ValueError\n"),
        (ModuleNotFoundError("No module named 'av'", name="av"), 2, "unimodal: needs the package 'av': pip install"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_every_subcommand_ends_alike(
    error: BaseException,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr("unimodal.commands.systems.main", fail)
    assert cli.main(["systems"]) == status
    assert capsys.readouterr().err.startswith(said)


@pytest.mark.parametrize("error", [RuntimeError("a defect"), ModuleNotFoundError(name="unimodal.nowhere")])
def test_a_defect_keeps_its_traceback(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: list[str]) -> int:
        raise error

    monkeypatch.setattr("unimodal.commands.systems.main", fail)
    with pytest.raises(type(error)):
        cli.main(["systems"])


def test_arguments_pass_through_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setitem(cli.COMMANDS, "fit", cli.Command("", "unimodal.commands.systems", ("fit",)))
    monkeypatch.setattr("unimodal.commands.systems.main", seen.append)
    assert cli.main(["fit", "--config", "a.yaml", "--help", "--trainer.devices=2"]) == 0
    assert seen == [["fit", "--config", "a.yaml", "--help", "--trainer.devices=2"]]


def test_a_closed_pipe_is_no_error() -> None:
    found = subprocess.run(
        f"{sys.executable} -m unimodal systems list --json | head -1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert (found.stdout, found.stderr) == ("[\n", "")


def test_a_parser_of_a_subcommand_raises_instead_of_leaving() -> None:
    parser = Parser(prog="unimodal run")
    parser.add_argument("--beams", type=int)
    with pytest.raises(ValueError, match="--beams: invalid int value: 'x' .see `unimodal run --help`"):
        parser.parse_args(["--beams", "x"])


def test_systems_list_is_one_json_list() -> None:
    found = unimodal("systems", "list", "--json")
    rows = json.loads(found.stdout)
    keys = ["slug", "title", "family", "lossless", "state", "measured", "config", "decoding"]
    assert found.returncode == 0 and len(rows) == 97
    assert all(list(row) == keys for row in rows)


def test_tasks_says_what_each_task_reads_and_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tasks", "--json"]) == 0
    rows = {row.pop("task"): row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == {path.stem for path in (ROOT / "configs" / "tasks").glob("*.yaml")}
    assert (rows["asr"]["reads"], rows["asr"]["writes"]) == (["speech"], "text")
    assert all(row["reads"] and row["writes"] and row["what"].endswith(".") for row in rows.values())
    assert cli.main(["tasks"]) == 0
    assert any(line.startswith("asr ") and "speech -> text: " in line for line in capsys.readouterr().out.splitlines())
