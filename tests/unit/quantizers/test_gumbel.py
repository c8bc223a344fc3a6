"""The Gumbel softmax: one entry of each group, at a temperature that falls, kept in a checkpoint."""

import math

import pytest
import torch

from unimodal.quantizers.gumbel import Gumbel

DIM = 8


def test_an_output_is_one_entry_of_each_group() -> None:
    quantizer, states = Gumbel(DIM, groups=2, entries=5), torch.randn(30, DIM)
    entries = quantizer.table.weight.detach().unflatten(0, (2, 5))
    for module in (quantizer.train(), quantizer.eval()):
        for half, group in zip(module(states).detach().chunk(2, dim=-1), entries, strict=True):
            assert ((half[:, None] - group).abs().sum(-1) < 1e-5).sum(-1).eq(1).all()


def test_training_draws_and_the_likeliest_is_drawn_more_when_it_is_cold() -> None:
    states = torch.randn(500, DIM)
    agreements = []
    for temperature in (2.0, 0.01):
        torch.manual_seed(0)
        quantizer = Gumbel(DIM, entries=20, hottest=temperature, coolest=temperature)
        fixed = quantizer.eval()(states)
        agreements.append(float((quantizer.train()(states) - fixed).abs().sum(-1).lt(1e-5).double().mean()))
    # A hard draw takes each entry with its probability, whatever the temperature; only its gradient is softer.
    assert 0 < agreements[0] < 0.5 and agreements[0] == pytest.approx(agreements[1], abs=0.02)


def test_the_temperature_falls_with_training_alone_and_is_kept() -> None:
    quantizer = Gumbel(DIM, hottest=2.0, coolest=0.5, cooling=0.9)
    quantizer.eval()(torch.randn(3, DIM))
    assert quantizer.temperature == 2.0
    for _ in range(3):
        quantizer.train()(torch.randn(3, DIM))
    assert quantizer.temperature == pytest.approx(2 * 0.9**3)
    other = Gumbel(DIM, hottest=2.0, coolest=0.5, cooling=0.9)
    other.load_state_dict(quantizer.state_dict())
    assert other.temperature == quantizer.temperature
    for _ in range(20):
        quantizer(torch.randn(3, DIM))
    assert quantizer.temperature == 0.5


@torch.no_grad()
def test_unevenness_is_one_less_the_share_of_entries_in_use() -> None:
    quantizer = Gumbel(DIM, groups=2, entries=4)
    with torch.no_grad():
        quantizer.score.weight.zero_()
        quantizer.score.bias.copy_(torch.tensor([50.0, 50, 0, 0, 0, 0, 0, 0]))
    expected = 1 - (2 + 4) / 8  # two entries of the first group, all of the second
    assert math.isclose(float(quantizer.unevenness(torch.randn(9, DIM))), expected, abs_tol=1e-5)


def test_the_loss_spreads_the_codes() -> None:
    """Codes of states that look alike: with the loss all entries come into use, without it few do."""
    torch.manual_seed(0)
    states = torch.randn(256, DIM) * 0.3 + torch.randn(DIM)
    used = []
    for weight in (0.0, 1.0):
        torch.manual_seed(1)
        quantizer = Gumbel(DIM, groups=2, entries=16)
        optimizer = torch.optim.Adam(quantizer.parameters(), lr=0.02)
        for _ in range(150):
            rebuilt = (quantizer(states) - states).square().mean()
            optimizer.zero_grad()
            (rebuilt + weight * quantizer.unevenness(states)).backward()
            optimizer.step()
        codes = quantizer.eval().codes(states)
        used.append(sum(_perplexity(codes[:, group], 16) for group in range(2)) / 32)
    assert used[1] >= 0.3 and used[1] > 1.1 * used[0], used


def _perplexity(codes: torch.Tensor, entries: int) -> float:
    shares = torch.bincount(codes, minlength=entries) / len(codes)
    return float(torch.special.entr(shares).sum().exp())


@pytest.mark.parametrize(
    ("settings", "field"), [({"groups": 3}, "groups"), ({"coolest": 3.0}, "hottest"), ({"cooling": 1.1}, "hottest")]
)
def test_settings_that_do_not_fit_are_named(settings: dict[str, float], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}"):
        Gumbel(DIM, **settings)
