"""The models of `scripts.bench_decoding`: well-known shapes with random weights, and what a step reads of them.

b rows, s entries of a source, v vocabulary
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from scripts.contenders import Rows

SPECIAL = 4
"""Tokens below are no part of a source."""
LOOKED_UP = ("embed_tokens", "embed_positions")
FIRST_READ = ("k", "v", "k_proj", "v_proj")
"""Maps of a cross-attention that run once a source, not once a token."""


@final
@dataclass(frozen=True, kw_only=True)
class Shape:
    """One model. `make` gives it in transformers' classes; `quick` is a tiny one of the same kind, for tests."""

    name: str
    make: Callable[[bool], Any]
    end: int
    special: dict[str, int]

    def write(self, folder: Path, *, quick: bool, seed: int = 0) -> None:
        """A checkpoint of transformers' whose answers never end, with a tokenizer that spells token 7 as `<7>`."""
        import torch
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel
        from transformers import PreTrainedTokenizerFast

        torch.manual_seed(seed)
        model = self.make(quick)
        with torch.no_grad():
            _enliven(model)
            # Its score is always 0, where the best of thousands is well above: the end token is looked for as ever,
            # and nobody has to forbid it in his own way, at his own price.
            model.get_input_embeddings().weight[self.end] = 0
        model.save_pretrained(folder)
        names = {f"<{token}>": token for token in range(model.config.vocab_size)}
        special = {name: f"<{token}>" for name, token in self.special.items()}
        words = Tokenizer(WordLevel(names, unk_token=special["unk_token"]))
        make: Callable[..., Any] = PreTrainedTokenizerFast
        make(tokenizer_object=words, **special).save_pretrained(folder)

    def sources(self, rows: int, length: int, *, quick: bool, seed: int) -> Rows:
        """Random tokens."""
        from random import Random

        draw, size = Random(seed), self._skeleton(quick).config.vocab_size
        return [[draw.randrange(SPECIAL, size) for _ in range(length)] for _ in range(rows)]

    def traffic(self, *, quick: bool) -> "Traffic":
        """Counted from the model's parameters."""
        model = self._skeleton(quick)
        decoder, table = model.get_decoder(), model.get_input_embeddings().weight
        read = sum(
            parameter.numel()
            for name, parameter in decoder.named_parameters()
            if name.split(".")[-2] not in LOOKED_UP and not _is_read_first(name)
        )
        config = model.config
        entry = 2 * config.num_hidden_layers * config.num_attention_heads * _head_width(config) * 4
        return Traffic(weights=read + table.numel(), entry_bytes=entry)

    def _skeleton(self, quick: bool) -> Any:
        import torch

        with torch.device("meta"):
            return self.make(quick)


@final
@dataclass(frozen=True)
class Traffic:
    """What one step of decoding cannot help reading."""

    weights: int
    """Of the decoder and the head; embeddings that are looked up are next to nothing."""
    entry_bytes: int
    """Float32 keys and values of one entry in all layers."""

    def step_bytes(self, weight_bytes: float, *, examples: int, width: int, source: int, num_tokens: int) -> float:
        """The mean over an answer's steps: weights once, each example's source once, each row's own entries."""
        own = (num_tokens + 1) / 2
        return self.weights * weight_bytes + self.entry_bytes * examples * (source + width * own)


def _is_read_first(name: str) -> bool:
    cross = "EncDecAttention" in name or "encoder_attn." in name
    return cross and name.split(".")[-2] in FIRST_READ


def _head_width(config: Any) -> int:
    width: int = config.d_kv if config.model_type == "t5" else config.d_model // config.num_attention_heads
    return width


def _enliven(model: Any) -> None:
    """Weights whose answers vary: with usual ones a random decoder repeats one token, which any bug would do, too.

    Attention is sharp, so that a state depends on single entries; T5's looks at certain distances, BART's states
    depend on their positions.
    """
    for name, parameter in model.named_parameters():
        part = name.split(".")[-2]
        if part == "relative_attention_bias":
            parameter.mul_(100)
        elif part in ("o", "q"):
            parameter.mul_(8 if part == "o" else 3)
        elif part == "embed_positions":
            parameter.mul_(4)
        elif part in BART_GAINS and parameter.dim() == 2:
            parameter.normal_(0, BART_GAINS[part] * parameter.shape[1] ** -0.5)


BART_GAINS = {"q_proj": 2.0, "k_proj": 2.0, "v_proj": 0.7, "out_proj": 0.7, "fc1": 1.0, "fc2": 1.0}


def _t5_small(quick: bool) -> Any:
    from transformers import T5Config, T5ForConditionalGeneration

    settings: dict[str, Any] = {"decoder_start_token_id": 0}
    if quick:
        settings |= {"vocab_size": 256, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
    model: Any = T5ForConditionalGeneration(T5Config(**settings))
    return model.eval()


def _bart_base(quick: bool) -> Any:
    from transformers import BartConfig, BartForConditionalGeneration

    width, depth, heads, hidden = (32, 2, 4, 64) if quick else (768, 6, 12, 3072)
    settings: dict[str, Any] = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (("layers", depth), ("attention_heads", heads), ("ffn_dim", hidden))
    }
    settings |= {"vocab_size": 256 if quick else 50265, "d_model": width, "forced_eos_token_id": None}
    settings["normalize_before"] = False  # CTranslate2's converter asks for it; bart-base's own config.json has it
    model: Any = BartForConditionalGeneration(BartConfig(**settings))
    return model.eval()


SHAPES = (
    Shape(name="T5-small", make=_t5_small, end=1, special={"pad_token": 0, "eos_token": 1, "unk_token": 2}),
    Shape(
        name="BART-base",
        make=_bart_base,
        end=2,
        special={"bos_token": 0, "pad_token": 1, "eos_token": 2, "unk_token": 3},
    ),
)
