"""All parity cases: `CASES` of every file of this folder."""

import importlib
import pkgutil

from tests.parity.case import ParityCase

CASES: list[ParityCase] = [
    case
    for module in pkgutil.iter_modules(__path__, f"{__name__}.")
    for case in importlib.import_module(module.name).CASES
]
