"""The laws of splits, on names and on a corpus that every machine has."""

import ast
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimodal.tasks.corpora import SPLITS, Corpus
from unimodal.tasks.corpora.python_library import (
    DocumentedFunctions,
    SourceFiles,
    documented_functions,
    first_sentence,
    top_level_module,
)
from unimodal.tasks.corpora.splits import connected_groups, split_of


def test_shares_are_near_three_quarters_a_tenth_and_the_rest() -> None:
    counts = Counter(split_of(f"group {number}") for number in range(20_000))
    assert counts["train"] / 20_000 == pytest.approx(0.75, abs=0.01)
    assert counts["validation"] / 20_000 == pytest.approx(0.10, abs=0.01)


def test_a_split_is_the_same_in_every_process() -> None:
    script = "from unimodal.tasks.corpora.splits import split_of; print(*map(split_of, 'abcdefghijkl'))"
    outcome = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "1"}
    )
    assert outcome.stdout.split() == [split_of(letter) for letter in "abcdefghijkl"]


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), st.lists(st.integers(0, 9).map(str), max_size=3)),
    st.randoms(use_true_random=False),
)
def test_connected_groups_join_what_shares_a_label_whatever_the_order(
    labels_of: dict[str, list[str]], order: random.Random
) -> None:
    groups = connected_groups(labels_of)
    for first in labels_of:
        for second in labels_of:
            if set(labels_of[first]) & set(labels_of[second]):
                assert groups[first] == groups[second]
    # Never coarser than needed: in a group of several, everyone shares a label with somebody of it.
    for key, group in groups.items():
        others = [other for other in labels_of if other != key and groups[other] == group]
        assert not others or any(set(labels_of[key]) & set(labels_of[other]) for other in others)
    shuffled = list(labels_of.items())
    order.shuffle(shuffled)
    assert connected_groups(dict(shuffled)) == groups


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("corpus", [DocumentedFunctions(), SourceFiles()], ids=lambda corpus: corpus.name)
def test_library_splits_keep_modules_apart(corpus: Corpus[object], cache: Path) -> None:
    parts = {split: corpus.examples(split, cache) for split in SPLITS}
    modules = {split: {corpus.group(example) for example in part} for split, part in parts.items()}
    assert all(modules.values())
    assert sum(map(len, modules.values())) == len(set().union(*modules.values()))
    everything = list(corpus.records(corpus.fetch(cache)))
    assert sum(map(len, parts.values())) == len(everything) == len(set(everything))
    assert corpus.examples("test", cache) == parts["test"]


def test_functions_are_code_without_their_docstring(cache: Path) -> None:
    functions = DocumentedFunctions().examples("validation", cache)
    assert len(functions) > 100
    for function in functions:
        node = ast.parse(function.source).body[0]
        assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        assert ast.get_docstring(node) is None and len(function.summary.split()) >= 3 and "\n" not in function.summary


def test_a_function_of_a_class_is_cut_out_whole() -> None:
    source = (
        "class Stack:\n"
        "    @property\n"
        "    def top(self):\n"
        '        """Return the last item.  It stays.\n\n        More.\n        """\n'
        "        # the last\n"
        "        return self.items[-1]\n"
        "def empty():\n"
        '    """Do nothing at all."""\n'
        "def one_line(): 'Do it at once.'; return 1\n"
    )
    found = list(documented_functions("stack.py", source))
    assert [(f.key, f.summary) for f in found] == [("stack.py:Stack.top", "Return the last item.")]
    assert found[0].source == "def top(self):\n    # the last\n    return self.items[-1]\n"


def test_first_sentence_and_module() -> None:
    assert first_sentence("Open a\n  file. Then read.\n\nMore.") == "Open a file."
    assert first_sentence("get(key) -> value\n\nGet it.") == ""
    assert first_sentence("Files, e.g. sockets, are closed.") == "Files, e.g. sockets, are closed."
    assert top_level_module("asyncio/events.py") == "asyncio"
    assert top_level_module("_pydecimal.py") == top_level_module("decimal.py") == "decimal"
