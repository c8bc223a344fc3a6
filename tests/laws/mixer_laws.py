"""The laws of a Mixer as functions of its factory, so that a part from elsewhere can be tried too (see docs)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from tests.laws.parts import DIM, HEADS, close, factory, layout_of, randomised
from unimodal.attention import Part, Pattern
from unimodal.build import build
from unimodal.caches import Cache, KeysValues, LayerCache, Opening
from unimodal.caches.dense import Dense
from unimodal.caches.once import Once
from unimodal.hidden import Memory
from unimodal.layout import Layout
from unimodal.masks import Mask
from unimodal.mixers import Mixer
from unimodal.positions import Position

MakeMixer = Callable[[int], Mixer]


@dataclass(frozen=True)
class Setting:
    """What a stack would give the mixer: a mask that looks back only, and positions."""

    mask: Mask
    position: Position


def settings() -> dict[str, Setting]:
    bucketed = {"class": "unimodal.positions.bucketed.Bucketed", "heads": HEADS, "bidirectional": False}
    masks = {"causal": "unimodal.masks.causal.Causal", "window": {"class": "unimodal.masks.window.Window", "width": 3}}
    positions = {"none": "unimodal.positions.none.NoPosition", "bucketed": bucketed}
    pairs = (("causal", "none"), ("causal", "bucketed"), ("window", "none"))
    return {
        f"{mask} {position}": Setting(build(masks[mask], Mask), randomised(factory(positions[position], Position)(DIM)))
        for mask, position in pairs
    }


def run(mixer: Mixer, x: Tensor, layout: Layout, setting: Setting, cache: Cache | None = None) -> Tensor:
    return run_opened(mixer, x, (cache or Once(len(x), x.device)).open(layout), setting)


def run_opened(mixer: Mixer, x: Tensor, opening: Opening, setting: Setting) -> Tensor:
    pattern = Pattern(setting.mask, setting.position, opening.layout)
    return mixer(x, opening.layout, pattern, LayerCache(opening, 0))


def made(make: MakeMixer) -> Mixer:
    mixer: Mixer = randomised(make(DIM))
    return mixer


@final
class Split(Opening):
    """Gives what another opening gives in several parts, of which one may be empty."""

    def __init__(self, inner: Opening) -> None:
        self.inner = inner
        self.layout = inner.layout

    def read(self, layer: int, q: Tensor, layout: Layout) -> list[Part]:
        (part,) = self.inner.read(layer, q, layout)
        mask = part.mask if part.mask is not None else torch.ones_like(layout.valid)[:, None].expand(-1, q.shape[1], -1)
        spans = [slice(0, 1), slice(1, 1), slice(1, 4), slice(4, None)]
        examples = part.examples
        return [
            Part(
                part.keys[:, at],
                part.values[:, at],
                part.positions[:, at],
                mask[:, :, at],
                rotated=part.rotated,
                examples=None if examples is None else examples[:, at],
            )
            for at in spans
        ]

    def write(self, layer: int, keys: Tensor, values: Tensor, layout: Layout) -> None:
        self.inner.write(layer, keys, values, layout)

    def memory(self, layer: int, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        return self.inner.memory(layer, name, make)


def entries_hear_what_they_see(make: MakeMixer, setting: Setting) -> None:
    mixer, x = made(make), torch.randn(1, 6, DIM)
    layout, changed = layout_of([[6]]), x.clone()
    changed[0, 3] += 1
    difference = (run(mixer, x, layout, setting) - run(mixer, changed, layout, setting))[0].abs().amax(-1)
    assert (difference[3:] > 1e-6).all()


def entries_ignore_what_comes_after(make: MakeMixer, setting: Setting) -> None:
    mixer, x = made(make), torch.randn(2, 7, DIM)
    layout, changed = layout_of([[7], [7]]), x.clone()
    changed[:, 4:] = 100 * torch.randn(2, 3, DIM)
    found, expected = run(mixer, changed, layout, setting), run(mixer, x, layout, setting)
    close(found[:, :4], expected[:, :4])
    close(run(mixer, x[:, :4], layout_of([[4], [4]]), setting), expected[:, :4])


def padding_changes_nothing(make: MakeMixer, setting: Setting) -> None:
    mixer, x = made(make), torch.randn(3, 6, DIM)
    lengths, x[1, 2:] = [6, 2, 5], 1000.0
    found = run(mixer, x, layout_of([[length] for length in lengths]), setting)
    assert torch.isfinite(found).all()
    for row, length in enumerate(lengths):
        alone = run(mixer, x[row : row + 1, :length], layout_of([[length]]), setting)
        close(found[row : row + 1, :length], alone)


def packed_neighbours_change_nothing(make: MakeMixer, setting: Setting) -> None:
    mixer, x, rows = made(make), torch.randn(2, 7, DIM), [[3, 1, 3], [2, 4]]
    found = run(mixer, x, layout_of(rows), setting)
    for row, lengths in enumerate(rows):
        for example, length in enumerate(lengths):
            at = slice(sum(lengths[:example]), sum(lengths[: example + 1]))
            close(found[row : row + 1, at], run(mixer, x[row : row + 1, at], layout_of([[length]]), setting))


def steps_through_a_cache_are_one_pass(make: MakeMixer, setting: Setting) -> None:
    mixer, x, time = made(make), torch.randn(2, 8, DIM), 8
    expected = run(mixer, x, layout_of([[time], [time]]), setting)
    for steps in ([1] * 8, [3, 1, 1, 2, 1], [5, 3]):
        cache, begin, found = Dense(2, x.device, capacity=2), 0, []
        for step in steps:
            index = torch.arange(begin, begin + step)[None]
            committed = torch.full((2,), begin)
            layout = layout_of([[step], [step]], positions=index, index=index, base=committed)
            found.append(run(mixer, x[:, begin : begin + step], layout, setting, cache))
            begin += step
            cache.truncate(torch.full((2,), begin))
        close(torch.cat(found, 1), expected)


def any_list_of_parts_is_one(make: MakeMixer, setting: Setting) -> None:
    mixer, x, layout = made(make), torch.randn(3, 6, DIM), layout_of([[6], [2, 3], [4]])
    found, expected = (
        run_opened(mixer, x, wrap(Once(3, x.device).open(layout)), setting) for wrap in (Split, lambda opening: opening)
    )
    close(found[layout.valid], expected[layout.valid])


def every_weight_learns(make: MakeMixer, setting: Setting) -> None:
    mixer = made(make)
    run(mixer, torch.randn(2, 6, DIM), layout_of([[6], [4]]), setting).square().sum().backward()
    for name, weight in mixer.named_parameters():
        assert weight.grad is not None and torch.isfinite(weight.grad).all(), name
        assert weight.grad.any(), name


LAWS = [
    entries_hear_what_they_see,
    entries_ignore_what_comes_after,
    padding_changes_nothing,
    packed_neighbours_change_nothing,
    steps_through_a_cache_are_one_pass,
    any_list_of_parts_is_one,
    every_weight_learns,
]


def memory_of(hidden: Tensor, layout: Layout) -> Memory:
    return Memory("encoder", hidden, layout)
