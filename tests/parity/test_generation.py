"""Every field of a generation config: the ids are those of transformers' `generate`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel

import unimodal
from tests.parity.case import token_prompts
from tests.parity.cases import llama
from tests.parity.cases.t5 import t5
from unimodal.decoding.generation_config import FIELDS, NEUTRAL, GenerationRequest, Told
from unimodal.loading.foreign import Checkpoint
from unimodal.samplers.sampling import Sampling

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # transformers' advice on lengths

END = 1
BEAMS = {"num_beams": 4}

# Options beside others: the ids must be those of transformers, and others than without them.
CASES: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = [
    ({}, {"max_new_tokens": 5}),
    ({}, {"max_length": 7, "max_new_tokens": None}),
    ({}, {"max_new_tokens": None}),
    ({}, {"min_length": 12}),
    ({}, {"min_new_tokens": 12}),
    (BEAMS, {"min_length": 9}),
    ({}, BEAMS),
    ({"num_beams": 2, "length_penalty": 2.0}, {"early_stopping": True}),
    ({"num_beams": 2, "length_penalty": 2.0}, {"early_stopping": "never"}),
    ({}, {"early_stopping": "never", "num_beams": 3, "length_penalty": 2.0}),
    (BEAMS, {"length_penalty": 2.0}),
    (BEAMS, {"length_penalty": -1.0}),
    (BEAMS, {"num_return_sequences": 3}),
    ({}, {"repetition_penalty": 1.7}),
    (BEAMS, {"repetition_penalty": 0.6}),
    ({}, {"no_repeat_ngram_size": 1}),
    (BEAMS, {"no_repeat_ngram_size": 2}),
    ({}, {"encoder_repetition_penalty": 1.8}),
    (BEAMS, {"encoder_repetition_penalty": 0.5}),
    ({}, {"encoder_no_repeat_ngram_size": 1}),
    (BEAMS, {"encoder_no_repeat_ngram_size": 1}),
    ({}, {"bad_words_ids": [[45], [5, 6], [END]]}),
    ({}, {"forced_bos_token_id": 9}),
    (BEAMS, {"forced_bos_token_id": 9, "begin_suppress_tokens": [5, 6]}),
    (BEAMS, {"forced_eos_token_id": 7, "max_new_tokens": 6}),
    ({}, {"forced_eos_token_id": [7, 8]}),
    (BEAMS, {"suppress_tokens": list(range(10, 40))}),
    ({"suppress_tokens": list(range(10, 40)), **BEAMS}, {"renormalize_logits": True}),
    ({}, {"eos_token_id": [END, *range(10, 20)], "pad_token_id": 2}),
    (BEAMS, {"eos_token_id": [END, 12, 13]}),
    ({}, {"eos_token_id": None}),
    ({}, {"decoder_start_token_id": 5}),
    ({"decoder_start_token_id": None}, {"bos_token_id": 6}),
    ({}, {"decoder_start_token_id": [5, 6, 7]}),
    ({}, {"decoder_input_ids": torch.tensor([[0, 5, 6], [0, 7, 8], [0, 7, 9]])}),
    (BEAMS, {"decoder_input_ids": torch.tensor([[5, 6], [7, 8], [7, 9]]), "forced_bos_token_id": 9}),
]


def checkpoint(theirs: PreTrainedModel, config: dict[str, Any], folder: Path) -> tuple[PreTrainedModel, Checkpoint]:
    theirs.save_pretrained(folder)
    loaded = unimodal.load(folder)
    assert isinstance(loaded, Checkpoint)
    return theirs, loaded


@pytest.fixture(scope="module")
def encoder_decoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreTrainedModel, Checkpoint]:
    """With answers that end by themselves, some after a while."""
    torch.manual_seed(0)
    theirs, config = t5(tied=True, num_layers=2)()
    with torch.no_grad():
        theirs.shared.weight *= 0.35
        theirs.shared.weight[END] *= 2.2
    return checkpoint(theirs, config, tmp_path_factory.mktemp("t5"))


@pytest.fixture(scope="module")
def decoder_alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreTrainedModel, Checkpoint]:
    torch.manual_seed(0)
    theirs, config = llama.decoder(LlamaForCausalLM, LlamaConfig)()
    with torch.no_grad():
        theirs.lm_head.weight *= 0.3
        theirs.lm_head.weight[2] *= 2
    return checkpoint(theirs, config, tmp_path_factory.mktemp("llama"))


def both(
    models: tuple[PreTrainedModel, Checkpoint], inputs: Mapping[str, Tensor], options: Mapping[str, Any]
) -> tuple[Tensor, Tensor]:
    theirs, ours = models
    return theirs.generate(**inputs, **options), ours.generate(**inputs, **options)


@pytest.mark.parametrize(("beside", "options"), CASES, ids=[f"{b}{o}"[:70] for b, o in CASES])
def test_ids_are_those_of_transformers(
    encoder_decoder: tuple[PreTrainedModel, Checkpoint], beside: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    torch.manual_seed(1)
    inputs, beside = token_prompts(), {"max_new_tokens": 24, **beside}
    expected, found = both(encoder_decoder, inputs, {**beside, **options})
    assert torch.equal(found, expected)
    if beside.get("decoder_start_token_id", 0) is not None:
        assert not torch.equal(encoder_decoder[0].generate(**inputs, **beside), expected)


ALONE: list[Mapping[str, Any]] = [
    {},
    {"max_length": 20},
    {"max_new_tokens": 9, "min_length": 21},
    {"max_new_tokens": 20, "num_beams": 4},
    {"max_new_tokens": 20, "num_beams": 3, "num_return_sequences": 2, "early_stopping": True},
    {"max_new_tokens": 20, "repetition_penalty": 1.5},
    {"max_new_tokens": 20, "no_repeat_ngram_size": 2, "num_beams": 3},
    {"max_new_tokens": 20, "encoder_repetition_penalty": 2.0},
    {"max_new_tokens": 20, "encoder_no_repeat_ngram_size": 2},
    {"max_new_tokens": 20, "bad_words_ids": [[4, 5], [6]], "begin_suppress_tokens": list(range(30))},
    {"max_new_tokens": 8, "forced_eos_token_id": 2, "eos_token_id": [2, 9], "num_beams": 2},
]


@pytest.mark.parametrize("options", ALONE, ids=str)
def test_ids_of_a_decoder_alone_are_those_of_transformers(
    decoder_alone: tuple[PreTrainedModel, Checkpoint], options: Mapping[str, Any]
) -> None:
    expected, found = both(decoder_alone, llama.prompts(), options)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("options", ALONE, ids=str)
def test_padding_on_the_right_changes_no_answer(
    decoder_alone: tuple[PreTrainedModel, Checkpoint], options: Mapping[str, Any]
) -> None:
    left = llama.prompts()
    turns = left["attention_mask"].sum(1).tolist()
    right = {name: torch.stack([r.roll(t) for r, t in zip(x, turns, strict=True)]) for name, x in left.items()}
    _, ours = decoder_alone
    width = left["input_ids"].shape[1]
    if "encoder_repetition_penalty" not in options and "encoder_no_repeat_ngram_size" not in options:
        assert torch.equal(ours.generate(**right, **options)[:, width:], ours.generate(**left, **options)[:, width:])


def test_a_checkpoints_own_config_is_obeyed(tmp_path: Path) -> None:
    """What a summariser's `generation_config.json` holds, under options and under a config that is given."""
    torch.manual_seed(0)
    theirs, config = t5(tied=True, num_layers=2)()
    with torch.no_grad():
        theirs.shared.weight *= 0.35
    own = {"num_beams": 3, "early_stopping": True, "forced_bos_token_id": 9, "forced_eos_token_id": END}
    own |= {"length_penalty": 2.0, "max_length": 14, "min_length": 5, "no_repeat_ngram_size": 3}
    theirs.generation_config.update(**own)
    models, inputs = checkpoint(theirs, config, tmp_path), token_prompts()
    options: list[dict[str, Any]] = [
        {},
        {"forced_bos_token_id": None},
        {"num_beams": 1, "max_length": 9},
        {"max_new_tokens": 20},
        {"generation_config": GenerationConfig(num_beams=2, max_length=8)},
    ]
    found = []
    for asked in options:
        expected, ids = both(models, inputs, asked)
        assert torch.equal(ids, expected), asked
        found.append(ids.tolist())
    assert all(found[first] != found[second] for first in range(len(found)) for second in range(first))


DRAWN: list[Mapping[str, Any]] = [
    {},
    {"temperature": 0.7},
    {"top_k": 5, "temperature": 1.5},
    {"top_k": 0, "top_p": 0.6},
    {"top_k": None, "min_p": 0.1},
    {"typical_p": 0.4},
    {"epsilon_cutoff": 0.02},
    {"eta_cutoff": 0.05},
    {"temperature": 2.0, "top_k": 30, "top_p": 0.9, "min_p": 0.02, "typical_p": 0.8, "epsilon_cutoff": 0.01},
]


@pytest.mark.parametrize("options", DRAWN, ids=str)
def test_what_is_drawn_from_is_what_transformers_draws_from(
    encoder_decoder: tuple[PreTrainedModel, Checkpoint], options: Mapping[str, Any]
) -> None:
    theirs, ours = encoder_decoder
    asked = {"do_sample": True, "max_new_tokens": 1, **options}
    logits, prompt = torch.randn(20, 61) * 2, torch.zeros(20, 1, dtype=torch.long)
    request = GenerationRequest(ours.model.generation_config, options=asked)
    sampler = request.decoding(Told(prompt, None, 61), limit=20).sampler
    assert isinstance(sampler, Sampling)
    config, _ = theirs._prepare_generation_config(None, **asked)
    theirs._prepare_special_tokens(config)
    expected = theirs._get_logits_processor(config, input_ids_seq_length=1)(prompt, logits.clone())
    found = sampler.warp(logits)
    torch.testing.assert_close(found, expected)
    assert torch.equal(found == -torch.inf, expected == -torch.inf)


def test_torchs_seed_decides_what_is_drawn(encoder_decoder: tuple[PreTrainedModel, Checkpoint]) -> None:
    _, ours = encoder_decoder
    inputs = token_prompts()

    def drawn(seed: int) -> list[list[int]]:
        torch.manual_seed(seed)
        options = {"do_sample": True, "num_return_sequences": 3, "temperature": 3.0, "max_new_tokens": 8}
        rows: list[list[int]] = ours.generate(**inputs, **options).tolist()
        return rows

    first = drawn(1)
    assert len(first) == 9 and len({tuple(row) for row in first}) == 9
    assert drawn(1) == first != drawn(2)


def test_answers_to_one_row_are_drawn_as_if_it_stood_there_often(
    encoder_decoder: tuple[PreTrainedModel, Checkpoint],
) -> None:
    _, ours = encoder_decoder
    inputs = {"input_ids": torch.tensor([[5, 6, 7]])}
    options = {"do_sample": True, "max_new_tokens": 2, "top_k": 4}
    once = ours.generate(**inputs, **options, num_return_sequences=2000)
    often = ours.generate(inputs["input_ids"].expand(2000, -1), **options)
    for place in (1, 2):
        counts = [torch.bincount(ids[:, place], minlength=61) / 2000 for ids in (once, often)]
        assert (counts[0] - counts[1]).abs().max() < 0.06


def test_our_own_models_write_longer_answers_where_nothing_is_said() -> None:
    from tests.laws.tiny import model_of, model_spec

    own = model_of(model_spec("encoder_decoder"))
    found = own.generate(torch.tensor([[5, 6]]), bad_words_ids=[[4, 4]], suppress_tokens=[own.vocabulary.end])
    assert found.shape[1] == 257


HEARD = {name for beside, options in CASES for name in (*beside, *options)} | {
    name for options in DRAWN for name in ("do_sample", *options)
}
# Speed, memory and what is returned beside the ids; or read only where a refused field asks for it.
WITHOUT_EFFECT = {
    "_from_model_config",
    "assistant_confidence_threshold",
    "assistant_ensemble_weight",
    "assistant_lookbehind",
    "cache_config",
    "compile_config",
    "continuous_batching_config",
    "disable_compile",
    "is_assistant",
    "max_cache_len",
    "max_matching_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "prefill_chunk_size",
    "speculation_type",
    "target_lookbehind",
    "transformers_version",
    "use_cache",
}


def test_every_field_is_heard_refused_or_without_effect() -> None:
    assert HEARD - {"decoder_input_ids"} | NEUTRAL.keys() | WITHOUT_EFFECT == FIELDS
    assert not NEUTRAL.keys() & (HEARD | WITHOUT_EFFECT)


REFUSED: dict[str, Any] = {
    "assistant_early_exit": 2,
    "cache_implementation": "quantized",
    "constraints": [1],
    "diversity_penalty": 0.5,
    "dola_layers": "high",
    "exponential_decay_length_penalty": (3, 1.1),
    "force_words_ids": [[5]],
    "guidance_scale": 1.5,
    "low_memory": True,
    "max_time": 2.0,
    "num_beam_groups": 2,
    "penalty_alpha": 0.6,
    "prompt_lookup_num_tokens": 3,
    "remove_invalid_values": True,
    "return_dict_in_generate": True,
    "sequence_bias": [[[5], 1.0]],
    "stop_strings": ["."],
    "token_healing": True,
    "top_h": 0.4,
    "use_mtp": True,
    "watermarking_config": {"bias": 2.0},
}


@pytest.mark.parametrize("name", NEUTRAL)
def test_what_ours_lacks_is_refused_by_name(encoder_decoder: tuple[PreTrainedModel, Checkpoint], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: .* is not offered here$"):
        encoder_decoder[1].generate(**token_prompts(), **{name: REFUSED[name]})


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"num_beems": 2}, "^num_beems: is no field of a generation config, and no input of the model"),
    ({"num_return_sequences": 2}, "^num_return_sequences: greedy decoding finds one answer, not 2"),
    ({"num_beams": 2, "num_return_sequences": 3}, "^num_return_sequences: 2 beams give 1 to 2 answers, not 3"),
    ({"num_beams": 2, "early_stopping": "soon"}, "^early_stopping: expected true, false or 'never', not 'soon'"),
    ({"max_length": 1}, "^max_length: 1 leaves no room for an answer"),
    ({"decoder_start_token_id": [5, 6]}, "^decoder_start_token_id: 2 tokens for 3 rows"),
    ({"decoder_start_token_id": None, "bos_token_id": None}, "^decoder_start_token_id: nothing names the token"),
    ({"forced_bos_token_id": 61}, "^forced_bos_token_id: 61 is outside the vocabulary's 61"),
    ({"bad_words_ids": [[5], [61]]}, "^bad_words_ids: 61 is outside the vocabulary's 61"),
    ({"bad_words_ids": [[]]}, "^bad_words_ids: one of them has no token"),
    ({"repetition_penalty": 0.0}, "^repetition_penalty: must be above 0, not 0.0"),
    ({"num_beams": 0}, "^num_beams: must be at least 1, not 0"),
]


@pytest.mark.parametrize(("options", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_is_one_line(
    encoder_decoder: tuple[PreTrainedModel, Checkpoint], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        encoder_decoder[1].generate(**token_prompts(), **options)
    assert "\n" not in str(caught.value)


def test_nothing_to_go_on_from_is_named(
    encoder_decoder: tuple[PreTrainedModel, Checkpoint], decoder_alone: tuple[PreTrainedModel, Checkpoint]
) -> None:
    with pytest.raises(ValueError, match="^input_ids or inputs_embeds: the encoder reads it, and none is given"):
        encoder_decoder[1].generate(max_new_tokens=2)
    with pytest.raises(ValueError, match="^input_ids: a decoder alone goes on from them, and none are given"):
        decoder_alone[1].generate(max_new_tokens=2)
