"""Python's standard library: documented functions and whole files, from the running interpreter."""

import ast
import platform
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from unimodal.tasks.corpora import Corpus
from unimodal.tasks.corpora.lines import read_lines, write_lines

LONGEST_FUNCTION = 8_000  # characters
# Tests, bundled programs, grammars and generated tables: no code that a person wrote to be read.
_SKIPPED = re.compile(
    r"(^|/)(test|tests|idle_test|idlelib|lib2to3|turtledemo|encodings|pydoc_data|site-packages|dist-packages|__phello__)(/|$)"
    r"|^(config-|_sysconfigdata|_sre_constants|sre_constants|keyword\.py|token\.py|this\.py|antigravity\.py|__hello__)"
)


@final
@dataclass(frozen=True)
class DocumentedFunction:
    """A function or method: `source` from `def` on, without the docstring, whose first sentence is `summary`."""

    file: str
    qualified_name: str
    source: str
    summary: str

    @property
    def key(self) -> str:
        return f"{self.file}:{self.qualified_name}"


@final
class DocumentedFunctions(Corpus[DocumentedFunction]):
    """Functions with a docstring of a sentence; those of one top-level module are one group."""

    name = "python_functions"
    licence = "PSF-2.0"
    archives = ()

    @property
    def title(self) -> str:
        return "documented functions of Python's library"

    @property
    def edition(self) -> str:
        return f"1 of Python {platform.python_version()}"

    def wants(self, member: str) -> bool:
        return False  # the files are on this machine already

    def prepare(self, unpacked: Path, folder: Path) -> None:
        functions = (function for file, source in _library_files() for function in documented_functions(file, source))
        write_lines(folder / "functions.jsonl", (vars(function) for function in functions))

    def records(self, folder: Path) -> Iterator[DocumentedFunction]:
        for row in read_lines(folder / "functions.jsonl"):
            yield DocumentedFunction(**row)

    def group(self, example: DocumentedFunction) -> str:
        return top_level_module(example.file)

    def texts(self, example: DocumentedFunction) -> Iterator[str]:
        yield example.source
        yield example.summary


@final
@dataclass(frozen=True)
class SourceFile:
    """A file of the library: `file` is its path below the library's folder."""

    file: str
    source: str


@final
class SourceFiles(Corpus[SourceFile]):
    """Whole files, for completion; grouped as the functions are, so neither shows the other's test side."""

    name = "python_files"
    licence = "PSF-2.0"
    archives = ()

    @property
    def title(self) -> str:
        return "files of Python's library"

    @property
    def edition(self) -> str:
        return f"1 of Python {platform.python_version()}"

    def wants(self, member: str) -> bool:
        return False  # the files are on this machine already

    def prepare(self, unpacked: Path, folder: Path) -> None:
        write_lines(folder / "files.jsonl", ({"file": file, "source": source} for file, source in _library_files()))

    def records(self, folder: Path) -> Iterator[SourceFile]:
        for row in read_lines(folder / "files.jsonl"):
            yield SourceFile(**row)

    def group(self, example: SourceFile) -> str:
        return top_level_module(example.file)

    def texts(self, example: SourceFile) -> Iterator[str]:
        yield example.source


def top_level_module(file: str) -> str:
    """`asyncio/events.py` -> `asyncio`; a private companion counts with its module: `_pydatetime.py` -> `datetime`."""
    name = file.split("/")[0].removesuffix(".py").lstrip("_")
    return name.removeprefix("py") if file.startswith("_py") else name


def documented_functions(file: str, source: str) -> Iterator[DocumentedFunction]:
    """The functions of a file that do something and whose docstring opens with a sentence of three words or more."""
    lines = source.splitlines(keepends=True)
    for qualified_name, node in _functions(ast.parse(source), ""):
        summary = first_sentence(ast.get_docstring(node) or "")
        if len(node.body) < 2 or len(summary.split()) < 3 or node.end_lineno is None:
            continue
        docstring = node.body[0]
        if docstring.lineno == node.body[1].lineno or docstring.lineno == node.lineno:  # nothing left by whole lines
            continue
        kept = lines[node.lineno - 1 : docstring.lineno - 1] + lines[docstring.end_lineno : node.end_lineno]
        text = _dedent(kept, node.col_offset)
        if len(text) <= LONGEST_FUNCTION:
            yield DocumentedFunction(file, qualified_name, text, summary)


def first_sentence(docstring: str) -> str:
    """The first sentence of the first paragraph, on one line; without signatures that open some docstrings."""
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!?])\s+(?=[A-Z])", paragraph)[0]
    return "" if re.match(r"\w*\(.*\)\s*->|\w+\(.*\)$|[>:]", sentence) else sentence


def _functions(parent: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")


def _dedent(lines: list[str], columns: int) -> str:
    """Take the function's own indentation away where a line has it (text inside a string may not)."""
    indentation = " " * columns
    return "".join(line.removeprefix(indentation) for line in lines).rstrip() + "\n"


def _library_files() -> Iterator[tuple[str, str]]:
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        file = path.relative_to(root).as_posix()
        if _SKIPPED.search(file):
            continue
        source = path.read_text(encoding="utf-8", errors="replace")
        if source.strip():
            yield file, source
