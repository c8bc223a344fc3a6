"""Every augmentation found in the folder: the shape stays, padding is not read, kept values are kept exactly."""

import importlib
import inspect
import pkgutil

import pytest
import torch

import unimodal.prenets.augmentations
from unimodal.prenets.augmentations import Augmentation


def found():
    for module in pkgutil.iter_modules(unimodal.prenets.augmentations.__path__):
        members = inspect.getmembers(
            importlib.import_module(f"unimodal.prenets.augmentations.{module.name}"), inspect.isclass
        )
        yield from (one for _, one in members if issubclass(one, Augmentation) and not inspect.isabstract(one))


@pytest.fixture(params=list(found()))
def augmentation(request):
    return request.param()


def test_shape_and_kept_values_stay(augmentation):
    features, lengths = torch.randn(64, 90, 80), torch.randint(1, 91, (64,))
    changed = augmentation(features, lengths)
    assert changed.shape == features.shape
    assert torch.equal(changed[changed != 0], features[changed != 0])
    assert (changed != features).any() and (changed == features).float().mean() > 0.5


def test_draws_differ_and_follow_the_seed(augmentation):
    features, lengths = torch.randn(4, 90, 80), torch.full((4,), 90)
    torch.manual_seed(1)
    first, other = augmentation(features, lengths), augmentation(features, lengths)
    torch.manual_seed(1)
    assert torch.equal(first, augmentation(features, lengths)) and not torch.equal(first, other)


def test_padding_is_not_read(augmentation):
    features, lengths = torch.randn(3, 90, 80), torch.tensor([90, 40, 7])
    disturbed = features.clone()
    for row, length in zip(disturbed, lengths, strict=True):
        row[length:] = 1e6
    torch.manual_seed(1)
    first = augmentation(features, lengths)
    torch.manual_seed(1)
    second = augmentation(disturbed, lengths)
    for row, length in enumerate(lengths):
        assert torch.equal(first[row, :length], second[row, :length])
