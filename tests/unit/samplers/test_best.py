"""The best of a vocabulary are those of `topk` and `argmax`."""

import pytest
import torch

from unimodal.samplers.best import BLOCK, find_best, find_likeliest

SIZES = [1, 7, BLOCK, 4 * BLOCK, 4 * BLOCK + 1, 9 * BLOCK - 1, 40 * BLOCK, 40 * BLOCK + 57]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", SIZES)
def test_the_best_are_those_of_topk(size: int, dtype: torch.dtype) -> None:
    scores = torch.stack([torch.randperm(size) for _ in range(50)]).to(dtype)
    for count in (1, 4, 9):
        values, tokens = find_best(scores, count)
        expected = scores.topk(min(count, size))
        assert torch.equal(values, expected.values) and torch.equal(tokens, expected.indices)


@pytest.mark.parametrize("size", SIZES)
def test_of_equals_the_first_is_the_likeliest(size: int) -> None:
    few = torch.randint(3, (200, size)).float()
    expected = torch.tensor([row.index(max(row)) for row in few.tolist()])
    assert torch.equal(find_likeliest(few), expected)
    assert torch.equal(find_likeliest(torch.zeros(2, size)), torch.zeros(2, dtype=torch.long))


@pytest.mark.parametrize("size", SIZES)
def test_what_is_forbidden_stands_behind_the_rest(size: int) -> None:
    scores = torch.full((3, size), -torch.inf)
    scores[:, size // 2] = torch.tensor([-5.0, 0.0, 5.0])
    values, tokens = find_best(scores, 4)
    assert (values[:, 0] == torch.tensor([-5.0, 0.0, 5.0])).all() and (tokens[:, 0] == size // 2).all()
    assert (values[:, 1:] == -torch.inf).all()
    assert (find_likeliest(scores) == size // 2).all()
