"""What holding a decoder to a grammar costs of a step: python -m scripts.bench_grammars

CPU time of one thread, T5-small's shape and its 32,128 tokens: a guide's part of a step beside a whole step without a
guide, at batch 1 and 8 and for beam 4 at batch 8, with a limit, so that every step also asks what still fits. Writes
runs/bench_grammars.json.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode

from scripts.decoding_shapes import SHAPES
from unimodal.batching import Item, token_piece
from unimodal.decoding.generate import Decoding, Prompt, write_tokens
from unimodal.expressions import any_of, choice, literal, repeat, sequence
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.grammars.grid import Grid, Mark
from unimodal.grammars.ordered import Ordered, Slot
from unimodal.guides import Guide
from unimodal.guides.grammar import GrammarGuide
from unimodal.loading.hub import load
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.samplers.beam import Beam
from unimodal.samplers.greedy import Greedy

SIZE, END = 32_128, 1
BINS, MARKS = range(31_000, 32_000), range(32_000, 32_005)
SETTINGS = {"batch 1": (1, 1), "batch 8": (8, 1), "beam 4 x 8": (8, 4)}
SOURCE, STEPS, ROUNDS = 128, 12, 3


def grammars() -> dict[str, Grammar]:
    """One of each kind, as the codecs make them."""
    pieces, lead, tail = any_of(range(259, 31_000)), any_of(range(200, 230)), any_of(range(136, 200))
    text = repeat(choice(pieces, sequence(lead, tail), sequence(any_of(range(230, 240)), tail, tail)))
    names = choice(*(literal([300 + 7 * number, 300 + 11 * number, 301]) for number in range(1000)))
    marks = dict(zip(MARKS, (Mark.CELL, Mark.LEFT, Mark.UP, Mark.CROSS, Mark.ROW), strict=True)) | {END: Mark.END}
    event = sequence(literal([SIZE, SIZE + 1]), text)
    slots = [Slot(least=0, kept=0), Slot(least=0)]
    return {
        "text": Automaton.compile(text, SIZE, END),
        "1,000 labels": Automaton.compile(repeat(names), SIZE, END),
        "events, 1,000 times": Ordered.compile(repeat(event), slots=slots, bins=BINS, size=SIZE, end=END),
        "table": Grid(Automaton.compile(text, SIZE, END), marks=marks),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench_grammars.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    (shape,) = [shape for shape in SHAPES if shape.name == "T5-small"]
    with tempfile.TemporaryDirectory() as folder:
        shape.write(Path(folder), quick=False)
        model = load(folder).model
    assert isinstance(model, UnimodalForConditionalGeneration)
    results: dict[str, dict[str, Any]] = {}
    table = Table("", "step, ms", *(f"{name}: µs, share, calls" for name in grammars()))
    for setting, (examples, width) in SETTINGS.items():
        step = best(partial(decode, model, examples, width)) / STEPS
        row: dict[str, Any] = {"step": step}
        for name, grammar in grammars().items():
            guide = GrammarGuide(grammar, limit=4 * STEPS)
            seconds = best(partial(follow, guide, examples * width))
            row[name] = {"seconds": seconds, "share": seconds / step, "calls": count_calls(guide, examples * width)}
        results[setting] = row
        cells = (
            f"{1e6 * row[name]['seconds']:.0f}, {row[name]['share']:.1%}, {row[name]['calls']}" for name in grammars()
        )
        table.add_row(setting, f"{1e3 * step:.2f}", *cells)
    Console().print(table)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def best(measure: Callable[[], float]) -> float:
    """The least of several: what others run on the machine only ever adds."""
    return min(measure() for _ in range(ROUNDS))


def decode(model: UnimodalForConditionalGeneration, examples: int, width: int) -> float:
    """CPU seconds of `STEPS` steps behind the first, whose part is measured apart and taken off."""
    torch.manual_seed(0)
    items = [Item("", (token_piece(torch.randint(4, SIZE, (SOURCE,))),)) for _ in range(examples)]
    sampler = Greedy() if width == 1 else Beam(width)
    spent = []
    for limit in (1, 1 + STEPS):
        began = time.process_time()
        write_tokens(model, Prompt.of(model, items), Decoding(sampler, limit=limit), ends=[])
        spent.append(time.process_time() - began)
    return spent[1] - spent[0]


def follow(guide: Guide[Any], rows: int) -> float:
    """CPU seconds that a guide takes of a step in the mean, rows reordered as by a beam."""
    state, logits, order = guide.start(rows), torch.randn(STEPS, rows, SIZE), torch.randperm(rows)
    spent = 0.0
    for scores in logits:
        began = time.process_time()
        adjusted = guide.adjust(scores, state)
        spent -= began - time.process_time()
        tokens = adjusted.index_fill(1, torch.tensor([END]), -99.0).argmax(-1)
        began = time.process_time()
        state = guide.advance(guide.take(state, order) if rows > 1 else state, tokens)
        spent += time.process_time() - began
    return spent / STEPS


class Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Counts calls of operators."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Sequence[Any], args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def count_calls(guide: Guide[Any], rows: int) -> int:
    """Operators of one step."""
    state, logits = guide.start(rows), torch.zeros(rows, SIZE)
    token = guide.adjust(logits, state).argmax(-1)
    with Calls() as calls:
        guide.adjust(logits, state)
        guide.advance(guide.take(state, torch.arange(rows)) if rows > 1 else state, token)
    counted: int = calls.count
    return counted - (rows > 1)


if __name__ == "__main__":
    main()
