"""Real weights, as packages bring them: sentence vectors of MiniLM, what SmolLM2 writes."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel, AutoModelForCausalLM

import unimodal
from unimodal.tasks.corpora import CorpusUnavailable
from unimodal.tasks.pretrained import MINILM, SMOLLM2, Pretrained

SENTENCES = [
    "The cat sat on the mat.",
    "A cat was sitting on a rug.",
    "Rain.",
    "Encoders of sentences put what means the same close together, however long the words that say it may be.",
    "def mean(values): return sum(values) / len(values)",
    "Le chat dort.",
]
PROMPTS = [
    "The capital of France is",
    "Water boils at",
    "Once upon a time, in a village by the sea,",
    "def fibonacci(n):\n",
    "The three primary colours are",
    "Dear Sir or Madam,\n",
    "In 1969, Neil Armstrong",
    "Photosynthesis is the process by which",
    "1, 2, 4, 8, 16,",
    "To make bread, first",
    "Q: What is the largest planet?\nA:",
    "She opened the letter and",
    "The difference between a list and a tuple in Python is",
    "My favourite season is autumn because",
    "import numpy as np\n\n# The mean of each column\n",
    "Albert Einstein was born in",
    "The best way to learn a language",
    "Roses are red,",
    "A haiku about the moon:\n",
    "Why do",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # other people's files bring other people's warnings
]


def folder_of(model: Pretrained) -> Path:
    try:
        return model.fetch()
    except CorpusUnavailable as problem:
        pytest.skip(str(problem))


@torch.no_grad()
def test_sentence_vectors_of_minilm_are_the_same() -> None:
    folder = folder_of(MINILM)
    ours, theirs = unimodal.load(folder), AutoModel.from_pretrained(folder).eval()
    inputs = ours.tokenizer(SENTENCES, padding=True, return_tensors="pt")

    def vectors(hidden: Tensor) -> Tensor:
        kept = inputs["attention_mask"][..., None]
        return functional.normalize((hidden * kept).sum(1) / kept.sum(1), dim=-1)

    found, expected = ours.model(**inputs), theirs(**inputs)
    first, second = vectors(found.last_hidden_state), vectors(expected.last_hidden_state)
    assert (first - second).abs().max() <= 1e-4
    assert (found.pooler_output - expected.pooler_output).abs().max() <= 1e-4
    near = first @ first.T - 2 * torch.eye(len(SENTENCES))
    assert near[0].argmax() == 1 and near[1].argmax() == 0


@torch.no_grad()
def test_smollm2_writes_the_same_tokens() -> None:
    """In batches of prompts of many lengths, so that padding is tried as well; the end token is put off to the end."""
    folder = folder_of(SMOLLM2)
    ours = unimodal.load(folder, dtype=torch.float32)
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer, length = ours.tokenizer, 64
    tokenizer.padding_side = "left"
    for first in range(0, len(PROMPTS), 10):
        prompts = tokenizer(PROMPTS[first : first + 10], padding=True, return_tensors="pt")
        options = {"max_new_tokens": length, "min_new_tokens": length}
        found, expected = ours.generate(**prompts, **options), theirs.generate(**prompts, **options)
        assert expected.shape[1] == prompts["input_ids"].shape[1] + length
        assert found.tolist() == expected.tolist()
    (asked,) = tokenizer([PROMPTS[0]], return_tensors="pt")["input_ids"]
    answer = ours.generate(asked[None], max_new_tokens=8)[0, len(asked) :]
    assert "Paris" in tokenizer.decode(answer)
