"""Every mixer of the folder under the laws of its contract; those that read a memory under the laws of reading."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.laws.mixer_laws import LAWS, made, memory_of, settings
from tests.laws.parts import ARGUMENTS, DIM, close, factory, final_classes, label, layout_of, pattern_of, specs
from unimodal.caches import Cache, LayerCache
from unimodal.caches.dense import Dense
from unimodal.caches.once import Once
from unimodal.hidden import Memory
from unimodal.layout import Layout
from unimodal.masks.full import Full
from unimodal.mixers import Mixer
from unimodal.positions.none import NoPosition

READERS = {"unimodal.mixers.attention.CrossAttention"}
FOLDER = "unimodal.mixers"
every_mixer = pytest.mark.parametrize("spec", [s for s in specs(FOLDER) if s["class"] not in READERS], ids=label)
every_reader = pytest.mark.parametrize("spec", [s for s in specs(FOLDER) if s["class"] in READERS], ids=label)


def test_every_mixer_of_the_folder_is_tried_here() -> None:
    found = final_classes(FOLDER, Mixer)
    assert [name for name in found if name not in ARGUMENTS] == []
    assert set(found) >= READERS


@every_mixer
@pytest.mark.parametrize("setting", settings())
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_laws_of_a_mixer(law: Any, setting: str, spec: Any) -> None:
    law(factory(spec, Mixer), settings()[setting])


def read(mixer: Mixer, x: Tensor, layout: Layout, memory: Memory, cache: Cache | None = None) -> Tensor:
    view = LayerCache((cache or Once(len(x), x.device)).open(layout), 0)
    out: Tensor = mixer(x, layout, pattern_of(layout, Full(), NoPosition(DIM)), view, memory.view(layout))
    return out


@pytest.fixture
def reader(spec: Any) -> Mixer:
    return made(factory(spec, Mixer))


@every_reader
def test_a_reader_hears_the_whole_memory_and_none_of_its_padding(reader: Mixer) -> None:
    x, hidden, layout, source = (
        torch.randn(2, 3, DIM),
        torch.randn(2, 6, DIM),
        layout_of([[3], [2]]),
        layout_of([[6], [4]]),
    )
    expected = read(reader, x, layout, memory_of(hidden, source))
    for entry in range(6):
        changed = hidden.clone()
        changed[:, entry] += 1000 if entry >= 4 else 1
        difference = (read(reader, x, layout, memory_of(changed, source)) - expected).abs().amax(-1)
        assert (difference[0] > 1e-6).all()
        assert (difference[1, :2] > 1e-6).all() if entry < 4 else not difference[1].any()


@every_reader
def test_packed_neighbours_read_their_own_sources(reader: Mixer) -> None:
    x, hidden = torch.randn(2, 5, DIM), torch.randn(2, 9, DIM)
    targets, sources = [[2, 3], [1, 4]], [[4, 5], [7, 1]]
    found = read(reader, x, layout_of(targets), memory_of(hidden, layout_of(sources)))
    for row in range(2):
        for example in range(2):
            at, of = (slice(sum(n[row][:example]), sum(n[row][: example + 1])) for n in (targets, sources))
            one, source = x[row : row + 1, at], hidden[row : row + 1, of]
            alone = read(reader, one, layout_of([[one.shape[1]]]), memory_of(source, layout_of([[source.shape[1]]])))
            close(found[row : row + 1, at], alone)


@every_reader
def test_an_example_without_a_source_reads_nobody_elses(reader: Mixer) -> None:
    """Its decoder row also holds an example that has one, which fills their encoder row alone."""
    x, hidden = torch.randn(1, 5, DIM), torch.randn(1, 4, DIM)
    layout, source = layout_of([[2, 3]]), layout_of([[4]])
    expected = read(reader, x[:, :2], layout_of([[2]]), memory_of(hidden, source))
    found = read(reader, x, layout, memory_of(hidden, source))
    close(found[:, :2], expected)
    changed = read(reader, x, layout, memory_of(hidden + 1, source))
    assert torch.equal(changed[:, 2:], found[:, 2:])


@every_reader
def test_some_rows_of_a_memory_are_read_as_they_are_alone(reader: Mixer) -> None:
    x, hidden, source = torch.randn(3, 2, DIM), torch.randn(2, 6, DIM), layout_of([[6], [4]])
    rows = torch.tensor([1, 0, 1])
    found = read(reader, x, layout_of([[2]] * 3), memory_of(hidden, source).take(rows))
    for row in range(3):
        length = [6, 4][rows[row]]
        own = memory_of(hidden[rows[row], :length][None], layout_of([[length]]))
        close(found[row : row + 1], read(reader, x[row : row + 1], layout_of([[2]]), own))


@every_reader
def test_a_memory_is_projected_once_and_read_at_every_step(reader: Mixer) -> None:
    x, hidden, source = torch.randn(2, 3, DIM), torch.randn(2, 6, DIM), layout_of([[6], [4]])
    expected = read(reader, x, layout_of([[3], [3]]), memory_of(hidden, source))
    cache, calls = Dense(2, x.device), 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    reader.key.register_forward_hook(count)
    for step in range(3):
        at = torch.tensor([[step]])
        layout = layout_of([[1], [1]], positions=at, index=at, base=torch.full((2,), step))
        close(
            read(reader, x[:, step : step + 1], layout, memory_of(hidden, source), cache), expected[:, step : step + 1]
        )
    assert calls == 1


@every_reader
def test_every_weight_of_a_reader_learns(reader: Mixer) -> None:
    hidden = torch.randn(2, 6, DIM, requires_grad=True)
    out = read(reader, torch.randn(2, 3, DIM), layout_of([[3], [2]]), memory_of(hidden, layout_of([[6], [4]])))
    out.square().sum().backward()
    assert hidden.grad is not None and hidden.grad[0].any() and not hidden.grad[1, 4:].any()
    for name, weight in reader.named_parameters():
        assert weight.grad is not None and torch.isfinite(weight.grad).all() and weight.grad.any(), name


def test_heads_that_do_not_divide_are_named() -> None:
    for arguments, message in (
        ({"heads": 3}, "heads: a width of 8 does not divide into 3 heads; give head_dim"),
        ({"heads": 2, "groups": 3}, "groups: 2 heads do not divide into 3 groups"),
    ):
        with pytest.raises(ValueError, match=message):
            factory({"class": "unimodal.mixers.attention.SelfAttention", **arguments}, Mixer)(8)
