"""Laws of every quantizer: widths, no noise in evaluation, gradients in training, and what unevenness says."""

import pytest
import torch

from tests.laws.parts import ARGUMENTS, DIM, close, factory, final_classes, label, specs
from unimodal.quantizers import Quantizer

every_quantizer = pytest.mark.parametrize("spec", specs("unimodal.quantizers"), ids=label)


def made(spec: object) -> Quantizer:
    torch.manual_seed(1)
    return factory(spec, Quantizer)(DIM)


def test_every_quantizer_is_tried() -> None:
    tried = {name for name in ARGUMENTS if name.startswith("unimodal.quantizers.")}
    assert set(final_classes("unimodal.quantizers", Quantizer)) == tried


@every_quantizer
def test_a_state_becomes_its_codes_alone_in_evaluation(spec: object) -> None:
    quantizer, states = made(spec).eval(), torch.randn(40, DIM)
    found, codes = quantizer(states), quantizer.codes(states)
    assert found.shape == states.shape
    assert torch.equal(found, quantizer(states))
    close(quantizer(states[7:9]), found[7:9])
    assert len(codes.unique(dim=0)) > 1
    for one, other in ((0, 5), (3, 17), *((0, place) for place in range(40))):
        assert torch.equal(codes[one], codes[other]) == torch.allclose(found[one], found[other])


@every_quantizer
def test_states_and_entries_learn_in_training(spec: object) -> None:
    quantizer, states = made(spec).train(), torch.randn(40, DIM, requires_grad=True)
    (quantizer(states) * torch.randn(40, DIM)).sum().backward()
    assert states.grad is not None and states.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in quantizer.parameters())


@every_quantizer
@torch.no_grad()
def test_unevenness_falls_as_more_entries_are_used(spec: object) -> None:
    quantizer = made(spec).eval()
    spread, alone = torch.randn(400, DIM) * 5, torch.randn(1, DIM).expand(400, DIM) * 5
    assert 0 <= float(quantizer.unevenness(spread)) < float(quantizer.unevenness(alone)) < 1
