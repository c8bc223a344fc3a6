"""Every cache of the folder: decoding is the full pass, and no operation leaves a trace of what it dropped.

b rows, n open nodes, d width
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.laws.parts import ARGUMENTS, DIM, HEAD_DIM, close, factory, final_classes, label, layout_of, specs
from tests.laws.tiny import BUCKETED, CAUSAL, PREFIX, stack
from unimodal.caches import Cache
from unimodal.caches.once import Once
from unimodal.decoding.lineage import ROUND, Lineage
from unimodal.hidden import Memory
from unimodal.layout import Layout
from unimodal.stack import Stack

# `Once` keeps nothing between passes: it is the full pass itself, which the others are held against.
EPHEMERAL = {"unimodal.caches.once.Once"}
FOLDER = "unimodal.caches"
every_cache = pytest.mark.parametrize("spec", [s for s in specs(FOLDER) if s["class"] not in EPHEMERAL], ids=label)
BASE = 1e-5  # float32 rounding, to which a cache adds its declared tolerance


def test_every_cache_of_the_folder_is_tried_here() -> None:
    found = final_classes(FOLDER, Cache)
    assert [name for name in found if name not in ARGUMENTS] == []
    assert set(found) > EPHEMERAL


class Reader:
    """Feeds entries to a stack through a cache as a session does, and says what must come out."""

    def __init__(self, stack: Stack, spec: Any, rows: int, *, memories: dict[str, Memory] | None = None) -> None:
        self.stack, self.memories = stack, memories or {}
        self.cache: Cache = factory(spec, Cache)(rows, torch.device("cpu"))
        self.tolerance = BASE + self.cache.tolerance
        self.prefix = torch.zeros(rows, dtype=torch.long)
        self.example = torch.arange(rows)

    def open(
        self,
        x: Tensor,
        *,
        first: int = 0,
        depth: list[int] | None = None,
        seen: Tensor | None = None,
        lengths: list[int] | None = None,
    ) -> Tensor:
        """Runs entries behind the committed ones, from node `first` on, and leaves them open."""
        rows, nodes = x.shape[:2]
        valid = torch.arange(nodes)[None] < torch.tensor(lengths or [nodes] * rows)[:, None]
        depths = torch.tensor(depth if depth is not None else list(range(first, first + nodes)))
        layout = Layout(
            positions=self.cache.length[:, None] + depths,
            valid=valid,
            index=self.cache.length[:, None] + first + torch.arange(nodes),
            segments=torch.where(valid, self.example[:, None], -1),
            kinds=torch.zeros(rows, nodes, dtype=torch.long),
            base=self.cache.length,
            prefix=self.prefix[:, None].expand(rows, nodes),
            seen=seen,
        )
        opening = self.cache.open(layout)
        views = {name: memory.view(layout) for name, memory in self.memories.items()}
        out: Tensor = self.stack(x.reshape(*opening.layout.valid.shape, DIM), opening, views).last
        return out.view(rows, nodes, DIM)

    def feed(self, x: Tensor, lengths: list[int] | None = None) -> Tensor:
        """Runs entries and commits them."""
        out = self.open(x, lengths=lengths)
        self.cache.truncate(self.cache.length + torch.tensor(lengths or [x.shape[1]] * x.shape[0]))
        return out

    def expect(self, history: list[Tensor], x: Tensor, found: Tensor) -> None:
        """`found` is what each row's `x` gives after all of its history in one pass of its own."""
        for row, past in enumerate(history):
            whole = self.alone(row, torch.cat([past, x[row]]))
            close(found[row], whole[past.shape[0] :], self.tolerance)

    def alone(self, row: int, entries: Tensor) -> Tensor:
        layout = layout_of([[len(entries)]], prefix=self.prefix[row].expand(1, len(entries)))
        width = self.cache.length.shape[0] // max([1, *(len(memory.mask) for memory in self.memories.values())])
        own = {name: memory.take(torch.tensor([row // width])) for name, memory in self.memories.items()}
        views = {name: memory.view(layout) for name, memory in own.items()}
        out: Tensor = self.stack(entries[None], Once(1, entries.device).open(layout), views).last[0]
        return out


def rows_of(*lengths: int) -> list[Tensor]:
    return [torch.randn(length, DIM) for length in lengths]


def padded(rows: list[Tensor]) -> Tensor:
    """Padding holds what no computation survives unseen."""
    out = torch.full((len(rows), max(map(len, rows)), DIM), 1e4)
    for row, entries in enumerate(rows):
        out[row, : len(entries)] = entries
    return out


STACKS: dict[str, dict[str, Any]] = {
    "bucketed": {"position": BUCKETED},
    "rotary": {"position": "unimodal.positions.rotary.Rotary"},
    "clipped": {"position": {"class": "unimodal.positions.clipped.Clipped", "head_dim": HEAD_DIM, "longest": 3}},
    "learned": {"position": {"class": "unimodal.positions.learned.Learned", "longest": 64}},
    "window": {"mask": {"class": "unimodal.masks.window.Window", "width": 3}},
    "prefix": {"mask": PREFIX},
    "repeated": {"plan": {"class": "unimodal.plans.repeated.Repeated", "times": 2}},
}


@every_cache
@pytest.mark.parametrize("settings", STACKS.values(), ids=STACKS.keys())
@pytest.mark.parametrize("steps", [[1, 1, 1, 1], [3, 1], [4]], ids=str)
@torch.no_grad()
def test_decoding_is_the_full_pass(spec: Any, settings: dict[str, Any], steps: list[int]) -> None:
    reader, history = Reader(stack(**settings), spec, 3), rows_of(5, 2, 9)
    reader.prefix = torch.tensor([5, 2, 9]) if settings.get("mask") == PREFIX else reader.prefix
    found = reader.feed(padded(history), [5, 2, 9])
    for row, past in enumerate(history):
        close(found[row, : len(past)], reader.alone(row, past), reader.tolerance)
    reader.cache.seal()
    for step in steps:
        x = torch.randn(3, step, DIM)
        reader.expect(history, x, reader.feed(x))
        history = [torch.cat([past, new]) for past, new in zip(history, x, strict=True)]
        assert reader.cache.length.tolist() == [len(past) for past in history]


@every_cache
@torch.no_grad()
def test_what_was_not_kept_was_never_written(spec: Any) -> None:
    reader, history = Reader(stack(), spec, 3), rows_of(4, 1, 6)
    reader.feed(padded(history), [4, 1, 6])
    nodes = torch.randn(3, 4, DIM)
    reader.open(nodes)
    # Row 0 keeps a path of two, row 1 all of a chain, row 2 nothing.
    reader.cache.keep(torch.tensor([[0, 1, 0, 0], [0, 1, 2, 3], [3, 3, 3, 3]]), torch.tensor([2, 4, 0]))
    history = [
        torch.cat([past, nodes[row, :count]]) for row, (past, count) in enumerate(zip(history, (2, 4, 0), strict=True))
    ]
    assert reader.cache.length.tolist() == [len(past) for past in history]
    for _ in range(3):
        x = torch.randn(3, 2, DIM)
        reader.expect(history, x, reader.feed(x))
        history = [torch.cat([past, new]) for past, new in zip(history, x, strict=True)]


@every_cache
@torch.no_grad()
def test_what_was_truncated_was_never_written(spec: Any) -> None:
    reader, history = Reader(stack(), spec, 3), rows_of(4, 7, 5)
    reader.feed(padded(history), [4, 7, 5])
    for lengths in ([4, 2, 1], [1, 2, 1], [0, 0, 0]):
        reader.cache.truncate(torch.tensor(lengths))
        history = [past[:length] for past, length in zip(history, lengths, strict=True)]
        x = torch.randn(3, 3, DIM)
        reader.expect(history, x, reader.open(x))
        reader.cache.truncate(torch.tensor(lengths))


@every_cache
@torch.no_grad()
def test_open_entries_that_are_not_run_again_leave_no_trace(spec: Any) -> None:
    """A longer attempt lies open behind rows of different lengths; a shorter one must not see its end."""
    reader, history = Reader(stack(), spec, 2), rows_of(2, 6)
    reader.feed(padded(history), [2, 6])
    reader.open(torch.randn(2, 5, DIM), depth=[0, 0, 0, 0, 0], seen=torch.eye(5, dtype=torch.bool).expand(2, 5, 5))
    for nodes in (1, 2):
        x = torch.randn(2, nodes, DIM)
        reader.expect(history, x, reader.open(x))


@every_cache
@torch.no_grad()
def test_a_fork_is_what_its_rows_alone_would_hold(spec: Any) -> None:
    hidden, source = torch.randn(3, 4, DIM), layout_of([[4], [2], [3]])
    memory = Memory("encoder", hidden, source)
    reader, history = Reader(stack(reads=("encoder",)), spec, 3, memories={"encoder": memory}), rows_of(4, 1, 6)
    reader.feed(padded(history), [4, 1, 6])
    width = 1
    for selected, order in (
        ([0, 1, 2], [0, 0, 1, 1, 2, 2]),
        ([0, 1, 2], [1, 0, 3, 3, 4, 5]),
        ([2, 0], [0, 1, 1, 3, 3, 2]),
        ([0, 1], [0, 5]),
        ([1, 1, 0], [0, 1, 2]),
        ([1], [0, 0, 0]),
    ):
        rows, chosen = torch.tensor(selected), torch.tensor(order)
        reader.cache.select(rows)
        reader.memories = {"encoder": reader.memories["encoder"].take(rows)}
        history = [history[row * width + place] for row in selected for place in range(width)]
        assert reader.cache.length.tolist() == [len(past) for past in history]
        reader.cache.fork(chosen)
        history, width = [history[row] for row in order], len(order) // len(selected)
        reader.prefix, reader.example = torch.zeros(len(order), dtype=torch.long), torch.arange(len(order))
        assert reader.cache.length.tolist() == [len(past) for past in history]
        x = torch.randn(len(order), 2, DIM)
        reader.expect(history, x, reader.feed(x))
        history = [torch.cat([past, new]) for past, new in zip(history, x, strict=True)]


# Two roots; the first has two children, one of which has a child.
PARENTS = [-1, -1, 0, 0, 3, 1]


def ancestry() -> tuple[Tensor, list[int], list[list[int]]]:
    """(seen [n, n], depths, the path of each node)."""
    paths: list[list[int]] = []
    for node, parent in enumerate(PARENTS):
        paths.append([*(paths[parent] if parent >= 0 else []), node])
    seen = torch.zeros(len(PARENTS), len(PARENTS), dtype=torch.bool)
    for node, path in enumerate(paths):
        seen[node, path] = True
    return seen, [len(path) - 1 for path in paths], paths


@every_cache
@pytest.mark.parametrize("settings", STACKS.values(), ids=STACKS.keys())
@torch.no_grad()
def test_a_tree_is_one_token_at_a_time_on_the_same_cache(spec: Any, settings: dict[str, Any]) -> None:
    reader, history = Reader(stack(**settings), spec, 3), rows_of(5, 1, 8)
    reader.feed(padded(history), [5, 1, 8])
    seen, depths, paths = ancestry()
    x = torch.randn(3, len(PARENTS), DIM)
    found = reader.open(x, depth=depths, seen=seen.expand(3, -1, -1))
    for node, path in enumerate(paths):
        branch = x[:, path]
        single = Reader(reader.stack, spec, 3)
        single.feed(padded(history), [5, 1, 8])
        for step in range(len(path)):
            last = single.feed(branch[:, step : step + 1])
        close(found[:, node], last[:, 0], BASE)
        reader.expect(
            [torch.cat([past, new]) for past, new in zip(history, branch[:, :-1], strict=True)],
            branch[:, -1:],
            found[:, node : node + 1],
        )


@every_cache
@torch.no_grad()
def test_nodes_in_several_calls_are_one_call_and_may_be_run_again(spec: Any) -> None:
    reader, history = Reader(stack(), spec, 2), rows_of(3, 5)
    reader.feed(padded(history), [3, 5])
    seen, depths, _ = ancestry()
    x = torch.randn(2, len(PARENTS), DIM)
    whole = reader.open(x, depth=depths, seen=seen.expand(2, -1, -1))
    for first in (0, 2, 3):
        part = reader.open(x[:, first:], first=first, depth=depths[first:], seen=seen[first:].expand(2, -1, -1))
        close(part, whole[:, first:], BASE)


@every_cache
@torch.no_grad()
def test_a_path_of_a_tree_is_kept(spec: Any) -> None:
    reader, history = Reader(stack(), spec, 3), rows_of(3, 5, 1)
    reader.feed(padded(history), [3, 5, 1])
    seen, depths, paths = ancestry()
    for _ in range(3):
        x = torch.randn(3, len(PARENTS), DIM)
        reader.open(x, depth=depths, seen=seen.expand(3, -1, -1))
        chosen = [paths[4], paths[5], paths[1]]
        nodes = torch.tensor([[*path, *[0] * (3 - len(path))] for path in chosen])
        reader.cache.keep(nodes, torch.tensor([len(path) for path in chosen]))
        history = [
            torch.cat([past, x[row, path]]) for row, (past, path) in enumerate(zip(history, chosen, strict=True))
        ]
    x = torch.randn(3, 1, DIM)
    reader.expect(history, x, reader.feed(x))


@every_cache
@torch.no_grad()
def test_a_finished_row_never_disturbs_the_others(spec: Any) -> None:
    """A row that goes on as padding while the others decode (`valid` is False) holds nothing but rubbish."""
    reader, history = Reader(stack(), spec, 2), rows_of(3, 4)
    reader.feed(padded(history), [3, 4])
    for _ in range(3):
        x = torch.cat([torch.randn(1, 1, DIM), torch.full((1, 1, DIM), 1e30)])
        found = reader.feed(x, [1, 0])
        reader.expect(history[:1], x[:1], found[:1])
        history[0] = torch.cat([history[0], x[0]])
    reader.expect(history, y := torch.randn(2, 1, DIM), reader.feed(y))


def storages(value: Any, found: dict[int, int]) -> dict[int, int]:
    """Address -> bytes of every tensor's memory that an object holds."""
    if isinstance(value, Tensor):
        found[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
    elif isinstance(value, dict):
        for item in value.values():
            storages(item, found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            storages(item, found)
    elif isinstance(value, Lineage | Cache):
        storages({name: item for name, item in vars(value).items() if name != "length"}, found)
    return found


@every_cache
@torch.no_grad()
def test_bytes_and_reads_are_counted_truly(spec: Any) -> None:
    memory = Memory("encoder", torch.randn(2, 4, DIM), layout_of([[4], [2]]))
    reader = Reader(stack(reads=("encoder",)), spec, 2, memories={"encoder": memory})
    sizes, reads = [reader.cache.nbytes], [reader.cache.tokens_read]
    for length in (3, 200, 1):
        reader.feed(torch.randn(2, length, DIM))
        assert reader.cache.nbytes == sum(storages(reader.cache, {}).values())
        sizes.append(reader.cache.nbytes)
        reads.append(reader.cache.tokens_read)
    assert sizes[0] < sizes[1] < sizes[2] and sizes[2] <= sizes[3]
    assert all(before < after for before, after in zip(reads, reads[1:], strict=False))
    reader.cache.select(torch.tensor([0]))
    assert reader.cache.nbytes < sizes[-1]


@torch.no_grad()
def test_dense_reads_the_window_once_a_layer_whatever_beams_share_a_row() -> None:
    reader = Reader(stack(mask=CAUSAL), "unimodal.caches.dense.Dense", 2)
    reader.feed(torch.randn(2, 3, DIM))
    reader.cache.fork(torch.tensor([0, 0, 1, 1]))
    reader.prefix, reader.example = torch.zeros(4, dtype=torch.long), torch.arange(4)
    reader.feed(torch.randn(4, 1, DIM))
    assert reader.cache.tokens_read == 2 * 2 * (ROUND + ROUND)
