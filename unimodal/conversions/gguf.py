"""GGUF, the file format of llama.cpp: a Llama-type file becomes an ordinary folder of transformers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import save_torch_state_dict
from torch import Tensor

from unimodal.loading.folder import CONFIG_FILE

if TYPE_CHECKING:
    from gguf import GGUFReader, ReaderTensor

_ENDS = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def convert_gguf(file: Path, folder: Path, *, dtype: torch.dtype = torch.bfloat16) -> None:
    """Writes config, weights, generation config and tokenizer into `folder`; quantised weights become `dtype`.

    Raises ValueError that names the field or the tensor which cannot be used.
    """
    from gguf import GGUFReader
    from transformers import AutoTokenizer

    reader = GGUFReader(file)
    config = {**_config(reader, file), "dtype": str(dtype).removeprefix("torch.")}
    states = {name: tensor.to(dtype) for name, tensor in _tensors(reader, config, file)}
    save_torch_state_dict(states, folder)
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    ids = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    (folder / "generation_config.json").write_text(json.dumps(ids, indent=2) + "\n", encoding="utf-8")
    AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, local_files_only=True).save_pretrained(folder)


def _config(reader: "GGUFReader", file: Path) -> dict[str, Any]:
    def field(name: str) -> Any:
        found = reader.get_field(name)
        if found is None:
            raise ValueError(f"{file}: {name}: is missing")
        return found.contents()

    if field("general.architecture") != "llama":
        raise ValueError(f"{file}: general.architecture: '{field('general.architecture')}' is not llama")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": field("llama.vocab_size"),
        "hidden_size": field("llama.embedding_length"),
        "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"),
        "num_attention_heads": field("llama.attention.head_count"),
        "num_key_value_heads": field("llama.attention.head_count_kv"),
        "head_dim": field("llama.rope.dimension_count"),
        "hidden_act": "silu",
        "max_position_embeddings": field("llama.context_length"),
        "rms_norm_eps": round(field("llama.attention.layer_norm_rms_epsilon"), 12),  # the file keeps 32 bits of it
        "rope_parameters": {"rope_type": "default", "rope_theta": field("llama.rope.freq_base")},
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in reader.tensors),
        "bos_token_id": field("tokenizer.ggml.bos_token_id"),
        "eos_token_id": field("tokenizer.ggml.eos_token_id"),
        "pad_token_id": field("tokenizer.ggml.padding_token_id"),
    }


def _tensors(reader: "GGUFReader", config: dict[str, Any], file: Path) -> Iterator[tuple[str, Tensor]]:
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    for tensor in reader.tensors:
        if tensor.name in _ENDS:
            yield _ENDS[tensor.name], _dequantised(tensor)
            continue
        if tensor.name.count(".") != 3 or tensor.name.split(".")[2] not in _BLOCK:
            raise ValueError(f"{file}: {tensor.name}: a Llama-type model has no such tensor")
        _, block, part, kind = tensor.name.split(".")
        weight = _dequantised(tensor)
        if part in heads:
            weight = _halved(weight, heads[part])
        yield f"model.layers.{block}.{_BLOCK[part]}.{kind}", weight


def _dequantised(tensor: "ReaderTensor") -> Tensor:
    from gguf import dequantize

    return torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())


def _halved(weight: Tensor, heads: int) -> Tensor:
    """Rows of a head whose rotary pairs lie side by side -> first the first of each pair, then the second."""
    pairs: Tensor = weight.unflatten(0, (heads, -1, 2))
    return pairs.transpose(1, 2).flatten(0, 2).contiguous()
