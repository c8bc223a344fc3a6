"""Whole models over a matrix of tiny specs: neither padding nor packing nor the order of keys changes a result."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.laws.parts import DIM, HEADS, close, label, specs
from tests.laws.tiny import ARRANGEMENTS, NUM_TOKENS, POST, PRE, gradients_of, model_of, model_spec
from unimodal.batching import IGNORED, Batch, Item, Packed, Padded, token_piece
from unimodal.config import UnimodalConfig
from unimodal.model import UnimodalForConditionalGeneration

MATRIX = {
    **{
        f"{architecture}-{name}": {"architecture": architecture, "norms": norms}
        for architecture in ARRANGEMENTS
        for name, norms in (("pre", PRE), ("post", POST))
    },
    **{
        label(position): {"architecture": "encoder_decoder", "position": position}
        for position in specs("unimodal.positions")
    },
    "own_head": {"architecture": "encoder_decoder", "tied": False},
}
WRITING = {name: settings for name, settings in MATRIX.items() if settings["architecture"] != "encoder"}
every_spec = pytest.mark.parametrize("settings", MATRIX.values(), ids=MATRIX.keys())


def tokens(length: int) -> Tensor:
    return torch.randint(4, NUM_TOKENS, (length,))


def items(*lengths: tuple[int, int]) -> list[Item]:
    """Examples with prompts and answers of these lengths; a prompt of three or more tokens is two pieces."""
    made = []
    for prompt, answer in lengths:
        ids, labels = tokens(prompt), tokens(answer)
        pieces = (token_piece(ids[:2]), token_piece(ids[2:])) if prompt > 2 else (token_piece(ids),)
        made.append(Item("a", pieces, token_piece(torch.cat([torch.tensor([3]), labels[:-1]])), labels))
    return made


def encoder_items(*lengths: tuple[int, int]) -> list[Item]:
    """Labels stand at the last entries of the prompt, so there are no more than it is long."""
    return [
        Item(item.task, item.prompt, None, item.labels[: sum(p.positions for p in item.prompt)])
        for item in items(*lengths)
    ]


LENGTHS = ((3, 2), (1, 4), (6, 1), (2, 2), (5, 5))


def examples(settings: dict[str, Any]) -> list[Item]:
    return (encoder_items if settings["architecture"] == "encoder" else items)(*LENGTHS)


def losses(model: UnimodalForConditionalGeneration, batch: Batch) -> Tensor:
    """The loss of every example, a sum over its labels."""
    written = model.run_batch(batch).written
    asked = batch.labels != IGNORED
    nll = functional.cross_entropy(model.logits(written.last[asked]), batch.labels[asked], reduction="none")
    return torch.zeros(batch.num_examples).index_add(0, written.layout.segments[asked], nll)


def batch_of(model: UnimodalForConditionalGeneration, chosen: list[Item], packer: Any) -> Batch:
    return model.arrangement.batch(chosen, packer, model.kinds)


@every_spec
@pytest.mark.parametrize("packed", [False, True])
def test_an_example_gets_in_any_batch_what_it_gets_alone(settings: dict[str, Any], packed: bool) -> None:
    model, chosen = model_of(model_spec(**settings)), examples(settings)
    alone = [losses(model, batch_of(model, [item], Padded())) for item in chosen]
    batch = batch_of(model, chosen, Packed(source=9, target=9) if packed else Padded())
    assert (batch.labels.shape[0] < len(chosen)) == packed
    found = losses(model, batch)
    close(found, torch.cat(alone))
    weights = torch.arange(1.0, len(chosen) + 1)
    expected = gradients_of(model, (torch.cat(alone) * weights).sum())
    for name, gradient in gradients_of(model, (found * weights).sum()).items():
        assert (gradient is None) == (expected[name] is None), name
        if gradient is not None:
            close(gradient, expected[name], 2e-5)


@pytest.mark.parametrize("settings", WRITING.values(), ids=WRITING.keys())
@torch.no_grad()
def test_padded_rows_are_single_rows(settings: dict[str, Any]) -> None:
    """Through transformers' interface; padding holds any token."""
    model, lengths, time = model_of(model_spec(**settings)), [7, 1, 4], 7
    ids, mask = tokens(3 * time).reshape(3, time), (torch.arange(time) < torch.tensor(lengths)[:, None]).long()
    prefix = {"decoder_input_ids": ids.flip(1)} if settings["architecture"] == "encoder_decoder" else {}
    found = model(input_ids=ids, attention_mask=mask, **prefix)
    for row, length in enumerate(lengths):
        single = model(input_ids=ids[row : row + 1, :length], **{k: v[row : row + 1] for k, v in prefix.items()})
        width = time if prefix else length
        close(found.logits[row, :width], single.logits[0])


def reversed_keys(spec: Any) -> Any:
    if isinstance(spec, dict):
        return {key: reversed_keys(spec[key]) for key in reversed(spec)}
    return [reversed_keys(item) for item in spec] if isinstance(spec, list) else spec


@every_spec
def test_the_order_of_keys_changes_nothing_that_a_seed_draws(settings: dict[str, Any]) -> None:
    drawn = []
    for order in (lambda spec: spec, reversed_keys):
        torch.manual_seed(7)
        drawn.append(UnimodalForConditionalGeneration(UnimodalConfig(spec=order(model_spec(**settings)))).state_dict())
    assert list(drawn[0]) == list(drawn[1])
    assert all(torch.equal(first, second) for first, second in zip(drawn[0].values(), drawn[1].values(), strict=True))


@every_spec
def test_saved_and_loaded_is_the_same_to_the_bit(settings: dict[str, Any], tmp_path: Path) -> None:
    model = model_of(model_spec(**settings))
    model.save_pretrained(tmp_path)
    loaded = UnimodalForConditionalGeneration.from_pretrained(tmp_path)
    assert loaded.config.spec == model.config.spec
    tensors = {**dict(loaded.named_parameters()), **dict(loaded.named_buffers())}
    assert [name for name, tensor in tensors.items() if tensor.is_meta] == []
    saved = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    assert saved.keys() == tensors.keys()
    assert [name for name, tensor in saved.items() if not torch.equal(tensor, tensors[name])] == []
    batch = batch_of(model, examples(settings), Padded())
    assert torch.equal(losses(loaded.eval(), batch), losses(model, batch))


@every_spec
def test_every_intermediate_is_there_under_its_name(settings: dict[str, Any]) -> None:
    model, chosen = model_of(model_spec(**settings)), examples(settings)
    batch = batch_of(model, chosen, Padded())
    output, plain = model.run_batch(batch, keep_weights=("self", "encoder")), model.run_batch(batch)
    for stack, kept, other, sequences in (
        (model.backbone.encoder, output.encoder, plain.encoder, batch.source),
        (model.backbone.decoder, output.decoder, plain.decoder, batch.target),
    ):
        assert (stack is None) == (kept is None) == (sequences is None)
        if stack is None:
            continue
        rows, time = sequences.layout.valid.shape
        assert [state.shape for state in (kept.embeds, *kept.layers, kept.last)] == [(rows, time, DIM)] * 5
        assert kept.before_norm is kept.layers[-1] and kept.layout is sequences.layout
        reads = (
            {"encoder": batch.source}
            if settings["architecture"] == "encoder_decoder" and kept is output.decoder
            else {}
        )
        assert set(kept.weights) == {"self", *reads} and not any(other.weights.values())
        valid = sequences.layout.valid
        close(kept.last[valid], other.last[valid])
        for name, weights in kept.weights.items():
            keys = reads.get(name, sequences).layout.valid
            assert [weight.shape for weight in weights] == [(rows, HEADS, time, keys.shape[1])] * 2
            for weight in weights:
                seen = weight.transpose(1, 2)[valid]
                close(seen.sum(-1), torch.ones(seen.shape[:2]))
                assert not weight.masked_select((~keys)[:, None, None]).any()


@every_spec
def test_every_parameter_learns(settings: dict[str, Any]) -> None:
    model, chosen = model_of(model_spec(**settings)), examples(settings)
    gradients = gradients_of(model, losses(model, batch_of(model, chosen, Packed(source=9, target=9))).sum())
    assert [name for name, gradient in gradients.items() if gradient is None or not gradient.isfinite().all()] == []
    assert [name for name, gradient in gradients.items() if gradient is not None and not gradient.any()] == []


def test_a_fresh_model_guesses_about_evenly() -> None:
    """Unit variance in, unit variance out: the first loss is near the logarithm of the number of tokens."""
    for settings in MATRIX.values():
        model = UnimodalForConditionalGeneration(UnimodalConfig(spec=model_spec(**settings)))
        batch = batch_of(model, examples(settings), Padded())
        first = losses(model, batch).sum() / (batch.labels != IGNORED).sum()
        assert first < 2.5 * torch.tensor(float(NUM_TOKENS)).log(), settings


def test_a_backbone_needs_a_stack() -> None:
    spec = {**model_spec("encoder"), "backbone": {"class": "unimodal.backbone.Backbone"}}
    with pytest.raises(ValueError, match="config.spec.backbone: encoder, decoder: a backbone needs at least one"):
        UnimodalForConditionalGeneration(UnimodalConfig(spec=spec))


def test_a_model_without_arguments_is_the_smallest() -> None:
    model = UnimodalForConditionalGeneration(UnimodalConfig())
    assert model(input_ids=torch.tensor([[5, 6]]), labels=torch.tensor([[7, 8]])).loss.isfinite()
