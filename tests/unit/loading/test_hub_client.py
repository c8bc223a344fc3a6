"""The real huggingface_hub client against a server on loopback: both ways, revisions, cache, broken transfers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.hub_server import HubServer, Repository, serving
from unimodal.loading.hub import load
from unimodal.loading.own import Unimodal

CLIENT = """
import json, sys
import huggingface_hub.constants, torch, unimodal
huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE = 1 << 16  # what broke off within a chunk is fetched again
for line in sys.stdin:
    try:
        answer = {"value": eval(json.loads(line))}
    except (OSError, ValueError) as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), file=sys.__stdout__, flush=True)
"""
IDS = "generate(torch.tensor([[5, 6, 7]]), max_new_tokens=5).tolist()"
Ask = Callable[[str], object]


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def ask(server: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """What an expression gives in a process of its own: the client reads its endpoint and its cache once."""
    settings = {
        "HF_ENDPOINT": server.address,
        "HF_HUB_CACHE": str(tmp_path_factory.mktemp("cache")),
        "HF_TOKEN": "hf_nothing",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "no_proxy": "127.0.0.1",
    }
    command = [sys.executable, "-c", CLIENT]
    with subprocess.Popen(
        command, env={**os.environ, **settings}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdin is not None and client.stdout is not None

        def ask(code: str) -> object:
            client.stdin.write(json.dumps(code) + "\n")
            client.stdin.flush()
            answer = json.loads(client.stdout.readline())
            return answer["error"] if "error" in answer else answer["value"]

        yield ask
        client.stdin.close()


@pytest.fixture
def name(server: HubServer, folder: Path, request: pytest.FixtureRequest) -> str:
    """A repository of the test's own, with the files of `folder` in its first commit."""
    name = f"somebody/{request.node.name[:60]}"
    server.repositories[name] = Repository()
    server.repositories[name].commit({path.name: path.read_bytes() for path in folder.iterdir()})
    return name


@pytest.fixture
def folder(tiny: Unimodal, tmp_path: Path) -> Path:
    tiny.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_hub_id_gives_what_its_folder_gives(server: HubServer, folder: Path, name: str, ask: Ask) -> None:
    here = ask(f"unimodal.load({str(folder)!r}).{IDS}")
    assert ask(f"unimodal.load({name!r}).{IDS}") == here and len(here[0]) > 1
    asked = len(server.requests)
    assert ask(f"unimodal.load({name!r}, local_files_only=True).{IDS}") == here
    assert len(server.requests) == asked, "the cache alone was to be asked"
    assert ask(f"unimodal.UnimodalForConditionalGeneration.from_pretrained({name!r}).{IDS}") == here


def test_a_revision_is_what_it_was(server: HubServer, folder: Path, name: str, ask: Ask) -> None:
    first = server.repositories[name].branches["main"]
    config = json.loads((folder / "generation_config.json").read_text())
    changed = json.dumps({**config, "decoder_start_token_id": 9}).encode()
    server.repositories[name].commit({"generation_config.json": changed})
    assert ask(f"unimodal.load({name!r}).model.boundaries.start") == 9
    assert ask(f"unimodal.load({name!r}, revision={first!r}).model.boundaries.start") == 3
    assert str(ask(f"unimodal.load({name!r}, revision='v9')")).startswith(f"FileNotFoundError: {name}: no such folder")


def test_a_broken_transfer_goes_on_where_it_broke(server: HubServer, folder: Path, name: str, ask: Ask) -> None:
    server.cuts["model.safetensors"] = 1
    assert ask(f"unimodal.load({name!r}).{IDS}") == ask(f"unimodal.load({str(folder)!r}).{IDS}")
    gets = [said for way, path, said in server.requests if way == "GET" and path.startswith(f"/{name}/resolve")]
    half = (folder / "model.safetensors").stat().st_size // 2
    assert [half - (1 << 16) < int(said.removeprefix("bytes=")[:-1]) <= half for said in gets if said] == [True]


def test_what_never_arrives_is_one_line(server: HubServer, folder: Path, ask: Ask) -> None:
    server.repositories["somebody/other"] = Repository()
    server.repositories["somebody/other"].commit({"config.json": (folder / "config.json").read_bytes()})
    assert "model.safetensors: not there" in str(ask("unimodal.load('somebody/other')"))
    absent = "FileNotFoundError: somebody/absent: no such folder, and the Hub does not give it"
    assert str(ask("unimodal.load('somebody/absent')")).startswith(absent)


def test_a_model_is_pushed_with_its_numbers_and_comes_back(
    server: HubServer, folder: Path, tmp_path: Path, ask: Ask
) -> None:
    row = {"task": "read", "modality": "image", "metric": "character error rate", "value": 0.278}
    row |= {"baseline_value": 0.869, "higher_is_better": False, "n_test": 200}
    metrics = tmp_path / "metrics.json"
    metrics.write_text(json.dumps([row]))
    pushed = ask(f"unimodal.load({str(folder)!r}).push_to_hub('me/nano', metrics={str(metrics)!r})")
    assert str(pushed).startswith(f"{server.address}/me/nano/commit/")
    _, files = server.repositories["me/nano"].at("main")
    card = files["README.md"].decode()
    assert "| read | image | character error rate ↓ | 0.278 | 0.869 | 200 |" in card
    assert "license: apache-2.0" in card and "library_name: unimodal" in card and "value: 0.278" in card
    assert files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert ask(f"unimodal.load('me/nano').{IDS}") == ask(f"unimodal.load({str(folder)!r}).{IDS}")


def test_an_adapter_comes_from_the_hub(server: HubServer, folder: Path, name: str, tmp_path: Path, ask: Ask) -> None:
    from unimodal.adapters.lora import Lora

    model, adapter = load(folder).model, Lora(rank=2, alpha=4)
    adapter.attach(model)
    for key, weight in model.named_parameters():
        if "lora_" in key:
            weight.data.normal_()
    adapter.save(model, tmp_path / "adapter")
    server.repositories["somebody/adapter"] = Repository()
    server.repositories["somebody/adapter"].commit(
        {path.name: path.read_bytes() for path in (tmp_path / "adapter").iterdir()}
    )
    probe = "model(input_ids=torch.tensor([[5, 6, 7]]), decoder_input_ids=torch.tensor([[3, 8]])).logits.tolist()"
    from_hub = ask(f"unimodal.load('somebody/adapter', base={name!r}).{probe}")
    from_disk = ask(f"unimodal.load({str(tmp_path / 'adapter')!r}, base={str(folder)!r}).{probe}")
    assert from_hub == from_disk != ask(f"unimodal.load({name!r}).{probe}")
