"""Speed beside transformers on the T5-small shape, both with the same weights, in turns in one run: `make bench`.

A training step is forward, backward and AdamW over `batch` examples of `length` source and `length` target entries in
float32; a pass of the encoder alone stands beside it. A ratio below 1 says that ours is faster. Writes runs/bench.json.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from transformers import T5Config, T5ForConditionalGeneration

from unimodal.config import UnimodalConfig
from unimodal.conversions.t5 import T5
from unimodal.layout import Layout
from unimodal.measuring.machine import describe_run
from unimodal.measuring.measure import TimedRatio, timed_ratio
from unimodal.model import UnimodalForConditionalGeneration

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=256, help="source and target entries of an example")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("runs/bench.json"))
    options = parser.parse_args()
    torch.manual_seed(0)
    theirs = T5ForConditionalGeneration(T5Config(dropout_rate=0.0))
    ours = convert(theirs)
    both = nn.ModuleList([ours, theirs]).to(DEVICE)
    source, target = (torch.randint(4, 32000, (options.batch, options.length), device=DEVICE) for _ in range(2))
    mask = torch.ones_like(source)
    mask[1::2, options.length * 3 // 4 :] = 0  # every second source is padded by a quarter
    inputs = {"input_ids": source, "attention_mask": mask, "decoder_input_ids": target, "labels": target.roll(-1, 1)}
    with torch.no_grad():
        losses = [float(model(**inputs).loss) for model in both]
    assert abs(losses[0] - losses[1]) < 1e-4 * losses[1], f"the two models are not the same: {losses}"
    results = {
        "training step": timed_ratio(training(ours, inputs), training(theirs, inputs), options.rounds),
        "encoder pass": timed_ratio(*encoding(ours, theirs, source, mask), options.rounds),
    }
    report(results, options)


def convert(theirs: T5ForConditionalGeneration) -> UnimodalForConditionalGeneration:
    config = theirs.config.to_dict()
    model = UnimodalForConditionalGeneration(UnimodalConfig(spec=T5().config(config)))
    model.load_state_dict(T5().to_unimodal(theirs.state_dict(), config))
    return model


def training(model: nn.Module, inputs: dict[str, Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        model(**inputs).loss.backward()
        optimizer.step()
        synchronise()

    return step


def encoding(
    ours: UnimodalForConditionalGeneration, theirs: T5ForConditionalGeneration, ids: Tensor, mask: Tensor
) -> tuple[Callable[[], None], Callable[[], None]]:
    @torch.no_grad()
    def run_ours() -> None:
        ours.backbone.encode(ours.embed_tokens(ids), Layout.of_valid(mask.bool()))
        synchronise()

    @torch.no_grad()
    def run_theirs() -> None:
        theirs.encoder(input_ids=ids, attention_mask=mask)
        synchronise()

    return run_ours, run_theirs


def synchronise() -> None:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def report(results: dict[str, TimedRatio], options: argparse.Namespace) -> None:
    run: dict[str, Any] = {
        "batch": options.batch,
        "length": options.length,
        "device": DEVICE.type,
        "threads": torch.get_num_threads(),
    }
    run |= describe_run("torch", "transformers")
    written = json.dumps({**run, **{name: asdict(result) for name, result in results.items()}}, indent=2)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(written + "\n", encoding="utf-8")
    table = Table("T5-small, float32", "ours, s", "transformers, s", "ratio")
    for name, result in results.items():
        table.add_row(name, f"{result.first_seconds:.3f}", f"{result.second_seconds:.3f}", f"{result.ratio:.3f}")
    print(written)
    Console().print(table)


if __name__ == "__main__":
    main()
