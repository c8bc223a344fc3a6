"""docs/adding_a_part.md works as it stands: its files are written, its laws run, its model learns."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import unimodal.mixers
from tests.laws import parts
from tests.laws.mixer_laws import LAWS, settings
from unimodal.config import UnimodalConfig
from unimodal.mixers import Mixer
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.spec import load_spec, merge_specs

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "adding_a_part.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+) (\w+)(?:=(\S+))?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def block(kind: str, name: str = "") -> str:
    (found,) = [text for _, word, value, text in BLOCKS if word == kind and value.endswith(name)]
    return found


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which the page's files stand where the page says, beside the house's own."""
    for folder in ("unimodal/mixers", "configs/models"):
        (tmp_path / folder).mkdir(parents=True)
    for _, word, name, text in BLOCKS:
        if word == "file":
            (tmp_path / name).write_text(text, encoding="utf-8")
    smallest = (ROOT / "configs" / "models" / "smallest.yaml").read_text(encoding="utf-8")
    (tmp_path / "configs" / "models" / "smallest.yaml").write_text(smallest, encoding="utf-8")
    own = [*unimodal.mixers.__path__, str(tmp_path / "unimodal" / "mixers")]
    monkeypatch.setattr(unimodal.mixers, "__path__", own)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("unimodal.mixers.average", None)
    vars(unimodal.mixers).pop("average", None)


def entry() -> dict[str, list[dict[str, Any]]]:
    table: dict[str, list[dict[str, Any]]] = ast.literal_eval(block("table").strip())
    return table


def test_the_part_is_found_and_asked_for_its_arguments(house: Path) -> None:
    new = set(parts.final_classes("unimodal.mixers", Mixer)) - parts.ARGUMENTS.keys()
    assert new == set(entry())


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("setting", settings())
def test_the_part_keeps_the_laws(house: Path, law: Any, setting: str) -> None:
    ((name, arguments),) = entry().items()
    for given in arguments:
        law(parts.factory({"class": name, **given}, Mixer), settings()[setting])


def test_the_model_of_the_page_learns(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    run: dict[str, Any] = {}
    exec(compile(block("run"), "docs/adding_a_part.md", "exec"), run)
    assert type(run["model"].backbone.decoder.blocks[0].mixer).__name__ == "Average"
    assert run["losses"][-1] < 0.6 * run["losses"][0]
    assert re.fullmatch(r"\d+\.\d\d -> \d+\.\d\d\n", capsys.readouterr().out)


def test_the_mistake_of_the_page_is_named_as_it_says(house: Path) -> None:
    (message,) = re.findall(r"`(config\.spec\.[^`]*)`", PAGE)
    mistake = yaml.safe_load(block("file", ".yaml").replace("heads: 2", "heads: 3"))
    spec = merge_specs(load_spec("configs/models/smallest.yaml")["spec"], mistake["spec"])
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        UnimodalForConditionalGeneration(UnimodalConfig(spec=spec))
