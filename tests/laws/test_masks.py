"""Every mask of the folder against a rule of one query and one key, written down independently."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.laws.parts import ARGUMENTS, final_classes, label, layout_of, specs
from unimodal.build import build
from unimodal.masks import Mask

# (query position, key position, prefix, arguments) -> whether the query sees the key
RULES: dict[str, Callable[[int, int, int, Any], bool]] = {
    "Full": lambda query, key, prefix, given: True,
    "Causal": lambda query, key, prefix, given: key <= query,
    "Prefix": lambda query, key, prefix, given: key <= query or key < prefix,
    "Window": lambda query, key, prefix, given: (
        key in range(query - given["width"] + 1, query + given.get("ahead", 0) + 1)
    ),
    "Chunk": lambda query, key, prefix, given: (
        query // given["size"] - given["left"] <= key // given["size"] <= query // given["size"]
    ),
}
every_mask = pytest.mark.parametrize("spec", specs("unimodal.masks"), ids=label)


def rule(spec: dict[str, Any]) -> Callable[[int, int, int, Any], bool]:
    return RULES[spec["class"].rpartition(".")[2]]


def test_every_mask_of_the_folder_is_tried_here() -> None:
    found = final_classes("unimodal.masks", Mask)
    assert [name for name in found if name not in ARGUMENTS] == []
    assert {name.rpartition(".")[2] for name in found} == set(RULES)


@every_mask
@pytest.mark.parametrize("shared", [False, True])
def test_a_mask_is_its_rule_at_any_positions(spec: dict[str, Any], shared: bool) -> None:
    """Positions need neither be sorted nor start at 0, and queries need not be keys (a cache's are not)."""
    mask = build(spec, Mask)
    queries, keys = torch.randint(0, 12, (1 if shared else 3, 5)), torch.randint(0, 12, (1 if shared else 3, 9))
    prefix = torch.tensor([0, 4, 11])[:, None].expand(3, 5)
    layout = layout_of([[5]] * 3, positions=queries, prefix=prefix)
    visible = mask.visible(queries, keys, layout)
    visible = torch.ones(3, 5, 9, dtype=torch.bool) if visible is None else visible.expand(3, 5, 9)
    for b in range(3):
        q, k = queries[0 if shared else b], keys[0 if shared else b]
        expected = [[rule(spec)(int(i), int(j), int(prefix[b, 0]), spec) for j in k] for i in q]
        assert visible[b].tolist() == expected


@every_mask
def test_a_mask_leaves_padding_and_neighbours_to_the_cache(spec: dict[str, Any]) -> None:
    mask, layout = build(spec, Mask), layout_of([[2, 3], [4]])
    plain = layout_of([[5], [5]], positions=layout.positions)
    found, expected = (mask.visible(x.positions, x.positions, x) for x in (layout, plain))
    assert (found is None and expected is None) or torch.equal(found, expected)


@every_mask
def test_an_entry_sees_itself(spec: dict[str, Any]) -> None:
    """Or its attention would be empty at the start of a sequence."""
    layout = layout_of([[9]])
    visible = build(spec, Mask).visible(layout.positions, layout.positions, layout)
    assert visible is None or visible[0].diagonal().all()


def test_arguments_without_sense_are_named() -> None:
    for name, arguments in (
        ("window.Window", {"width": 0}),
        ("window.Window", {"width": 1, "ahead": -1}),
        ("chunk.Chunk", {"size": 0, "left": 0}),
        ("chunk.Chunk", {"size": 2, "left": -1}),
    ):
        with pytest.raises(ValueError, match=f"config: {next(iter(arguments))}"):
            build({"class": f"unimodal.masks.{name}", **arguments}, Mask)
