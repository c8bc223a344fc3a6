"""Units: learned once, the same in every batch, and a file that is named where it does not fit."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.unit.objectives.pretraining import batch_of, items, spoken, tiny_model
from unimodal.entry_features import EntryFeatures
from unimodal.entry_features.layer_states import LayerStates
from unimodal.prenets.cepstra import Cepstra
from unimodal.units import Units, fit_units


def test_clusters_are_found_whatever_their_scale(tmp_path: Path) -> None:
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0], [1, 0], [0, 1000], [1, 1000]])
    points = centres.repeat_interleave(50, dim=0) + torch.randn(200, 2) * torch.tensor([0.05, 50])
    file = tmp_path / "folder" / "units.safetensors"
    shares = fit_units(points.split(30), 4, file)
    torch.testing.assert_close(shares, torch.full((4,), 0.25), check_dtype=False)
    fit_units(points.split(70), 4, tmp_path / "again.safetensors")
    assert file.read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    with pytest.raises(ValueError, match="^3 entries are too few for 4 units"):
        fit_units([points[:3]], 4, file)


def tones(*frequencies: float) -> torch.Tensor:
    """Features of two seconds: a bump in another place of the spectrum for each part."""
    bands = torch.arange(80.0)
    return torch.cat([torch.exp(-((bands - f) ** 2) / 50).expand(200 // len(frequencies), 80) for f in frequencies])


def test_cepstra_tell_spectra_apart_and_belong_to_their_time() -> None:
    model = tiny_model()
    item = spoken(200)
    item.prompt[1].arrays["features"][:] = tones(10, 60)
    batch = batch_of(model, [item, spoken(80)], packed=False)
    pieces = batch.source.pieces["speech"]
    found = Cepstra()(pieces)
    assert found.shape[1] == 50 and found.shape[-1] == 39
    assert torch.allclose(found[0, 3], found[0, 21], atol=1e-4) and not torch.allclose(
        found[0, 21], found[0, 28], atol=0.1
    )
    assert found[0, 10:20, 13:].abs().max() < 1e-4 < found[0, 25, 13:].abs().max(), "differences where it changes alone"


@pytest.mark.parametrize(
    "make", [lambda folder: Cepstra(), lambda folder: LayerStates(model=folder, net="speech", layer=1)]
)
def test_features_know_neither_padding_nor_what_is_hidden(make: object, tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path)
    features: EntryFeatures = make(str(tmp_path))
    together = batch_of(model, items(), packed=False).source.pieces["speech"]
    found = features(together)
    for row, entries in enumerate(together.entries.tolist()):
        item = [item for item in items() if item.labels is None][row]
        alone = batch_of(model, [item], packed=False).source.pieces["speech"]
        torch.testing.assert_close(features(alone)[0], found[row, :entries], atol=1e-4, rtol=1e-4)
    together.arrays["hidden"] = torch.ones(found.shape[:2], dtype=torch.bool)
    assert torch.equal(features(together), found)


def test_layer_states_are_those_of_the_encoder(tmp_path: Path) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path)
    pieces = batch_of(model, [spoken(40)], packed=False).source.pieces["speech"]
    states = [LayerStates(model=str(tmp_path), net="speech", layer=layer)(pieces) for layer in range(3)]
    assert {state.shape for state in states} == {(1, 10, 32)} and not torch.allclose(states[1], states[2])
    assert not any(state.requires_grad for state in states)
    with pytest.raises(ValueError, match="^layer: .* has an encoder of 2 blocks, so no layer 3"):
        LayerStates(model=str(tmp_path), net="speech", layer=3)(pieces)
    with pytest.raises(ValueError, match="^model: .*nowhere holds no config.json"):
        LayerStates(model=str(tmp_path / "nowhere"), net="speech", layer=1)(pieces)


def test_a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    pieces = batch_of(tiny_model(), [spoken(40)], packed=False).source.pieces["speech"]
    file = tmp_path / "units.safetensors"

    def asked(number: int = 4) -> torch.Tensor:
        return Units(Cepstra(), number=number, centroids=file)(pieces)

    with pytest.raises(FileNotFoundError, match="units.safetensors: no such file; python -m scripts.fit_units"):
        asked()
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="units.safetensors: holds no units"):
        asked()
    save_file({"centroids": torch.zeros(4, 2), "mean": torch.zeros(2), "spread": torch.ones(2)}, file)
    with pytest.raises(ValueError, match="units.safetensors: holds units of 2 values, the features have 39"):
        asked()
    with pytest.raises(ValueError, match="units.safetensors: holds 4 units, not 9"):
        asked(9)
