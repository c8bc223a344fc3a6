import argparse
import inspect
import json.decoder
import textwrap

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unimodal.prenets.code import DEEPER, LITERAL, SHALLOWER, CodePrenet, CodeProcessor, compact, restore

lines = st.text(alphabet=st.sampled_from([" ", "\n", "\t", "\r", "x", "é", DEEPER, SHALLOWER, LITERAL]), max_size=60)
indented = st.lists(st.tuples(st.integers(0, 17), lines), max_size=8).map(
    lambda parts: "\n".join(" " * depth + text for depth, text in parts)
)


@settings(max_examples=500, deadline=None)
@given(source=st.one_of(lines, indented, st.text()))
def test_nothing_is_lost(source):
    assert restore(compact(source)) == source


@settings(max_examples=200)
@given(written=lines)
def test_what_compact_never_writes_can_be_read(written):
    assert isinstance(restore(written), str)


@pytest.mark.parametrize("module", [argparse, json.decoder, textwrap])
def test_real_modules_come_back_in_fewer_tokens(module, vocabulary):
    source = inspect.getsource(module)
    assert restore(compact(source)) == source
    # The pieces were learned from code as it is, and still it pays.
    assert len(vocabulary.pieces.encode(compact(source))) < len(vocabulary.pieces.encode(source))


def test_the_same_code_reads_the_same_at_any_depth():
    body = "if x:\n    y()\nelse:\n    z()\nw()"
    deeper = textwrap.indent(body, " " * 8)
    assert compact(deeper) == DEEPER * 2 + compact(body)


def test_indentation_is_written_as_changes():
    source = "def f():\n    a\n\n    b\n        c\n    \nd"
    assert compact(source) == f"def f():\n{DEEPER}a\n\nb\n{DEEPER}c\n    \n{SHALLOWER * 2}d"


def test_every_token_knows_its_line(vocabulary):
    source = "def f():\n    return 1\n\nprint(f())"
    arrays = CodeProcessor(vocabulary)(source)
    assert restore(vocabulary.pieces.decode(arrays["ids"].tolist())) == source
    by_line = [vocabulary.pieces.decode(arrays["ids"][arrays["lines"] == line].tolist()) for line in range(4)]
    assert [restore(text) for text in by_line] == ["def f():\n", "    return 1\n", "\n", "print(f())"]


def test_late_lines_share_the_last_mark(vocabulary):
    prenet, table = CodePrenet(8, num_lines=3), torch.nn.Embedding(600, 8)
    ids = torch.full((1, 5), 9)
    x = prenet.embed({"ids": ids, "lines": torch.arange(5)[None]}, torch.tensor([5]), table)[0]
    assert torch.equal(x[2], x[3]) and torch.equal(x[2], x[4]) and not torch.equal(x[1], x[2])


def test_bad_code_is_named(vocabulary):
    with pytest.raises(ValueError, match="the code is empty"):
        CodeProcessor(vocabulary)("")
    with pytest.raises(ValueError, match="code of .* tokens, more than the limit of 5: 'x = 1"):
        CodeProcessor(vocabulary, max_tokens=5)("x = 1\n" * 9)
    with pytest.raises(ValueError, match="code is a string, not int"):
        CodeProcessor(vocabulary)(3)
