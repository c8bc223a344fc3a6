"""Every dropout found in the folder keeps the expectation; which of them act in inference is what sets them apart."""

import importlib
import inspect
import pkgutil

import pytest
import torch

import unimodal.prenets.dropouts
from unimodal.prenets.dropouts import Dropout
from unimodal.prenets.dropouts.always import AlwaysDropout
from unimodal.prenets.dropouts.training import TrainingDropout


def found():
    for module in pkgutil.iter_modules(unimodal.prenets.dropouts.__path__):
        members = inspect.getmembers(
            importlib.import_module(f"unimodal.prenets.dropouts.{module.name}"), inspect.isclass
        )
        yield from (one for _, one in members if issubclass(one, Dropout) and not inspect.isabstract(one))


@pytest.mark.parametrize("dropout", list(found()))
def test_the_expectation_stays_and_a_rate_of_zero_is_the_identity(dropout):
    ones = torch.ones(200_000)
    dropped = dropout(rate=0.5).train()(ones)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert abs(dropped.mean() - 1) < 0.02
    assert torch.equal(dropout(rate=0.0).train()(ones), ones)


def test_inference():
    ones = torch.ones(1000)
    assert torch.equal(TrainingDropout(rate=0.5).eval()(ones), ones)
    assert not torch.equal(AlwaysDropout(rate=0.5).eval()(ones), ones)
