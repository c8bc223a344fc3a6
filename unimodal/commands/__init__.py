"""The subcommands of `unimodal`: each module has `main(arguments) -> int`, its exit status.

A user's mistake is a ValueError or an OSError with one line; `unimodal.cli` prints it. Only here may the engine's
package import prenets and tasks, because here stands the user, above all of them.
"""

import argparse
from typing import NoReturn, final


@final
class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are ValueErrors: a wrong option ends in one line like any other mistake."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see `{self.prog} --help`)")
