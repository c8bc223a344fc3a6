"""TrOCR, Pix2Struct and ViT through the command: what transformers' own processors, models and tokenizers give."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import (
    Pix2StructConfig,
    Pix2StructForConditionalGeneration,
    Pix2StructImageProcessor,
    T5Tokenizer,
    TrOCRConfig,
    TrOCRForCausalLM,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTModel,
)

Ask = Callable[..., tuple[int, str, str]]
Save = Callable[..., Path]
SIZES = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
SIGHT = {**SIZES, "image_size": 32, "patch_size": 8}


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    torch.manual_seed(5)
    for name, size in {"a": (60, 20, 3), "b": (25, 40, 3)}.items():
        Image.fromarray(torch.randint(256, size, dtype=torch.uint8).numpy()).save(tmp_path / f"{name}.png")
    return [tmp_path / "a.png", tmp_path / "b.png"]


@pytest.fixture
def tokenizer(scored_pieces: list[tuple[str, float]]) -> T5Tokenizer:
    return T5Tokenizer(vocab=[("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *scored_pieces], extra_ids=0)


def test_trocr_reads(ask: Ask, save: Save, tokenizer: T5Tokenizer, pictures: list[Path]) -> None:
    decoder = TrOCRConfig(
        vocab_size=len(tokenizer),
        d_model=16,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
        max_position_embeddings=32,
    )
    model = VisionEncoderDecoderModel(encoder=ViTModel(ViTConfig(**SIGHT)), decoder=TrOCRForCausalLM(decoder))
    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    ends = {"decoder_start_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    folder = save(model, processor, tokenizer, max_length=12, num_beams=3, **ends)
    theirs = VisionEncoderDecoderModel.from_pretrained(folder)
    pixels = processor([Image.open(picture) for picture in pictures], return_tensors="pt").pixel_values
    expected = tokenizer.batch_decode(theirs.generate(pixels), skip_special_tokens=True)
    assert len(set(expected)) == 2
    status, said, _ = ask("run", "read", *pictures, "--model", folder, "--json")
    assert (status, [json.loads(line)["text"] for line in said.splitlines()]) == (0, [e.strip() for e in expected])


def test_pix2struct_says_what_is_shown(ask: Ask, save: Save, tokenizer: T5Tokenizer, pictures: list[Path]) -> None:
    sizes = {"hidden_size": 16, "d_kv": 8, "d_ff": 16, "num_heads": 2, "num_layers": 1}
    sight = {"hidden_size": 16, "d_kv": 8, "d_ff": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "seq_len": 64}
    config = Pix2StructConfig(
        text_config={**sizes, "vocab_size": len(tokenizer), "decoder_start_token_id": 0},
        vision_config={**sight, "patch_embed_hidden_size": 3 * 8 * 8, "patch_size": 8},
    )
    processor = Pix2StructImageProcessor(max_patches=16, patch_size={"height": 8, "width": 8})
    folder = save(Pix2StructForConditionalGeneration(config), processor, tokenizer, max_length=12)
    theirs = Pix2StructForConditionalGeneration.from_pretrained(folder)
    inputs = processor([Image.open(picture) for picture in pictures], return_tensors="pt")
    expected = tokenizer.batch_decode(theirs.generate(**inputs), skip_special_tokens=True)
    status, said, _ = ask("run", "caption", *pictures, "--model", folder, "--json")
    assert (status, [json.loads(line)["text"] for line in said.splitlines()]) == (0, [e.strip() for e in expected])


def test_vit_names_what_is_shown(ask: Ask, save: Save, pictures: list[Path]) -> None:
    labels = {0: "tench", 1: "goldfish", 2: "great white shark"}
    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    model = ViTForImageClassification(ViTConfig(**SIGHT, id2label=labels, label2id={v: k for k, v in labels.items()}))
    folder = save(model, processor)
    theirs = ViTForImageClassification.from_pretrained(folder)
    pixels = processor([Image.open(picture) for picture in pictures], return_tensors="pt").pixel_values
    scores, best = theirs(pixels).logits.log_softmax(-1).max(-1)
    status, said, _ = ask("run", "classify_image", *pictures, "--model", folder, "--json")
    rows = [json.loads(line) for line in said.splitlines()]
    assert (status, [row["text"] for row in rows]) == (0, [labels[int(label)] for label in best])
    assert [row["score"] for row in rows] == pytest.approx(scores.tolist(), abs=1e-3)
    (pictures[0].parent / "noise.png").write_bytes(b"no picture")
    error = ask("run", "classify_image", pictures[0].parent / "noise.png", "--model", folder)[2]
    assert error.startswith(f"unimodal: {pictures[0].parent / 'noise.png'}: cannot be read as a picture")
    error = ask("run", "classify_image", pictures[0], "--model", folder, "--decoding", "beam")[2]
    assert error == "unimodal: decoding: is a way to write tokens, and a label is chosen at once\n"


def test_a_body_without_a_head_names_nothing(ask: Ask, save: Save, pictures: list[Path]) -> None:
    folder = save(ViTModel(ViTConfig(**SIGHT)), ViTImageProcessor(size={"height": 32, "width": 32}))
    error = ask("run", "classify_image", pictures[0], "--model", folder)[2]
    assert error == "unimodal: classify_image: is no task of this vit checkpoint; there is no task for it\n"
