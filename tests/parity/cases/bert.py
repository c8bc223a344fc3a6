"""BERT and RoBERTa: bare with a pooler, and with the head of masked language models."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaModel,
)

from tests.parity.case import Inputs, ParityCase, States, mask, randomise, saved_config
from tests.parity.cases.llama import real
from unimodal.model import UnimodalForConditionalGeneration

Make = Callable[[], tuple[PreTrainedModel, dict[str, Any]]]


def encoder(model: type[PreTrainedModel], config: type[Any], **settings: Any) -> Make:
    sizes = {"vocab_size": 61, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3}

    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        made = model(config(**sizes, num_attention_heads=4, max_position_embeddings=40, **settings))
        randomise(made)
        return made.eval(), saved_config(made.config, architectures=[model.__name__])

    return make


def typed(*, padding: int, num_types: int, left: bool = False) -> Inputs:
    kept = mask([31, 12, 1])
    kept = kept.flip(1) if left else kept
    ids = torch.where(kept.bool(), torch.randint(4, 61, kept.shape), padding)
    types = torch.randint(0, num_types, kept.shape)
    return {"input_ids": ids, "attention_mask": kept, "token_type_ids": types}


def run_body(model: PreTrainedModel | UnimodalForConditionalGeneration, inputs: Inputs) -> States:
    output = model(**inputs, output_hidden_states=True)
    return real(inputs, output.hidden_states, output.last_hidden_state, pooled=output.pooler_output)


def run_their_head(model: PreTrainedModel, inputs: Inputs) -> States:
    output = model(**inputs, labels=masked(inputs), output_hidden_states=True)
    layers = output.hidden_states
    return real(inputs, layers, layers[-1], logits=output.logits, loss=output.loss[None])


def run_our_head(model: UnimodalForConditionalGeneration, inputs: Inputs) -> States:
    output = model(**inputs, labels=masked(inputs), output_hidden_states=True)
    layers = output.hidden_states
    return real(inputs, layers, output.last_hidden_state, logits=output.logits, loss=output.loss[None])


def masked(inputs: Inputs) -> torch.Tensor:
    asked = inputs["attention_mask"].bool() & (inputs["input_ids"] % 3 == 0)
    return torch.where(asked, inputs["input_ids"], -100)


def bare(name: str, make: Make, inputs: Callable[[], Inputs]) -> ParityCase:
    return ParityCase(name=name, make=make, inputs=inputs, theirs=run_body, ours=run_body)


def with_head(name: str, make: Make, inputs: Callable[[], Inputs]) -> ParityCase:
    return ParityCase(name=name, make=make, inputs=inputs, theirs=run_their_head, ours=run_our_head)


CASES = [
    bare("bert_pooled", encoder(BertModel, BertConfig), lambda: typed(padding=0, num_types=2)),
    with_head(
        "bert_masked",
        encoder(BertForMaskedLM, BertConfig, hidden_act="relu", type_vocab_size=3, layer_norm_eps=0.1),
        lambda: typed(padding=0, num_types=3, left=True),
    ),
    bare(
        "roberta_pooled",
        encoder(RobertaModel, RobertaConfig, type_vocab_size=1),
        lambda: typed(padding=1, num_types=1),
    ),
    bare(
        "unixcoder",
        encoder(RobertaModel, RobertaConfig, type_vocab_size=10, layer_norm_eps=1e-5),
        lambda: typed(padding=1, num_types=10),
    ),
    with_head(
        "roberta_masked",
        encoder(RobertaForMaskedLM, RobertaConfig, hidden_act="relu", pad_token_id=3),
        lambda: typed(padding=3, num_types=2, left=True),
    ),
]
