"""The encoder's prefix: what it adds to attention, and where it cannot stand."""

from pathlib import Path

import pytest
import torch

from tests.laws import tiny
from unimodal.adapters.prefix import EncoderPrefix
from unimodal.attention import attention
from unimodal.batching import EncoderDecoder, Item, token_piece


def test_its_rows_are_keys_and_values_of_every_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under relative positions, grouped heads and padding: every query gets the rows, unshifted and unhidden."""
    model = tiny.model_of(tiny.model_spec("encoder_decoder"))
    EncoderPrefix(num_rows=3).attach(model)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    seen = []

    def spy(q, parts, pattern, *, dropout=0.0):
        out = attention(q, parts, pattern, dropout=dropout)
        seen.append((q, parts, out, [pattern.bias(q, part) for part in parts]))
        return out

    monkeypatch.setattr("unimodal.mixers.attention.attention", spy)
    items = [Item("a", (token_piece(ids),)) for ids in ([5, 6, 7, 8], [9, 10])]
    source, _ = EncoderDecoder().prompt(items, [token_piece([3])] * 2, model.kinds)
    assert source is not None
    model.encode(source)
    q, (own, prefix), out, (own_bias, prefix_bias) = seen[0]
    assert prefix_bias is None and own_bias is not None
    block = model.backbone.encoder.blocks[0].mixer
    assert torch.equal(prefix.keys.flatten(-2), block.keys.expand(2, -1, -1))
    keys = torch.cat([own.keys, prefix.keys], 1).repeat_interleave(2, 2)
    values = torch.cat([own.values, prefix.values], 1).repeat_interleave(2, 2)
    nothing = own_bias.new_zeros(*own_bias.shape[:-1], 3)
    scores = torch.einsum("bthk,bshk->bhts", q, keys) + torch.cat([own_bias, nothing], -1)
    expected = torch.einsum("bhts,bshk->bthk", scores.softmax(-1), values)
    torch.testing.assert_close(out, expected)


def test_what_it_cannot_do_is_said() -> None:
    decoder = tiny.model_of(tiny.model_spec("causal_decoder"))
    with pytest.raises(ValueError, match="this model has no encoder"):
        EncoderPrefix().attach(decoder)
    with pytest.raises(ValueError, match="cannot be merged"):
        EncoderPrefix().merge(decoder)
    with pytest.raises(ValueError, match="num_rows: expected 1 to 4096, got 0"):
        EncoderPrefix(num_rows=0)


def test_peft_reads_the_file_as_its_own(tmp_path: Path) -> None:
    from peft import PeftConfig, PrefixEncoder
    from safetensors.torch import load_file

    model = tiny.model_of(tiny.model_spec("encoder_decoder"))
    adapter = EncoderPrefix(num_rows=3)
    adapter.attach(model)
    adapter.save(model, tmp_path)
    encoder = PrefixEncoder(PeftConfig.from_pretrained(str(tmp_path)))
    encoder.load_prompt_embeddings(load_file(tmp_path / "adapter_model.safetensors")["prompt_embeddings"])
    assert torch.equal(encoder.embedding.weight[:, :4], model.backbone.encoder.blocks[0].mixer.keys)
