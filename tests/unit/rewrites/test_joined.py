"""Joined maps: one product for several, each share given once, biases that only some maps have, and what is refused."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import T5Config, T5ForConditionalGeneration

from tests.laws.tiny import model_of, model_spec
from unimodal.adapters.lora import Lora
from unimodal.loading.foreign import Checkpoint
from unimodal.loading.hub import load
from unimodal.mixers.attention import SelfAttention
from unimodal.precision.dtypes import INT4, INT8, quantize
from unimodal.rewrites import rewrite
from unimodal.rewrites.joined import Joined, Product, Share

JOINED = "unimodal.rewrites.joined.Joined"


def test_it_says_what_it_joined() -> None:
    model = model_of(model_spec("encoder_decoder"))
    report = Joined().apply(model)
    below = "backbone.decoder.blocks.1"
    assert {path for path in report.replaced if path.startswith(below)} == {
        *(f"{below}.mixer.{name}" for name in ("query", "key", "value")),
        *(f"{below}.reads.encoder.{name}" for name in ("key", "value")),
        *(f"{below}.feedforward.{name}" for name in ("gate", "up")),
    }
    assert isinstance(model.backbone.decoder.blocks[1].reads["encoder"].query, nn.Linear)


@torch.no_grad()
def test_one_product_serves_all_that_ask_for_it() -> None:
    maps = [nn.Linear(6, outputs, bias=biased) for outputs, biased in ((4, True), (2, False), (3, True))]
    product = Product(maps)
    shares = [Share(product, number) for number in range(3)]
    calls: list[None] = []
    product.map.register_forward_hook(lambda *_: calls.append(None))
    x, y = torch.randn(2, 5, 6), torch.randn(2, 5, 6)
    expected = [[each(given) for each in maps] for given in (x, y)]
    for given, answers in zip((x, y, x), (*expected, expected[0]), strict=True):
        for share, answer in zip(shares, answers, strict=True):
            torch.testing.assert_close(share(given), answer)
    assert len(calls) == 3
    for share, answer in zip(reversed(shares), reversed(expected[0]), strict=True):  # in any order
        torch.testing.assert_close(share(x), answer)
    assert len(calls) == 4
    torch.testing.assert_close(shares[0](x), expected[0][0])  # given away once, it is computed again
    torch.testing.assert_close(shares[0](x), expected[0][0])
    assert len(calls) == 6


@torch.no_grad()
def test_nothing_is_held_when_all_was_asked_for() -> None:
    product = Product([nn.Linear(3, 3), nn.Linear(3, 3)])
    x = torch.randn(1, 3)
    product.share(x, 0), product.share(x, 1)
    assert product._kept == (None, {})


def test_a_bias_that_only_some_maps_have_stays_away_from_the_state() -> None:
    """Whisper's keys have none."""
    mixer = SelfAttention(8, heads=2, biases=("query", "value", "out"))
    names = list(mixer.state_dict())
    model = model_of(model_spec("causal_decoder"))
    model.backbone.decoder.blocks[0].mixer = mixer
    Joined().apply(model)
    assert sorted(mixer.state_dict()) == sorted(names)
    joint = mixer.get_submodule("query_and_key_and_value.map")
    assert isinstance(joint, nn.Linear) and not joint.bias[8:16].any()
    mixer.load_state_dict({name: torch.ones_like(tensor) for name, tensor in mixer.state_dict().items()})
    assert joint.bias.tolist() == [1.0] * 8 + [0.0] * 8 + [1.0] * 8


@pytest.mark.parametrize("quantization", [INT8, INT4])
@torch.no_grad()
def test_joined_maps_are_rounded_as_they_were_alone(quantization: str) -> None:
    first = model_of(model_spec("encoder_decoder"))
    second = deepcopy(first)
    quantize(first, quantization)
    rewrite(second, [JOINED])
    quantize(second, quantization)
    state = second.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in first.state_dict().items())


def test_adapters_are_merged_first() -> None:
    model = model_of(model_spec("encoder_decoder"))
    Lora(targets=["query"], rank=2).attach(model)
    with pytest.raises(
        ValueError,
        match=r"^backbone\.encoder\.blocks\.0\.mixer\.\w+: .*cannot be joined; merge adapters into it first$",
    ):
        rewrite(model, [JOINED])


@pytest.fixture
def t5(tmp_path: Path) -> Path:
    config = T5Config(vocab_size=61, d_model=32, d_kv=8, d_ff=64, num_heads=4, num_layers=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "t5")
    return tmp_path / "t5"


def test_a_line_of_load_switches_it_on(t5: Path, tmp_path: Path) -> None:
    ids = torch.arange(2, 12).reshape(2, 5)
    options = {"max_new_tokens": 6, "num_beams": 2, "eos_token_id": 60}
    plain, joined = load(t5), load(t5, rewrites=[JOINED])
    assert isinstance(plain, Checkpoint) and isinstance(joined, Checkpoint)
    assert torch.equal(plain.generate(ids, **options), joined.generate(ids, **options))
    narrow, together = load(t5, dtype="int8"), load(t5, dtype="int8", rewrites=[Joined()])
    assert together.model.config.quantization == INT8
    assert torch.equal(narrow.generate(ids, **options), together.generate(ids, **options))
    together.save_pretrained(tmp_path / "ours")
    assert torch.equal(
        load(tmp_path / "ours", rewrites=[JOINED]).generate(ids, **options), narrow.generate(ids, **options)
    )
    with pytest.raises(ValueError, match=r"^rewrites\[0\]: unimodal.plans.sequential.Sequential is not a Rewrite$"):
        load(t5, rewrites=["unimodal.plans.sequential.Sequential"])
