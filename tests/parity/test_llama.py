"""What is the Llama-type decoders' own: padding on the right, older configs, settings that ours lack, GGUF's rows."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

import unimodal
from tests.parity.cases.llama import CASES, LLAMA3, decoder, padded
from unimodal.conversions.families import conversion_of
from unimodal.conversions.gguf import convert_gguf

cases = pytest.mark.parametrize("case", [case for case in CASES if case.prompts], ids=lambda case: case.name)


@cases
@torch.no_grad()
def test_padding_on_the_right_changes_no_answer(case: Any, tmp_path: Path) -> None:
    """transformers goes on behind the padding; ours goes on behind the text, as transformers does of the text alone."""
    theirs = case.save(tmp_path)
    ours = unimodal.load(tmp_path)
    prompts = padded([14, 5, 1], left=False)
    for decoding in case.decodings:
        options = {"max_new_tokens": 12, **decoding}
        found = ours.generate(**prompts, **options)[:, prompts["input_ids"].shape[1] :]
        for row, kept in enumerate(prompts["attention_mask"].bool()):
            alone = prompts["input_ids"][row, kept][None]
            expected = theirs.generate(alone, attention_mask=torch.ones_like(alone), **options)
            answer = expected[0, alone.shape[1] :]
            assert found[row, : len(answer)].tolist() == answer.tolist()


def config_of(name: str, **changes: Any) -> dict[str, Any]:
    case = next(case for case in CASES if case.name == name)
    return {**case.make()[1], **changes}


def rotary(config: dict[str, Any]) -> dict[str, Any]:
    position: dict[str, Any] = conversion_of(config).config(config)["backbone"]["decoder"]["position"]
    return position


def test_older_files_spell_rotary_positions_otherwise() -> None:
    today = rotary(config_of("llama_tied"))
    scaling = {name: value for name, value in LLAMA3.items() if name != "rope_theta"}
    older = config_of("llama_tied", rope_theta=500.0, rope_scaling=scaling)
    del older["rope_parameters"]
    assert rotary(older) == today and today["base"] == 500.0 and today["scaling"]["slow_turns"] == 1.0
    del older["rope_theta"], older["rope_scaling"]
    assert rotary(older) == {**today, "base": 10000.0, "scaling": None}


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("llama_tied", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope_type: 'yarn' is none of"),
        ("llama_tied", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor: "),
        ("llama_tied", {"hidden_act": "quick"}, "hidden_act: 'quick' is none of"),
        ("llama_tied", {"architectures": ["LlamaForTokenClassification"]}, "architectures: 'LlamaForTokenClass"),
        ("qwen2_windows", {"layer_types": ["chunked_attention"] * 3}, "layer_types: names full_attention, sliding"),
        ("qwen2_windows", {"layer_types": ["full_attention"]}, "layer_types: names full_attention, sliding"),
    ],
)
def test_a_setting_that_ours_lack_is_named(name: str, changes: dict[str, Any], message: str) -> None:
    config = config_of(name, **changes)
    with pytest.raises(ValueError, match=message):
        conversion_of(config).config(config)


def test_rates_in_older_files_are_left_out(tmp_path: Path) -> None:
    case = CASES[0]
    case.save(tmp_path)
    file = tmp_path / "model.safetensors"
    rates = {"model.layers.1.self_attn.rotary_emb.inv_freq": torch.ones(2)}
    save_file(load_file(file) | rates, file)
    assert unimodal.load(tmp_path).model.num_parameters() > 0


def write_gguf(file: Path, model: Any) -> None:
    """A file as llama.cpp's own converter writes it: the rotary pairs of a head lie side by side."""
    from gguf import GGUFWriter

    config = model.config
    writer = GGUFWriter(file, "llama")
    writer.add_vocab_size(config.vocab_size)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["t", "1", "t1", *(f"x{place}" for place in range(3, config.vocab_size))])
    writer.add_token_merges(["t 1"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v"}
    names |= {"self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up"}
    names |= {"mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    ends = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    for name, tensor in model.state_dict().items():
        name = name.removesuffix(".weight")
        if name in ends:
            writer.add_tensor(f"{ends[name]}.weight", tensor.numpy())
            continue
        _, _, block, part = name.split(".", 3)
        if names[part] in ("attn_q", "attn_k"):
            halves = tensor.unflatten(0, (-1, 2, config.head_dim // 2))
            tensor = halves.transpose(1, 2).flatten(0, 2).contiguous()
        writer.add_tensor(f"blk.{block}.{names[part]}.weight", tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@torch.no_grad()
def test_a_gguf_file_becomes_a_folder(tmp_path: Path) -> None:
    make = decoder(LlamaForCausalLM, LlamaConfig, rope_parameters={"rope_type": "default", "rope_theta": 100.0})
    theirs, _ = make()
    write_gguf(tmp_path / "model.gguf", theirs)
    folder = tmp_path / "folder"
    folder.mkdir()
    convert_gguf(tmp_path / "model.gguf", folder, dtype=torch.float32)
    ours = unimodal.load(folder)
    ids = torch.randint(4, 61, (2, 9))
    torch.testing.assert_close(ours.model(input_ids=ids).logits, theirs(ids).logits, rtol=1e-5, atol=1e-4)
    assert ours.tokenizer.convert_ids_to_tokens([2, 17]) == ["t1", "x17"]
