"""Hidden entries' units: the loss written out, and a model that learns to tell them from what stands around."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.unit.objectives.pretraining import batch_of, items, tiny_model
from unimodal.batching import Pieces
from unimodal.objectives import example_of, learn
from unimodal.objectives.hidden_spans import HiddenSpans
from unimodal.objectives.masked_units import MaskedUnits
from unimodal.prenets.cepstra import Cepstra
from unimodal.units import Units, fit_units


@pytest.fixture
def units(tmp_path: Path) -> Units:
    torch.manual_seed(4)
    fit_units([torch.randn(300, 39)], 6, tmp_path / "units.safetensors")
    return Units(Cepstra(), number=6, centroids=tmp_path / "units.safetensors")


def test_the_loss_is_the_cross_entropy_of_scaled_cosines_over_hidden_entries(units: Units) -> None:
    model, objective = tiny_model(), MaskedUnits(32, net="speech", units=units, width=5, temperature=0.2)
    batch = HiddenSpans(objective, net="speech", tasks=["asr"]).prepare(batch_of(model, items()))
    output = model.run_batch(batch)
    (term,) = objective.terms(model, output, batch).values()
    pieces = batch.source.pieces["speech"]
    labels, hidden, tables = units(pieces), pieces.arrays["hidden"], functional.normalize(objective.table.weight)
    for piece, example in enumerate(example_of(pieces, batch.source).tolist()):
        row, start = int(pieces.rows[piece]), int(pieces.starts[piece])
        losses = []
        for entry in torch.where(hidden[piece])[0].tolist():
            guess = functional.normalize(objective.project(output.encoder.last[row, start + entry]), dim=0)
            losses.append(-(tables @ guess / 0.2).log_softmax(0)[labels[piece, entry]])
        assert bool(term.has_target[example]) == bool(losses)
        if losses:
            torch.testing.assert_close(term.loss[example], torch.stack(losses).mean())


def test_units_are_those_of_the_clean_speech(units: Units) -> None:
    """What is hidden changes the labels of nothing."""
    model, objective = tiny_model(), MaskedUnits(32, net="speech", units=units)
    batch = batch_of(model, items())
    plain: Pieces = batch.source.pieces["speech"]
    hidden = HiddenSpans(objective, net="speech", tasks=["asr"]).prepare(batch).source.pieces["speech"]
    assert torch.equal(units(plain), units(hidden))


def test_without_hidden_spans_there_is_no_loss(units: Units) -> None:
    model = tiny_model()
    assert learn(model, MaskedUnits(32, net="speech", units=units), batch_of(model, items())) == {}
