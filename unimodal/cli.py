"""The command `unimodal`: finds a subcommand, and turns a user's mistake into one line and exit status 2.

Subcommands are imported when they are called, so that `unimodal --help` answers at once.
"""

import difflib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

USER_ERROR = 2
INTERRUPTED = 128 + signal.SIGINT


@final
@dataclass(frozen=True)
class Command:
    """One subcommand: what it does, and the module whose `main(arguments)` does it."""

    summary: str
    module: str
    forwarded: tuple[str, ...] = ()
    """Arguments put before the user's, where one module serves several subcommands."""


COMMANDS = {
    "run": Command("do a task on your own files: unimodal run TASK FILE [FILE ...]", "unimodal.commands.run"),
    "tasks": Command("list the tasks with what they read and write", "unimodal.commands.tasks"),
    "finetune": Command(
        "an adapter from your own examples: unimodal finetune TASK MANIFEST --out FOLDER", "unimodal.commands.finetune"
    ),
    "fit": Command("train: unimodal fit --config FILE", "unimodal.training.cli", ("fit",)),
    "validate": Command("evaluate on validation data", "unimodal.training.cli", ("validate",)),
    "test": Command("evaluate on held-out data", "unimodal.training.cli", ("test",)),
    "archive": Command("a task's examples as tar archives: unimodal archive TASK FOLDER", "unimodal.commands.archive"),
    "convert": Command("checkpoints of other projects to our form and back", "unimodal.commands.convert"),
    "systems": Command("the published methods and how far each is reproduced", "unimodal.commands.systems"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    return guarded(lambda: _dispatch(given))


def guarded(action: Callable[[], int]) -> int:
    """The exit status of an action; a user's mistake in it becomes one line and status 2."""
    try:
        status = action()
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (`unimodal systems list | head`); nothing may be flushed into the pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (ValueError, OSError, ModuleNotFoundError) as error:
        if os.environ.get("UNIMODAL_DEBUG") == "1" or _is_ours(error):
            raise
        print(f"unimodal: {_one_line(error)}", file=sys.stderr)
        return USER_ERROR


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else USER_ERROR
    if arguments[0] == "--version":
        import unimodal

        print(f"unimodal {unimodal.__version__}")
        return 0
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(COMMANDS)}"
        raise ValueError(f"unknown command {name!r}; {hint}")
    command = COMMANDS[name]
    # A command that only trains, say, has no other answer than that it went well.
    return importlib.import_module(command.module).main([*command.forwarded, *rest]) or 0


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: unimodal COMMAND [ARGUMENT ...]",
            "",
            "One encoder-decoder: any modality goes in, tokens come out, any modality can be made from them.",
            "",
            *lines,
            "",
            "unimodal COMMAND --help says more. UNIMODAL_DEBUG=1 shows where an error comes from.",
        ]
    )


def _is_ours(error: Exception) -> bool:
    """Whether a module of this package is missing: a defect, and no package that the user could install."""
    return isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "unimodal"


def _one_line(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"needs the package {error.name!r}: pip install 'unimodal[all]'"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
