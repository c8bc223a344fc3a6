"""What is BERT's and RoBERTa's own: files without a pooler, names of the first years, settings that ours lack."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertForPreTraining, BertModel, RobertaModel

import unimodal
from tests.parity.case import ParityCase
from tests.parity.cases.bert import CASES
from unimodal.conversions.families import conversion_of


def case_of(name: str) -> ParityCase:
    return next(case for case in CASES if case.name == name)


def rewrite(folder: Path, change: Any) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file)


@torch.no_grad()
def test_a_file_without_a_pooler_gives_none_and_goes_back(tmp_path: Path) -> None:
    case = case_of("bert_pooled")
    theirs, inputs = case.save(tmp_path / "theirs"), case.inputs()
    rewrite(tmp_path / "theirs", lambda file: {name: file[name] for name in file if not name.startswith("pooler")})
    ours = unimodal.load(tmp_path / "theirs")
    output = ours.model(**inputs)
    assert output.pooler_output is None
    expected, real = theirs(**inputs).last_hidden_state, inputs["attention_mask"].bool()
    torch.testing.assert_close(output.last_hidden_state[real], expected[real], rtol=1e-5, atol=1e-5)
    ours.save_pretrained(tmp_path / "ours")
    unimodal.load(tmp_path / "ours").save_original(tmp_path / "back")
    names = (load_file(tmp_path / name / "model.safetensors").keys() for name in ("theirs", "back"))
    assert next(names) == next(names)


@torch.no_grad()
@pytest.mark.parametrize("name", ["bert_pooled", "roberta_pooled"])
def test_a_bare_model_is_found_below_a_head(name: str, tmp_path: Path) -> None:
    """Names of the first years, too: gamma and beta, indices that were saved."""
    case = case_of(name)
    theirs, inputs = case.save(tmp_path), case.inputs()
    body = theirs.base_model_prefix

    def older(file: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        spelled = {
            f"{body}.{name}".replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            if "LayerNorm" in name
            else f"{body}.{name}": tensor
            for name, tensor in file.items()
        }
        return {**spelled, f"{body}.embeddings.position_ids": torch.arange(40)[None]}

    rewrite(tmp_path, older)
    output = unimodal.load(tmp_path).model(**inputs)
    torch.testing.assert_close(output.pooler_output, theirs(**inputs).pooler_output, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_masked_model_is_found_in_a_file_of_pretraining(tmp_path: Path) -> None:
    """bert-base-uncased is one: its pooler and its next-sentence head are left out, as transformers does."""
    case = case_of("bert_masked")
    theirs, inputs = case.save(tmp_path), case.inputs()
    other = BertForPreTraining(theirs.config).state_dict()
    rest = {name: tensor for name, tensor in other.items() if "pooler" in name or "seq_relationship" in name}
    assert len(rest) == 4
    rewrite(tmp_path, lambda file: file | rest)
    logits, real = unimodal.load(tmp_path).model(**inputs).logits, inputs["attention_mask"].bool()
    torch.testing.assert_close(logits[real], theirs(**inputs).logits[real], rtol=1e-5, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", ["bert_pooled", "roberta_pooled"])
def test_embeddings_may_be_given_and_types_left_out(name: str, tmp_path: Path) -> None:
    theirs, inputs = case_of(name).save(tmp_path), case_of(name).inputs()
    ours = unimodal.load(tmp_path).model
    embeds = torch.randn(2, 9, 24)
    expected = theirs(inputs_embeds=embeds).last_hidden_state
    torch.testing.assert_close(ours(inputs_embeds=embeds).last_hidden_state, expected, rtol=1e-5, atol=1e-5)
    ids = inputs["input_ids"][:1]
    expected = theirs(ids).last_hidden_state
    torch.testing.assert_close(ours(ids).last_hidden_state, expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="input_ids, inputs_embeds: give one of them"):
        ours(ids, inputs_embeds=torch.randn(1, 31, 24))


@torch.no_grad()
def test_roberta_does_not_count_padding_wherever_it_stands(tmp_path: Path) -> None:
    theirs, ours = case_of("roberta_pooled").save(tmp_path), unimodal.load(tmp_path).model
    assert isinstance(theirs, RobertaModel) and not isinstance(theirs, BertModel)
    ids = torch.tensor([[1, 1, 7, 1, 9, 11, 1, 12]])
    expected = theirs(ids).last_hidden_state
    torch.testing.assert_close(ours(ids).last_hidden_state, expected, rtol=1e-5, atol=1e-5)


def test_a_text_that_is_too_long_is_named(tmp_path: Path) -> None:
    for name, longest in (("bert_pooled", 40), ("roberta_pooled", 38)):
        case_of(name).save(tmp_path / name)
        ours = unimodal.load(tmp_path / name).model
        ours(torch.full((1, longest), 5))
        with pytest.raises(ValueError, match=f"longest: the model has {longest} learned positions, the input needs"):
            ours(torch.full((1, longest + 1), 5))


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("bert_pooled", {"is_decoder": True}, "is_decoder: this family is read as an encoder"),
        ("bert_pooled", {"position_embedding_type": "relative_key"}, "position_embedding_type: 'relative_key'"),
        ("bert_pooled", {"hidden_act": "quick"}, "hidden_act: 'quick' is none of"),
        ("bert_pooled", {"architectures": ["BertForNextSentencePrediction"]}, "architectures: 'BertForNextSent"),
        ("bert_masked", {"tie_word_embeddings": False}, "tie_word_embeddings: "),
        ("roberta_pooled", {"pad_token_id": None}, "pad_token_id: "),
    ],
)
def test_a_setting_that_ours_lack_is_named(name: str, changes: dict[str, Any], message: str) -> None:
    config = {**case_of(name).make()[1], **changes}
    with pytest.raises(ValueError, match=message):
        conversion_of(config).config(config)
