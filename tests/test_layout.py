"""The rules of the house that a machine can check: arrows between the layers, contracts, sizes.

Arrows run downwards only: scripts -> tasks -> prenets -> unimodal (the engine).
"""

import ast
import importlib
import inspect
import os
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINKS = ("prenets", "tasks", "configs")

MAX_LINES = 400
MAX_PARAMETERS = 8

# Plural folders whose files answer to a function's signature, stated there, instead of an abstract class.
WITHOUT_A_CLASS = {"unimodal.commands"}


def sources(*folders: str) -> list[Path]:
    """Python files below the folders; links are not followed."""
    walks = (walk for folder in folders for walk in os.walk(ROOT / folder))
    return sorted(Path(directory, name) for directory, _, names in walks for name in names if name.endswith(".py"))


HOUSE = sources("unimodal", "prenets", "tasks")
EVERYTHING = [*HOUSE, *sources("scripts", "tests")]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_name(path: Path) -> str:
    """The name under which a file of the house is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "unimodal" else ("unimodal", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Imported names with their lines; `from a import b` counts as a.b, for b may be a module."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place(path, node.lineno)}: a relative import"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def importers(paths: list[Path], *forbidden: str) -> list[str]:
    return [
        f"{place(path, line)} imports {name}"
        for path in paths
        for name, line in imports(path)
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in forbidden)
    ]


def test_the_engine_knows_no_prenet_and_no_task() -> None:
    engine = [path for path in sources("unimodal") if path.parent != ROOT / "unimodal" / "commands"]
    assert importers(engine, "unimodal.prenets", "unimodal.tasks", "unimodal.commands") == []


def test_prenets_know_no_task() -> None:
    assert importers(sources("prenets"), "unimodal.tasks", "unimodal.commands") == []


def test_tasks_know_no_command() -> None:
    assert importers(sources("tasks"), "unimodal.commands") == []


def test_there_is_one_import_name_for_each_layer() -> None:
    assert importers(EVERYTHING, "prenets", "tasks", "configs") == []


def test_nothing_imports_a_script() -> None:
    assert importers(HOUSE, "scripts") == []


@pytest.mark.parametrize("name", LINKS)
def test_the_links_are_relative_links(name: str) -> None:
    link = ROOT / "unimodal" / name
    assert link.is_symlink() and link.readlink() == Path("..", name)


def packages() -> list[str]:
    return [module_name(path) for path in HOUSE if path.name == "__init__.py"]


def test_a_plural_folder_is_an_interface() -> None:
    """Its `__init__.py` defines, or takes from the engine, one abstract class that the other files answer to."""
    plural = [name for name in packages() if name.endswith("s") and name not in WITHOUT_A_CLASS]
    assert "unimodal.mixers" in plural
    without = [
        name for name in plural if not any(map(inspect.isabstract, vars(importlib.import_module(name)).values()))
    ]
    assert without == []


def test_every_folder_of_the_house_is_a_package() -> None:
    """A folder without `__init__.py` would have no contract and would be missing in the wheel."""
    folders = {path.parent for path in HOUSE}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


def house_modules() -> list[ModuleType]:
    skipped = {"unimodal.__main__"}
    return [importlib.import_module(name) for name in map(module_name, HOUSE) if name not in skipped]


def house_classes() -> Iterator[type]:
    for module in house_modules():
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == module.__name__:
                yield value


def is_abstract(found: type) -> bool:
    return inspect.isabstract(found) or bool(vars(found).get("_is_protocol", False))


def house_bases(found: type) -> list[type]:
    return [base for base in found.__mro__[1:] if base.__module__.partition(".")[0] == "unimodal"]


def test_a_class_that_answers_to_a_contract_is_final() -> None:
    open_answers = [
        f"{found.__module__}.{found.__qualname__}"
        for found in house_classes()
        if not is_abstract(found)
        and any(map(is_abstract, house_bases(found)))
        and not vars(found).get("__final__", False)
    ]
    assert open_answers == []


def test_nothing_inherits_an_implementation() -> None:
    """A class is wrapped, not overridden; only errors form families."""
    heirs = [
        f"{found.__module__}.{found.__qualname__} inherits {base.__qualname__}"
        for found in house_classes()
        for base in house_bases(found)
        if not is_abstract(base) and not issubclass(found, BaseException)
    ]
    assert heirs == []


def constructors() -> Iterator[tuple[Path, ast.FunctionDef]]:
    for path in HOUSE:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                yield path, node


def test_constructors_are_small() -> None:
    """Where eight parameters do not suffice, a part is missing."""
    wide = []
    for path, node in constructors():
        count = len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs) - 1
        if count > MAX_PARAMETERS:
            wide.append(f"{place(path, node.lineno)} takes {count}")
    assert wide == []


def test_files_are_short() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in EVERYTHING}
    assert [f"{path.relative_to(ROOT)}: {count}" for path, count in lengths.items() if count > MAX_LINES] == []


def test_what_is_imported_is_declared() -> None:
    """Every imported distribution stands in pyproject.toml: what only came along with another may leave with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {_distribution(requirement) for group in groups for requirement in group}
    providers = metadata.packages_distributions()
    missing = set()
    for path in EVERYTHING:
        for name, line in imports(path):
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names or top in ("unimodal", "tests", "scripts"):
                continue
            if not declared & {_distribution(provider) for provider in providers.get(top, [top])}:
                missing.add(f"{place(path, line)} imports {top}")
    assert sorted(missing) == []


def _distribution(requirement: str) -> str:
    name = requirement.strip()
    for sign in "[<>=!~ ;":
        name = name.partition(sign)[0]
    return name.lower().replace("_", "-")
