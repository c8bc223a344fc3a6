"""Archives give every example back, from anywhere at once, in webdataset's layout; what was changed is named."""

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from unimodal.commands.archive import main
from unimodal.data.archives import INDEX, ArchiveFolder, write_archives
from unimodal.data.blocks import blocks_of
from unimodal.prenets.table import Grid
from unimodal.prenets.waveform import Waveform
from unimodal.task import Example
from unimodal.tasks.archived import ArchivedExamples
from unimodal.tasks.raw_values import example_of, members_of


def example(number: int) -> Example:
    torch.manual_seed(number)
    inputs = {
        "speech": Waveform(torch.randint(-32768, 32768, (80 + number,)) / 32768, 16_000),
        "music": Waveform(torch.rand(50) - 0.5, 22_050),
        "image": torch.randint(0, 256, (3, 4, 5)) / 255,
        "fine": torch.rand(3, 2, 2),
        "table": Grid(("a", "b"), (("1", ""), ("ä", "2"))),
        "speed": 0.9,
        "names": ("x", "y"),
    }
    return Example(f"group#{number}", inputs, f"answer {number} é" if number % 2 else None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    archives = write_archives(tmp_path / "made", map(members_of, map(example, range(20))), size=20_000)
    assert len(archives) > 3 and all(archive.bytes < 60_000 for archive in archives)
    return tmp_path / "made"


def test_everything_is_given_back(folder: Path) -> None:
    found = ArchivedExamples(ArchiveFolder(str(folder)))
    assert len(found) == 20 and sum(blocks_of(found)) == 20 and len(blocks_of(found)) > 3
    for number in (19, 0, 7, 8, -1):
        given, made = found[number], example(number % 20)
        assert (given.key, given.answer) == (made.key, made.answer) and given.inputs.keys() == made.inputs.keys()
        for name in ("speech", "music"):
            assert torch.equal(given.inputs[name].samples, made.inputs[name].samples)
            assert given.inputs[name].rate == made.inputs[name].rate
        assert torch.equal(given.inputs["image"], made.inputs["image"])
        assert torch.equal(given.inputs["fine"], made.inputs["fine"])
        assert all(given.inputs[name] == made.inputs[name] for name in ("table", "speed", "names"))
    with pytest.raises(IndexError):
        found[20]


def test_webdataset_reads_the_archives(folder: Path) -> None:
    from webdataset.tariterators import group_by_keys, tar_file_iterator

    read: list[dict[str, bytes]] = []
    for path in sorted(folder.glob("*.tar")):  # opened here, for WebDataset itself does not close what it opens
        with path.open("rb") as file:
            read += group_by_keys({**member, "__url__": path.name} for member in tar_file_iterator(file))
    assert [json.loads(sample["json"])["key"] for sample in read] == [f"group#{number}" for number in range(20)]
    assert read[3]["speech.wav"] == members_of(example(3))["speech.wav"]
    assert not [name for name in read[0] if name.endswith(("pyd", "pickle", "pth"))]


def test_what_has_no_form_is_named() -> None:
    with pytest.raises(ValueError, match="table: a set has no form"):
        members_of(Example("x", {"table": {1}}))


def test_what_is_missing_or_changed_is_one_line(folder: Path) -> None:
    changed, cut, missing = (folder / f"00000{number}.tar" for number in range(3))
    content = bytearray(changed.read_bytes())
    content[600] ^= 1
    changed.write_bytes(content)
    cut.write_bytes(cut.read_bytes()[:-1024])
    missing.unlink()
    archives = ArchiveFolder(str(folder))
    with pytest.raises(ValueError, match=r"000000.tar: was changed"):
        archives.read(0, 0)
    with pytest.raises(ValueError, match=r"000001.tar: has .* bytes, index.json says .*: it was cut"):
        archives.read(1, 0)
    with pytest.raises(FileNotFoundError, match=r"000002.tar: is missing"):
        archives.read(2, 0)
    assert example_of(archives.read(3, 0)).key.startswith("group#")
    (folder / INDEX).write_text('{"archives": [{"name": "a"}]}')
    with pytest.raises(ValueError, match="is no index"):
        ArchiveFolder(str(folder))
    with pytest.raises(ValueError, match="is not empty"):
        write_archives(folder, [members_of(example(0))], size=10)
    with pytest.raises(FileNotFoundError, match="nowhere/index.json: no such file"):
        ArchiveFolder("nowhere")


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_address_is_read_through_a_cache_that_stays_small(address: str, folder: Path, tmp_path: Path) -> None:
    largest = max(path.stat().st_size for path in folder.glob("*.tar"))
    cache, most = tmp_path / "cache", 2 * largest
    found = ArchivedExamples(ArchiveFolder(address, cache=cache, cache_bytes=most))
    for round_ in range(2):
        for number in range(20):
            assert found[number].key == f"group#{number}", round_
            assert sum(path.stat().st_size for path in cache.iterdir()) <= most
    (folder / "000001.tar").unlink()
    fresh = ArchiveFolder(address, cache=tmp_path / "other")
    with pytest.raises(OSError, match=r"000001.tar: cannot be fetched"):
        fresh.read(1, 0)
    with pytest.raises(ValueError, match="need a cache"):
        ArchiveFolder(address)


def test_the_command_writes_a_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["code_completion", str(out), "--limit", "30", "--megabytes", "0.02"]) == 0
    assert "30 examples of code_completion" in capsys.readouterr().out
    found = ArchivedExamples(ArchiveFolder(str(out)))
    assert len(found) == 30 and isinstance(found[29].inputs["code"], str) and found[29].answer
    with pytest.raises(ValueError, match="megabytes"):
        main(["code_completion", str(tmp_path / "other"), "--megabytes", "0"])
