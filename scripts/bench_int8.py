"""int8 beside float32: speed and bytes: python scripts/bench_int8.py (bench_agreement.py compares what is answered)

Speed: a T5-small with random weights answers one source (and eight) of 32 tokens by 64, float32 and int8 in turns; a
ratio above 1 says that int8 is faster. Kernels: what torch offers for one linear map in float32, eight and four bits,
on 1, 8 and 32 tokens; with --threads 1 in processor time, which other work beside it disturbs less. Writes
runs/bench_int8.json.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from transformers import T5Config

from unimodal.config import UnimodalConfig
from unimodal.conversions.t5 import T5
from unimodal.measuring.machine import describe_run
from unimodal.measuring.measure import TimedRatio, timed_ratio
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.precision.dtypes import quantize
from unimodal.quantizations.int4 import Int4
from unimodal.quantizations.int8 import Int8, Int8Table, quantize_rows
from unimodal.tables import TokenTable

SOURCE, ANSWER = 32, 64
SHAPES = ((512, 512), (512, 1536), (512, 2048), (2048, 512), (512, 32128))
TOKENS = (1, 8, 32)
Product = Callable[[Tensor], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("speed", "kernels"), help="one of the two; default: both")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("runs/bench_int8.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    parts = {"kernels": kernels, "speed": speed}
    results: dict[str, Any] = {**describe_run("torch"), "threads": options.threads}
    for name, part in parts.items():
        if options.only in (None, name):
            results[name] = part(options)
            report(name, results[name])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def speed(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    spec = T5().config(T5Config().to_dict())
    plain, quantized = (UnimodalForConditionalGeneration(UnimodalConfig(spec=spec)) for _ in range(2))
    quantized.load_state_dict(plain.state_dict())
    quantize(quantized)
    large, saved = nbytes(plain), nbytes(quantized)
    embedding: nn.Module = quantized.embedding
    assert isinstance(embedding, Int8Table)
    held = saved + embedding.num_packed * embedding.embedding_dim
    results = {"share of float32's bytes": {"file": saved / large, "memory": held / large}}
    for batch in (1, 8):
        source = torch.randint(4, 32000, (batch, SOURCE))
        timed = timed_ratio(answering(plain, source), answering(quantized, source), options.rounds)
        results[f"batch {batch}"] = rates(timed, batch * ANSWER)
    return results


def rates(timed: TimedRatio, tokens: int) -> dict[str, float]:
    """Tokens a second."""
    return {
        "float32, tokens/s": tokens / timed.first_seconds,
        "int8, tokens/s": tokens / timed.second_seconds,
        "ratio": timed.ratio,
    }


def answering(model: UnimodalForConditionalGeneration, source: Tensor) -> Callable[[], None]:
    def answer() -> None:
        ids = model.generate(source, max_new_tokens=ANSWER, eos_token_id=1)
        assert ids.shape[1] == ANSWER + 1, "an answer ended early"

    return answer


def kernels(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Microseconds a call, the best of rounds in turns, over so many maps that their weights leave the cache."""
    warnings.filterwarnings("ignore", "torch.quantize_per")
    clock = time.process_time if options.threads == 1 else time.perf_counter
    results: dict[str, dict[str, float]] = {}
    for inputs, outputs in SHAPES:
        maps = [nn.Linear(inputs, outputs, bias=False) for _ in range(max(1, 2**23 // (inputs * outputs)))]
        products = {name: [make(linear) for linear in maps] for name, make in KERNELS.items()}
        for tokens in TOKENS:
            x = torch.randn(tokens, inputs)
            times = {name: microseconds(made, x, clock) for name, made in products.items()}
            for _ in range(options.rounds):
                times = {name: min(times[name], microseconds(made, x, clock)) for name, made in products.items()}
            results[f"{tokens} x {inputs} -> {outputs}"] = times
    return results


@torch.inference_mode()
def microseconds(products: list[Product], x: Tensor, clock: Callable[[], float]) -> float:
    begin = clock()
    for product in products:
        product(x)
    return (clock() - begin) / len(products) * 1e6


def packed(linear: nn.Linear) -> Any:
    _, scale = quantize_rows(linear.weight)
    zeros = torch.zeros(len(scale), dtype=torch.long)
    weight = torch.quantize_per_channel(linear.weight.detach(), scale[:, 0].detach(), zeros, 0, torch.qint8)
    return torch.ops.quantized.linear_prepack(weight, None)


def dynamic(linear: nn.Linear) -> Product:
    weight = packed(linear)
    return lambda x: torch.ops.quantized.linear_dynamic(x, weight)


def integers(linear: nn.Linear) -> Product:
    weight, scale = quantize_rows(linear.weight.detach())

    def product(x: Tensor) -> Tensor:
        rows, largest = quantize_rows(x)
        return torch._int_mm(rows, weight.T) * scale.T * largest

    return product


def onednn(linear: nn.Linear) -> Product:
    weight, scale = quantize_rows(linear.weight.detach())
    prepared, zeros = torch.ops.onednn.qlinear_prepack(weight, None), torch.zeros(len(scale), dtype=torch.long)
    how: tuple[Any, ...] = (1.0, 0, torch.float32, "none", [], "")

    def product(x: Tensor) -> Any:
        rows, largest = quantize_rows(x)
        unsigned = (rows.int() + 128).to(torch.uint8)
        return (
            torch.ops.onednn.qlinear_pointwise(unsigned, 1.0, 128, prepared, scale[:, 0], zeros, None, *how) * largest
        )

    return product


def reordered(linear: nn.Linear) -> Product:
    weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), 8)
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


def weight_only(linear: nn.Linear) -> Product:
    weight, scale = quantize_rows(linear.weight.detach())
    return lambda x: torch._weight_int8pack_mm(x.bfloat16(), weight, scale[:, 0].bfloat16())


def table(linear: nn.Linear) -> Product:
    tokens = TokenTable(*linear.weight.shape)
    tokens.weight = linear.weight
    product: Product = Int8().table(tokens).score  # type: ignore[assignment]
    return product


KERNELS: dict[str, Callable[[nn.Linear], Product]] = {
    "float32": lambda linear: linear,
    "float32, oneDNN's order": reordered,
    "int8": lambda linear: Int8().linear(linear),
    "int8, table": table,
    "int4 in groups of 32": lambda linear: Int4(group=32).linear(linear),
    "int4 in groups of 128": lambda linear: Int4(group=128).linear(linear),
    "linear_dynamic (one scale for all tokens)": dynamic,
    "_int_mm": integers,
    "onednn.qlinear": onednn,
    "_weight_int8pack_mm (bfloat16 products)": weight_only,
}


def nbytes(model: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def report(name: str, results: dict[str, dict[str, float]]) -> None:
    for row, values in results.items():
        shown = Table(f"{name}: {row}", "")
        for column, value in values.items():
            shown.add_row(column, f"{value:.4g}")
        Console().print(shown)


if __name__ == "__main__":
    main()
