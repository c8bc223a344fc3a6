"""Folders and files that mean harm, beside those of test_hub.py: none runs code, each ends in one line."""

import io
import json
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import T5Config, T5ForConditionalGeneration

from unimodal.cli import main
from unimodal.loading.hub import load

RAN: list[str] = []


class Harmful:
    """A pickle of it calls a function where it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return RAN.append, ("a pickle was read",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny T5 as transformers writes it."""
    config = T5Config(vocab_size=40, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "t5")
    return tmp_path / "t5"


def config(**values: Any) -> Callable[[Path], None]:
    return changed("config.json", **values)


def changed(file: str, **values: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        found = json.loads((folder / file).read_text()) if (folder / file).is_file() else {}
        (folder / file).write_text(json.dumps({**found, **values}))

    return apply


def replaced(file: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(text) and None


def without(key: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        found = json.loads((folder / "config.json").read_text())
        del found[key]
        (folder / "config.json").write_text(json.dumps(found))

    return apply


def pickled(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / name).write_bytes(pickle.dumps(Harmful()))

    return apply


def indexed(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        index = {"metadata": {}, "weight_map": {"shared.weight": name}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return apply


def headed(size: int, header: bytes) -> Callable[[Path], None]:
    """A safetensors file that claims a header of `size` bytes."""
    return lambda folder: (folder / "model.safetensors").write_bytes(struct.pack("<Q", size) + header) and None


def zipped(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.safetensors", "w") as archive:
        archive.writestr("../../escaped.txt", "out")


def pickled_adapter(folder: Path) -> None:
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Harmful()))
    (folder / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "target_modules": ["query"], "base_model_name_or_path": "/etc/elsewhere"})
    )


def adapter(**values: Any) -> Callable[[Path], None]:
    """An adapter's config beside weights."""

    def apply(folder: Path) -> None:
        (folder / "adapter_model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
        found = {"peft_type": "LORA", "r": 2, "target_modules": ["query"], **values}
        (folder / "adapter_config.json").write_text(json.dumps(found))

    return apply


HUGE = json.dumps({"a": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}}).encode()
OUTSIDE = "names what is no safetensors file of its folder"
FOLDERS = {
    "code in the config": (config(auto_map={"AutoModel": "modeling.Evil"}), "auto_map: names code to be run"),
    "unknown family": (config(model_type="os.system"), "model_type: 'os.system' is none of"),
    "no family": (without("model_type"), "model_type: None is none of"),
    "family of another kind": (config(model_type=["t5"]), "model_type: "),
    "depth is a word": (config(num_layers="many"), "num_layers"),
    "depth below zero": (config(num_layers=-1), "num_layers: a stack has 0 to 1000 blocks, not -1"),
    "too deep": (config(num_layers=10**9), "num_layers: a stack has 0 to 1000 blocks"),
    "no width": (config(d_model=0), "config.json: "),
    "width of another": (config(d_model=12), "config.json describes .* the weights hold"),
    "vocabulary of another": (
        config(vocab_size=10**12),
        "config.json describes 1000000000000 x 8, the weights hold 40 x 8",
    ),
    "activation elsewhere": (config(feed_forward_proj="gated-os.system"), "feed_forward_proj"),
    "no object": (replaced("config.json", '"t5"'), "holds no JSON object"),
    "pickled weights": (pickled("pytorch_model.bin"), "model.safetensors: not there; weights in any other format"),
    "a pickle called safetensors": (pickled("model.safetensors"), "is no safetensors file"),
    "a zip called safetensors": (zipped, "is no safetensors file"),
    "an oversized header": (headed(2**62, b"{}"), "is no safetensors file"),
    "a header cut off": (headed(100, b"{"), "is no safetensors file"),
    "tensors beyond the file": (headed(len(HUGE), HUGE), "is no safetensors file"),
    "index upwards": (indexed("../model.safetensors"), OUTSIDE),
    "index from the root": (indexed("/etc/passwd"), OUTSIDE),
    "index to a pickle": (indexed("pytorch_model.bin"), OUTSIDE),
    "index in two lines": (indexed("a\nb.safetensors"), OUTSIDE),
    "generation is a word": (
        lambda folder: (folder / "generation_config.json").write_text("abc") and None,
        "is no JSON",
    ),
    "generation of code": (
        changed("generation_config.json", watermarking_config={"greenlist_ratio": 0.2}),
        "watermarking",
    ),
    "an adapter that names code": (
        adapter(megatron_config={"a": 1}, megatron_core="os"),
        "megatron_config: adapters with",
    ),
    "an adapter of another kind": (adapter(peft_type="IA3"), "peft_type: 'IA3' is none of LORA"),
    "an adapter of no rank": (adapter(r=10**12), "r: expected up to 4096"),
    "an adapter of no end": (
        adapter(peft_type="VBLORA", num_vectors=10**9, vector_length=1),
        "num_vectors: expected up to 4096, got 1000000000",
    ),
    "an adapter beside other weights": (
        adapter(peft_type="VERA", r=4096),
        "adapter_model.safetensors: .*the config and the model ask for .* the file holds none",
    ),
    "shards of no rank": (adapter(peft_type="MOS", r=1), "rank: expected at least equivalent_rank"),
    "pickled adapter": (pickled_adapter, "adapter_model.safetensors: not there"),
}


@pytest.mark.parametrize(("damage", "message"), FOLDERS.values(), ids=FOLDERS.keys())
def test_a_folder_of_theirs_is_refused_in_one_line(
    folder: Path, damage: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    damage(folder)
    before = set(sys.modules)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        loaded = load(folder, base=folder if (folder / "adapter_config.json").is_file() else None)
        loaded.generate(torch.tensor([[5, 6]]), max_new_tokens=2)
    assert "\n" not in str(caught.value)
    assert RAN == [] and not list(tmp_path.glob("escaped*"))
    new = [str(sys.modules[name].__dict__.get("__file__")) for name in set(sys.modules) - before]
    assert not [file for file in new if file.startswith(str(tmp_path))], "code of the folder was imported"


def bomb(file: Path) -> None:
    """A picture of 30,000 x 30,000 pixels in a few bytes."""
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, format="PNG")
    file.write_bytes(buffer.getvalue())


def long_sound(file: Path) -> None:
    """A header that promises 2^31 bytes of sound."""
    head = b"RIFF" + struct.pack("<I", 2**31) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    file.write_bytes(head + b"data" + struct.pack("<I", 2**31 - 64))


def no_rate(file: Path) -> None:
    head = b"RIFF" + struct.pack("<I", 40) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 0, 0, 2, 16)
    file.write_bytes(head + b"data" + struct.pack("<I", 4) + b"\0\0\0\0")


FILES = {
    "a picture that unpacks to 900 million pixels": ("caption", "bomb.png", bomb),
    "a picture that is a pickle": ("caption", "a.png", lambda f: f.write_bytes(pickle.dumps(Harmful()))),
    "a picture with a script": ("caption", "a.svg", lambda f: f.write_text("<svg><script>alert(1)</script>")),
    "sound that is not there": ("asr", "a.wav", long_sound),
    "sound without a rate": ("asr", "b.wav", no_rate),
    "sound that is text": ("asr", "c.wav", lambda f: f.write_text("ffconcat version 1.0\nfile /etc/passwd\n")),
    "a playlist": ("asr", "d.m3u8", lambda f: f.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")),
    "a table of zeros": ("table_qa", "a.csv", lambda f: f.write_bytes(bytes(1000))),
    "a table that never ends its cell": ("table_qa", "b.csv", lambda f: f.write_text('a,b\n"' + "x" * 300_000)),
}


@pytest.mark.parametrize(("task", "name", "write"), FILES.values(), ids=FILES.keys())
def test_a_hostile_file_is_one_line_and_status_2(
    tiny_folder: Path,
    tmp_path: Path,
    task: str,
    name: str,
    write: Callable[[Path], Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / name)
    prompt = ["--prompt", "what is the largest a?"] if task == "table_qa" else []
    assert main(["run", task, str(tmp_path / name), "--model", str(tiny_folder), *prompt]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("unimodal: ") and "\n" not in said and name in said and RAN == []
