"""Loading SmolLM2-135M beside transformers, each in processes of its own, in turns: python scripts/bench_loading.py

`load` begins when everything is imported and ends with a model; weights may then still lie in their file, so `use` goes
on until one pass has read them all. Peaks are of resident memory, above the state before loading, over the bytes of the
weights. A ratio of seconds below 1 says that ours is faster. Writes runs/bench_loading.json.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from unimodal.measuring.machine import describe_run, peak_memory, reset_peak_memory, resident_memory

Figures = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="a checkpoint of transformers; default: SmolLM2-135M, fetched")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("runs/bench_loading.json"))
    parser.add_argument("--side", choices=LOADERS, help="measure one side in this process, and print its figures")
    options = parser.parse_args()
    folder = options.folder or _fetched()
    if options.side is not None:
        print(json.dumps(measure(LOADERS[options.side](folder), folder)))
        return
    rounds: dict[str, list[Figures]] = {side: [] for side in LOADERS}
    for number in range(options.rounds + 1):
        for side, found in rounds.items():
            figures = in_process(side, folder)
            if number:  # the first round brings the file into memory
                found.append(figures)
    medians = {
        side: {name: statistics.median(figures[name] for figures in found) for name in found[0]}
        for side, found in rounds.items()
    }
    report(medians, options.out, options.rounds)


def in_process(side: str, folder: Path) -> Figures:
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def ours(folder: Path) -> Callable[[], nn.Module]:
    from unimodal.loading.hub import load

    for part in ("conversions.llama", "mixers.attention", "feedforwards.gated", "positions.rotary", "prenets.text"):
        import_module(f"unimodal.{part}")
    return lambda: load(folder).model


def theirs(folder: Path) -> Callable[[], nn.Module]:
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    import_module("transformers.models.llama.modeling_llama")
    disable_progress_bar()  # type: ignore[no-untyped-call]
    return lambda: AutoModelForCausalLM.from_pretrained(folder, dtype="auto")


LOADERS = {"ours": ours, "transformers": theirs}


@torch.no_grad()
def measure(load: Callable[[], nn.Module], folder: Path) -> Figures:
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    reset_peak_memory()
    before, began = resident_memory(), time.perf_counter()
    model = load()
    loaded, after_load = time.perf_counter() - began, peak_memory()
    model(input_ids=torch.arange(16)[None])
    used, after_use = time.perf_counter() - began, peak_memory()
    return {
        "load seconds": loaded,
        "use seconds": used,
        "load peak": (after_load - before) / size,
        "use peak": (after_use - before) / size,
    }


def _fetched() -> Path:
    from unimodal.tasks.pretrained import SMOLLM2

    return SMOLLM2.fetch()


def report(medians: dict[str, Figures], out: Path, rounds: int) -> None:
    first, second = medians["ours"], medians["transformers"]
    ratios = {name: first[name] / second[name] for name in first if name.endswith("seconds")}
    out.parent.mkdir(parents=True, exist_ok=True)
    written = {**describe_run("torch", "transformers"), "rounds": rounds, **medians, "ratios": ratios}
    out.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    table = Table("median", *LOADERS, "ratio")
    for name in first:
        table.add_row(name, f"{first[name]:.3f}", f"{second[name]:.3f}", f"{first[name] / second[name]:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
