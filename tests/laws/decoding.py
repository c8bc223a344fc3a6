"""Tiny models with lively answers, and what a full pass says of an answer: shared by the laws of decoding.

l tokens of an answer, v vocabulary
"""

import functools
import itertools
from typing import final

import pytest
import torch
from torch import Tensor

from tests.laws.tiny import POST, model_of, model_spec
from unimodal.batching import IGNORED, Item, Padded, token_piece
from unimodal.decoding.generate import Decoding, Prompt, write_tokens
from unimodal.guides import Guide
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.samplers import Sampler
from unimodal.samplers.greedy import Greedy

LEARNED = {"class": "unimodal.positions.learned.Learned", "longest": 64}
SPECS = {
    "t5": model_spec("encoder_decoder"),
    "post_norm_learned": model_spec("encoder_decoder", norms=POST, position=LEARNED),
    "post_norm_sinusoidal": model_spec(
        "encoder_decoder", norms=POST, position="unimodal.positions.sinusoidal.Sinusoidal"
    ),
    "rotary_decoder": model_spec("causal_decoder", position="unimodal.positions.rotary.Rotary", tied=False),
    "prefix_decoder": model_spec("prefix_decoder"),
}
END, START = 1, 3
every_model = pytest.mark.parametrize("name", SPECS)


@final
class Noise(Guide[tuple[int, Tensor]]):
    """Adds noise that depends on the step and the last token, so that answers wander and end at different lengths."""

    def __init__(self, tokens: int) -> None:
        self.table = torch.randn(64, tokens, tokens, generator=torch.Generator().manual_seed(5)).double() * 3
        self.table[..., END] = 4 * self.table[..., END] - 6
        self.table[0] *= 0.1  # the prompt decides where an answer begins
        self.table[0, :, END] = -30

    def start(self, rows: int, device: torch.device | None = None) -> tuple[int, Tensor]:
        return 0, torch.full((rows,), START)

    def adjust(self, logits: Tensor, state: tuple[int, Tensor]) -> Tensor:
        return logits + self.table[state[0], state[1]]

    def advance(self, state: tuple[int, Tensor], tokens: Tensor) -> tuple[int, Tensor]:
        return state[0] + 1, tokens

    def take(self, state: tuple[int, Tensor], rows: Tensor) -> tuple[int, Tensor]:
        return state[0], state[1][rows]


TOKENS = 8
NOISE = Noise(TOKENS)


def noisy(sampler: Sampler, limit: int = 9) -> Decoding:
    return Decoding(sampler, guides=[NOISE], limit=limit)


def lively(model: UnimodalForConditionalGeneration) -> UnimodalForConditionalGeneration:
    """In float64, with answers that depend on the prompt: norms near one, and loud input."""
    for part, parameter in model.named_parameters():
        if "norm" in part:
            parameter.data = 0.2 * parameter.data + (1 if part.endswith("weight") else 0)
        elif part == "embedding.weight" or ".reads." in part:
            parameter.data *= 3
    return model.double()


def random_model(name: str, seed: int) -> UnimodalForConditionalGeneration:
    torch.manual_seed(seed)
    vocabulary = {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": TOKENS - 1}, {"task": ["a"]}]}
    return lively(model_of({**SPECS[name], "vocabulary": vocabulary}))


LENGTHS = (7, 1, 17, 3, 4, 5)
"""Entries of the prompts."""


def items(model: UnimodalForConditionalGeneration, *lengths: int) -> list[Item]:
    return [Item("", (token_piece(torch.randint(4, len(model.vocabulary), (length,))),)) for length in lengths]


@functools.cache
def model_and_items(name: str) -> tuple[UnimodalForConditionalGeneration, list[Item]]:
    """The first random model whose answers to some random items end at three different lengths or more."""
    for seed in itertools.count():
        tiny = random_model(name, seed)
        asked = items(tiny, *LENGTHS)
        if len({len(best.tokens) for (best,) in write_tokens(tiny, Prompt.of(tiny, asked), noisy(Greedy()))}) > 2:
            return tiny, asked
    raise AssertionError


@torch.no_grad()
def full_pass(model: UnimodalForConditionalGeneration, asked: list[Item], answers: list[list[int]]) -> list[Tensor]:
    """Logits [l, v] of the token at each place of each item's answer, by one pass without a cache."""
    taught = [
        Item("", item.prompt, token_piece([START, *answer[:-1]]), torch.tensor(answer))
        for item, answer in zip(asked, answers, strict=True)
    ]
    batch = model.arrangement.batch(taught, Padded(), model.kinds)
    logits = model.logits(model.run_batch(batch).written.last)
    return [row[labels != IGNORED] for row, labels in zip(logits, batch.labels, strict=True)]


def chances(model: UnimodalForConditionalGeneration, asked: list[Item], answers: list[list[int]]) -> list[Tensor]:
    """Log-probabilities [l, v] under the noise."""
    return [
        (logits + NOISE.table[torch.arange(len(answer)), torch.tensor([START, *answer[:-1]])]).log_softmax(-1)
        for logits, answer in zip(full_pass(model, asked, answers), answers, strict=True)
    ]


def scores(model: UnimodalForConditionalGeneration, asked: list[Item], answers: list[list[int]]) -> list[float]:
    """The log-probability of each item's answer under the noise."""
    return [
        found.gather(1, torch.tensor(answer)[:, None]).sum().item()
        for found, answer in zip(chances(model, asked, answers), answers, strict=True)
    ]
