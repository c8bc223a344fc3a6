"""Peak memory over the length of the source: python scripts/bench_long_input.py

A model of T5-small's shape with random float32 weights reads 8,192 and 16,384 tokens, each length in a process of its
own: by the encoder alone, with an answer of 16 tokens, with other masks and positions, in a padded batch of two, and
(a quarter of the tokens) in a training step. The peak is counted above what the loaded model holds after a short input.
A ratio of 2 is linear. Writes runs/bench_long_input.json.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import torch
from rich.console import Console
from rich.table import Table
from transformers import BartConfig, T5Config

from unimodal.config import UnimodalConfig
from unimodal.conversions.bart import Bart
from unimodal.conversions.t5 import T5
from unimodal.measuring.machine import describe_run, peak_memory, reset_peak_memory, resident_memory
from unimodal.model import UnimodalForConditionalGeneration

LENGTHS = (8192, 16384)
SHORT = 64
ANSWER = 16
ENDLESS = 1
"""The end token; answers are as long as asked for."""
Run = Callable[[UnimodalForConditionalGeneration, dict[str, torch.Tensor]], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES), help="default: all")
    parser.add_argument("--lengths", nargs=2, type=int, default=LENGTHS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/bench_long_input.json"))
    parser.add_argument("--one", nargs=2, metavar=("CASE", "LENGTH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        torch.set_num_threads(options.threads)
        print(json.dumps(asdict(measure(CASES[options.one[0]], int(options.one[1])))))
        return
    known = json.loads(options.out.read_text(encoding="utf-8"))["cases"] if options.out.is_file() else {}
    for name in options.cases:
        known[name] = compare(name, options)
        report(name, known[name])
        options.out.parent.mkdir(parents=True, exist_ok=True)
        written = {**describe_run("torch", "transformers"), "threads": options.threads, "cases": known}
        options.out.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")


@final
@dataclass(frozen=True)
class Measured:
    """One process. `square_bytes`: what the scores of one layer's self-attention would have taken whole."""

    length: int
    peak_bytes: int
    square_bytes: int
    cpu_seconds: float


@final
@dataclass(frozen=True, kw_only=True)
class Case:
    """What a model of a spec reads, and what it does then. `shares`: the rows' lengths, of the longest's."""

    spec: Callable[[int], dict[str, Any]]
    run: Run
    shares: tuple[float, ...] = (1.0,)
    divisor: int = 1


def compare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    found = []
    for length in options.lengths:
        command = [sys.executable, __file__, "--threads", str(options.threads), "--one", name, str(length)]
        found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return {"lengths": found, "ratio": found[1]["peak_bytes"] / found[0]["peak_bytes"]}


def measure(case: Case, length: int) -> Measured:
    length //= case.divisor
    torch.manual_seed(0)
    model = UnimodalForConditionalGeneration(UnimodalConfig(spec=case.spec(length)))
    model.train(False)
    case.run(model, inputs(case, SHORT))
    given = inputs(case, length)
    before = resident_memory()
    reset_peak_memory()
    began = time.process_time()
    case.run(model, given)
    heads = T5Config().num_heads
    square = len(case.shares) * heads * length**2 * 4
    return Measured(length, peak_memory() - before, square, time.process_time() - began)


def inputs(case: Case, length: int) -> dict[str, torch.Tensor]:
    real = torch.tensor([int(share * length) for share in case.shares])
    ids = torch.randint(4, 32000, (len(case.shares), length))
    return {"input_ids": ids, "attention_mask": torch.arange(length) < real[:, None]}


@torch.inference_mode()
def encode(model: UnimodalForConditionalGeneration, given: dict[str, torch.Tensor]) -> object:
    return model.encode_inputs(given)


def answer(model: UnimodalForConditionalGeneration, given: dict[str, torch.Tensor]) -> object:
    length: dict[str, Any] = {"max_new_tokens": ANSWER, "min_new_tokens": ANSWER, "eos_token_id": ENDLESS}
    ids = model.generate(given["input_ids"], given["attention_mask"], **length)
    assert ids.shape[1] == ANSWER + 1, "an answer ended early"
    return ids


def learn(model: UnimodalForConditionalGeneration, given: dict[str, torch.Tensor]) -> object:
    loss = model.train()(**given, labels=given["input_ids"][:, :ANSWER]).loss
    loss.backward()
    return loss


def t5(length: int, **changes: Any) -> dict[str, Any]:
    spec = T5().config(T5Config().to_dict())
    spec["backbone"]["encoder"] |= changes
    return spec


def bart(length: int) -> dict[str, Any]:
    """BART's norms, biases and learned positions in T5-small's shape."""
    sizes: dict[str, Any] = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (("layers", 6), ("attention_heads", 8), ("ffn_dim", 2048))
    }
    config = BartConfig(d_model=512, vocab_size=32128, max_position_embeddings=length, **sizes)
    return Bart().config(config.to_dict())


WINDOW = {"class": "unimodal.masks.window.Window", "width": 257, "ahead": 256}
ROTARY = "unimodal.positions.rotary.Rotary"
CASES = {
    "encoder": Case(spec=t5, run=encode),
    "answer": Case(spec=t5, run=answer),
    "padded": Case(spec=t5, run=answer, shares=(1.0, 0.6)),
    "learned": Case(spec=bart, run=answer),
    "learned-padded": Case(spec=bart, run=answer, shares=(1.0, 0.6)),
    "window": Case(spec=lambda length: t5(length, mask=WINDOW), run=encode),
    "rotary": Case(spec=lambda length: t5(length, position=ROTARY), run=encode),
    "training": Case(spec=t5, run=learn, divisor=4),
}


def report(name: str, found: dict[str, Any]) -> None:
    shown = Table("tokens", "peak, MB", "scores of one layer, MB", "CPU seconds", title=f"{name}: {found['ratio']:.2f}")
    for row in found["lengths"]:
        values = (row["length"], row["peak_bytes"] / 1e6, row["square_bytes"] / 1e6, row["cpu_seconds"])
        shown.add_row(*(f"{value:,.0f}" for value in values))
    Console().print(shown)


if __name__ == "__main__":
    main()
