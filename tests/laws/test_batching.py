"""Every packer with every arrangement: each example once, its labels at its own entries, rows filled."""

import importlib
import inspect
import random
from typing import Any

import pytest
import torch

from unimodal.batching import (
    IGNORED,
    Arrangement,
    DecoderOnly,
    EncoderDecoder,
    EncoderOnly,
    Item,
    Packed,
    Packer,
    Padded,
    Sequences,
    token_piece,
)

PACKERS: list[Packer] = [Padded(), Packed(source=64, target=32), Packed(source=1, target=1)]
ARRANGEMENTS: list[Arrangement] = [EncoderDecoder(), DecoderOnly(), EncoderOnly()]
KINDS = {"code": 0, "text": 1}
every_packer = pytest.mark.parametrize(
    "packer", PACKERS, ids=lambda packer: f"{type(packer).__name__}{[*vars(packer).values()]}"
)
every_arrangement = pytest.mark.parametrize("arrangement", ARRANGEMENTS, ids=lambda part: type(part).__name__)


def items(arrangement: Arrangement, count: int, seed: int) -> list[Item]:
    """Tokens are told apart by their example: 1000 e + their place; answers from 500 on. Prompts are text and code."""
    generator, made = random.Random(seed), []
    for e in range(count):
        first, second, answer = (generator.randint(1, 12) for _ in range(3))
        ids = 1000 * e + torch.arange(first + second)
        prompt = (token_piece(ids[:first]), token_piece(ids[first:], "code"))
        labels = 1000 * e + 500 + torch.arange(answer)
        if type(arrangement) is EncoderOnly:
            made.append(Item(f"task {e}", prompt, None, labels[: first + second]))
        else:
            made.append(Item(f"task {e}", prompt, token_piece(torch.cat([torch.tensor([3]), labels[:-1]])), labels))
    return made


def written_out(sequences: Sequences) -> torch.Tensor:
    """The token at every entry, -1 where there is none."""
    tokens = torch.full(sequences.layout.valid.shape, -1)
    for net, pieces in sequences.pieces.items():
        rows, entries, inside = pieces.places(pieces.arrays["ids"].shape[1])
        assert (tokens[rows, entries] == -1).all(), "two pieces at one entry"
        tokens[rows, entries] = pieces.arrays["ids"][inside]
        assert (sequences.layout.kinds[rows, entries] == KINDS[net]).all()
        assert torch.equal(pieces.lengths, pieces.entries)
    return tokens


def check_rows(sequences: Sequences, expected: list[list[int]], prompts: list[int]) -> None:
    layout, tokens = sequences.layout, written_out(sequences)
    assert torch.equal(layout.valid, tokens >= 0) and torch.equal(layout.valid, layout.segments >= 0)
    positions = layout.positions.expand(tokens.shape)
    for example, ids in enumerate(expected):
        rows, entries = torch.where(layout.segments == example)
        assert tokens[rows, entries].tolist() == ids, "an example is not there once, in order"
        assert len(set(rows.tolist())) <= 1
        assert positions[rows, entries].tolist() == list(range(len(ids)))
        assert (layout.prefix[rows, entries] == prompts[example]).all()
    assert layout.index.expand(tokens.shape).tolist() == [list(range(tokens.shape[1]))] * tokens.shape[0]
    assert not layout.base.any() and layout.seen is None
    assert layout.valid.any(0).all(), "a column of nothing but padding"


def check_labels(batch: Any, chosen: list[Item], sequences: Sequences) -> None:
    """Each label is asked at the entry after which it comes (encoder-only: at the last entries)."""
    for example, item in enumerate(chosen):
        row, entries = torch.where(sequences.layout.segments == example)
        found = batch.labels[row, entries]
        assert found[found != IGNORED].tolist() == item.labels.tolist()
        assert (found[-len(item.labels) :] != IGNORED).all(), "labels are the last entries of an example"
    assert (batch.labels != IGNORED).sum() == sum(len(item.labels) for item in chosen)


@every_packer
@every_arrangement
@pytest.mark.parametrize("count", [1, 2, 17])
def test_every_example_is_there_once_with_its_labels(arrangement: Arrangement, packer: Packer, count: int) -> None:
    chosen = items(arrangement, count, seed=count)
    batch = arrangement.batch(chosen, packer, KINDS)
    assert batch.tasks == tuple(item.task for item in chosen) and batch.num_examples == count
    prompts = [torch.cat([piece.arrays["ids"] for piece in item.prompt]).tolist() for item in chosen]
    answers = [[] if item.answer is None else item.answer.arrays["ids"].tolist() for item in chosen]
    lengths, none = [len(prompt) for prompt in prompts], [0] * count
    expected = {
        EncoderDecoder: ((prompts, none), (answers, none)),
        EncoderOnly: ((prompts, none), None),
        DecoderOnly: (None, ([p + a for p, a in zip(prompts, answers, strict=True)], lengths)),
    }[type(arrangement)]
    for sequences, content in zip((batch.source, batch.target), expected, strict=True):
        assert (sequences is None) == (content is None)
        if sequences is not None and content is not None:
            check_rows(sequences, *content)
    written = batch.source if batch.target is None else batch.target
    assert written is not None
    check_labels(batch, chosen, written)
    if batch.source is not None and batch.target is not None:
        owners = [
            [set(row[row >= 0].tolist()) for row in part.layout.segments] for part in (batch.source, batch.target)
        ]
        assert owners[0] == owners[1], "an example's source and target stand in different rows"
    assert batch.num_entries == sum(len(p) for p in prompts) + sum(len(a) for a in answers)


def real_share(lengths: list[tuple[int, int]], rows: list[list[int]]) -> float:
    longest = sum(max(sum(lengths[example][side] for example in row) for row in rows) for side in (0, 1))
    return sum(map(sum, lengths)) / (len(rows) * longest)


@every_packer
@pytest.mark.parametrize("seed", range(5))
def test_a_packer_gives_each_example_one_row(packer: Packer, seed: int) -> None:
    generator = random.Random(seed)
    lengths = [(generator.randint(0, 80), generator.randint(1, 40)) for _ in range(generator.randint(1, 60))]
    rows = packer.rows(lengths)
    assert all(rows) and sorted(example for row in rows for example in row) == list(range(len(lengths)))
    assert packer.rows(lengths) == rows
    if type(packer) is Packed:
        assert real_share(lengths, rows) >= packer.real


@pytest.mark.parametrize("seed", range(3))
def test_packed_rows_are_full_and_as_long_as_asked(seed: int) -> None:
    """Speech in, speech out and text fill both sides; one a row they would fill a third."""
    generator = random.Random(seed)
    kinds = ((100, 200, 5, 15), (5, 15, 100, 120), (10, 20, 10, 20))
    lengths = [
        (generator.randint(a, b), generator.randint(c, d))
        for a, b, c, d in (generator.choice(kinds) for _ in range(400))
    ]
    rows = Packed(source=512, target=512).rows(lengths)
    assert real_share(lengths, rows) >= 0.95
    assert real_share(lengths, Padded().rows(lengths)) < 0.4
    assert max(sum(lengths[example][side] for example in row) for row in rows for side in (0, 1)) <= 600
    assert len(Packed(source=512, target=512, real=0.0).rows(lengths)) >= len(rows)


def test_rows_that_cannot_be_filled_become_fewer() -> None:
    lengths = [(100, 1), (1, 100), (3, 3)]
    assert Packed(source=1, target=1).rows(lengths) == [[0, 1, 2]]
    assert len(Packed(source=1, target=1, real=0.5).rows(lengths)) == 2
    with pytest.raises(ValueError, match="real"):
        Packed(source=1, target=1, real=95)


@every_arrangement
def test_a_prompt_is_what_training_showed_before_the_first_label(arrangement: Arrangement) -> None:
    chosen = items(arrangement, 4, seed=0)
    if type(arrangement) is EncoderOnly:
        with pytest.raises(ValueError, match="an encoder-only model does not generate"):
            arrangement.prompt(chosen, [token_piece([3])] * 4, KINDS)
        return
    batch = arrangement.batch(chosen, Padded(), KINDS)
    source, target = arrangement.prompt(chosen, [token_piece([3])] * 4, KINDS)
    assert batch.target is not None and (source is None) == (batch.source is None)
    if source is not None and batch.source is not None:
        assert torch.equal(written_out(source), written_out(batch.source))
    taught, asked = written_out(batch.target), written_out(target)
    for row in range(4):
        first = int((batch.labels[row] != IGNORED).nonzero()[0])
        shown = asked[row][asked[row] >= 0]
        assert shown.tolist() == taught[row, : first + 1].tolist() and shown[-1] == 3
        assert target.layout.prefix[row, 0] == batch.target.layout.prefix[row, 0]


def test_a_batch_moves_whole() -> None:
    batch = EncoderDecoder().batch(items(EncoderDecoder(), 3, seed=1), Padded(), KINDS)
    moved = batch.to(torch.device("meta"))
    assert moved.labels.is_meta and moved.tasks == batch.tasks
    for part in (moved.source, moved.target):
        assert part is not None and all(value.is_meta for value in vars(part.layout).values() if value is not None)
        for pieces in part.pieces.values():
            assert pieces.rows.is_meta and all(array.is_meta for array in pieces.arrays.values())


def test_every_packer_and_arrangement_is_tried_here() -> None:
    module = importlib.import_module("unimodal.batching")
    for contract, tried in ((Packer, PACKERS), (Arrangement, ARRANGEMENTS)):
        found = {part for _, part in inspect.getmembers(module, inspect.isclass) if issubclass(part, contract)}
        assert found - {contract} == {type(part) for part in tried}
