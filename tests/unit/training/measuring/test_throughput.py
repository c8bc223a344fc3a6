"""Counted operations of a batch against torch's counter, and what a run says of its use of the machine."""

import re

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from tests.unit.training.conftest import Fit, rows
from unimodal.batching import Batch, EncoderDecoder, Item, Packed, Padded, token_piece
from unimodal.config import UnimodalConfig
from unimodal.conversions.t5 import T5
from unimodal.measuring.flops import BACKWARD, ModelFlops, peak
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.objectives import total
from unimodal.objectives.cross_entropy import CrossEntropy
from unimodal.spec import load_spec, merge_specs
from unimodal.training.module import model_of


def batch(model: UnimodalForConditionalGeneration, *lengths: tuple[int, int], packed: bool = False) -> Batch:
    items = [
        Item(
            "asr", (token_piece(range(5, 5 + source)),), token_piece(range(5, 5 + target)), torch.arange(5, 5 + target)
        )
        for source, target in lengths
    ]
    packer = Packed(source=64, target=64) if packed else Padded()
    return EncoderDecoder().batch(items, packer, model.kinds)


def counted(model: UnimodalForConditionalGeneration, taken: Batch) -> float:
    objective = CrossEntropy()
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        total(objective.terms(model, model.run_batch(taken), taken)).backward()
    return float(counter.get_total_flops())


def t5() -> UnimodalForConditionalGeneration:
    from transformers import T5Config

    config = T5Config(d_model=24, d_kv=6, d_ff=40, num_layers=3, num_heads=4, vocab_size=64, dropout_rate=0.0)
    return UnimodalForConditionalGeneration(UnimodalConfig(spec=T5().config(config.to_dict())))


def repeated() -> UnimodalForConditionalGeneration:
    plan = {"plan": {"class": "unimodal.plans.repeated.Repeated", "times": 3}}
    overlay = {"spec": {"backbone": {"encoder": plan}}}
    spec = merge_specs(load_spec("configs/models/tiny.yaml"), overlay)
    return UnimodalForConditionalGeneration(UnimodalConfig(**spec))


@pytest.mark.parametrize(
    "make", [lambda: model_of("configs/models/tiny.yaml"), t5, repeated], ids=["tiny", "t5", "repeated"]
)
def test_operations_are_those_that_torch_counts(make) -> None:
    """One example without padding: then everything that runs is asked for."""
    model = make()
    flops = ModelFlops.of(model)
    for lengths in ((8, 8), (13, 29), (40, 5)):
        taken = batch(model, lengths)
        assert (1 + BACKWARD) * flops.forward(taken) == pytest.approx(counted(model, taken), rel=1e-3)


def test_padding_and_packed_neighbours_are_no_use() -> None:
    model = model_of("configs/models/tiny.yaml")
    flops = ModelFlops.of(model)
    lengths = ((13, 29), (40, 5), (3, 7))
    alone = sum(flops.forward(batch(model, each)) for each in lengths)
    for packed in (False, True):
        taken = batch(model, *lengths, packed=packed)
        assert flops.forward(taken) == pytest.approx(alone, rel=1e-9)
        assert counted(model, taken) > 1.02 * (1 + BACKWARD) * alone


def test_the_peak_is_what_a_product_of_matrices_reaches() -> None:
    found = peak(torch.device("cpu"), torch.float32)
    assert "float32 on 1 threads" in found.source
    assert 1e9 < found.flops < 1e12
    assert peak(torch.device("cpu"), torch.float32) is found  # measured once


def test_a_run_logs_and_says_its_utilisation(fit: Fit, capfd: pytest.CaptureFixture[str]) -> None:
    folder = fit("--trainer.max_steps", "6", "--trainer.val_check_interval", "100")
    shares = [float(row["model_flop_utilisation"]) for row in rows(folder)]
    assert len(shares) == 6 and all(0 < share < 1 for share in shares)
    said = re.search(r"model-FLOP utilisation ([\d.]+)% of ([\d.]+) GFLOP/s \(matrix products", capfd.readouterr().err)
    assert said is not None and 0 < float(said[1]) < 100
