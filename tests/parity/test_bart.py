"""What is BART's and its relatives' own: what old files hold or lack, labels, two vocabularies."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BartForConditionalGeneration, BartModel, MarianMTModel

import unimodal
from tests.parity.case import ParityCase, mask
from tests.parity.cases.bart import CASES
from tests.parity.test_parity import agree, converted
from unimodal.conversions.families import conversion_of

EMBEDDING = "model.shared.weight"
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def named(name: str) -> ParityCase:
    return next(case for case in CASES if case.name == name)


def rewrite(folder: Path, *, rename: dict[str, str] | None = None, drop: tuple[str, ...] = (), **config) -> None:
    """Changes names of tensors and fields of `config.json` where they lie."""
    tensors = load_file(folder / "model.safetensors")
    kept = {(rename or {}).get(name, name): tensor for name, tensor in tensors.items() if name not in drop}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**written, **config}))


@every_case
@torch.no_grad()
def test_labels_give_their_loss(case: ParityCase) -> None:
    theirs, config = case.make()
    model, inputs = converted(theirs.state_dict(), config), case.inputs()
    model.generation_config = theirs.generation_config
    given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    kept = mask([5, 9, 2])
    # mBART's decoder begins with what its labels end with; others' always with the same token.
    labels = torch.randint(4, 61, kept.shape)
    labels[torch.arange(3), kept.sum(1) - 1] = config["decoder_start_token_id"]
    labels = labels.masked_fill(kept == 0, -100)
    torch.testing.assert_close(model(**given, labels=labels).loss, theirs(**given, labels=labels).loss)


@torch.no_grad()
@pytest.mark.parametrize("architectures", [["BartModel"], ["BartForConditionalGeneration"]])
def test_files_without_a_head_are_read(architectures: list[str], tmp_path: Path) -> None:
    """As bart-base is published: no head, no bias, no first part of names; whatever the config says of it."""
    case = named("bart")
    whole = case.save(tmp_path)
    BartModel.save_pretrained(whole.model, tmp_path)
    rewrite(tmp_path, model_type="bart", architectures=architectures)
    loaded, inputs = unimodal.load(tmp_path), case.inputs()
    assert loaded.model.head.bias is None
    whole.final_logits_bias.zero_()
    agree(case, case.theirs(whole, inputs), case.ours(loaded.model, inputs), inputs)
    loaded.save_original(tmp_path / "back")
    back = BartForConditionalGeneration.from_pretrained(tmp_path / "back")
    agree(case, case.theirs(back, inputs), case.ours(loaded.model, inputs), inputs)
    if architectures == ["BartModel"]:
        files = [load_file(folder / "model.safetensors") for folder in (tmp_path, tmp_path / "back")]
        assert files[0].keys() == files[1].keys()


@torch.no_grad()
def test_an_old_untied_file_has_one_table_for_both_sides(tmp_path: Path) -> None:
    case = named("bart_untied_scaled")
    theirs = case.save(tmp_path)
    for side in (theirs.model.encoder, theirs.model.decoder):
        side.embed_tokens.weight.copy_(theirs.model.shared.weight)
    theirs.save_pretrained(tmp_path)
    rewrite(tmp_path, drop=("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"))
    loaded, inputs = unimodal.load(tmp_path), case.inputs()
    expected = case.theirs(theirs, inputs)
    agree(case, expected, case.ours(loaded.model, inputs), inputs)
    loaded.save_original(tmp_path / "back")  # as version 5 of transformers reads it, which ties nothing
    back = BartForConditionalGeneration.from_pretrained(tmp_path / "back")
    agree(case, expected, case.theirs(back, inputs), inputs)


@torch.no_grad()
@pytest.mark.parametrize("kept", ["lm_head.weight", "model.decoder.embed_tokens.weight"])
def test_a_tied_table_is_found_under_any_of_its_names(kept: str, tmp_path: Path) -> None:
    case = named("mbart")
    theirs = case.save(tmp_path)
    rewrite(tmp_path, rename={EMBEDDING: kept})
    assert EMBEDDING not in load_file(tmp_path / "model.safetensors")
    assert torch.equal(unimodal.load(tmp_path).model.embedding.weight, theirs.model.shared.weight)


def test_tables_that_differ_are_not_one() -> None:
    theirs, config = named("mbart").make()
    state = theirs.state_dict() | {"lm_head.weight": torch.zeros(61, 16)}
    with pytest.raises(ValueError, match="^lm_head.weight: differs from model.shared.weight"):
        conversion_of(config).to_unimodal(state, config)


@torch.no_grad()
def test_a_table_of_sinusoids_in_a_file_is_computed_anew(tmp_path: Path) -> None:
    case = named("marian")
    theirs = case.save(tmp_path)
    tables = {f"model.{stack}.embed_positions.weight": torch.zeros(64, 16) for stack in ("encoder", "decoder")}
    save_file({**load_file(tmp_path / "model.safetensors"), **tables}, tmp_path / "model.safetensors")
    loaded, inputs = unimodal.load(tmp_path), case.inputs()
    agree(case, case.theirs(theirs, inputs), case.ours(loaded.model, inputs), inputs)
    loaded.save_original(tmp_path / "back")
    assert load_file(tmp_path / "back" / "model.safetensors").keys().isdisjoint(tables)


@torch.no_grad()
def test_generation_is_set_in_the_config_of_old_folders(tmp_path: Path) -> None:
    """As in translators before 2023: no generation_config.json."""
    case = named("marian")
    case.save(tmp_path)
    (tmp_path / "generation_config.json").unlink()
    rewrite(tmp_path, bad_words_ids=[[60], [23]], num_beams=3, max_length=12, forced_eos_token_id=0)
    theirs, ours, prompts = MarianMTModel.from_pretrained(tmp_path), unimodal.load(tmp_path), case.prompts()
    expected = theirs.generate(**prompts)
    assert expected.shape[1] == 12 and 23 not in expected
    assert ours.generate(**prompts).tolist() == expected.tolist()
    ours.save_original(tmp_path / "back")
    assert unimodal.load(tmp_path / "back").generate(**prompts).tolist() == expected.tolist()


def test_what_ours_lack_is_named() -> None:
    theirs, config = named("marian_two_vocabularies").make()
    with pytest.raises(ValueError, match="activation_function: 'mish' is none of gelu, "):
        conversion_of(config).config({**config, "activation_function": "mish"})
    model = converted(theirs.state_dict(), config)
    with pytest.raises(ValueError, match="input_ids: there are ids outside the source vocabulary's 83"):
        model(input_ids=torch.tensor([[83]]), decoder_input_ids=torch.tensor([[60]]))
    theirs, config = named("bart").make()
    learned = converted(theirs.state_dict(), config)
    with pytest.raises(ValueError, match="longest: the model has 64 learned positions, the input needs 65"):
        learned(input_ids=torch.full((1, 65), 5), decoder_input_ids=torch.tensor([[2]]))


def test_labels_need_a_start(tmp_path: Path) -> None:
    """mBART takes it from the end of the labels; ours asks for it."""
    named("mbart").save(tmp_path)
    written = json.loads((tmp_path / "generation_config.json").read_text())
    del written["decoder_start_token_id"]
    (tmp_path / "generation_config.json").write_text(json.dumps(written))
    ids = torch.tensor([[5, 6]])
    with pytest.raises(ValueError, match="decoder_start_token_id"):
        unimodal.load(tmp_path).model(input_ids=ids, labels=ids)
