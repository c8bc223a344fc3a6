"""The best of a vocabulary, found faster than one score after the other.

On a processor `argmax` and `topk` look at scores one by one, `amax` at many at a time. The best few lie in as many
blocks, those with the highest maxima; so the maxima of all blocks are taken, and the scores of a few blocks are looked
at. On 8 x 32,128 scores that takes a quarter of the time. Other devices do it themselves.
b rows, v vocabulary, k found
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 128


def find_best(scores: Float[Tensor, "b v"], count: int) -> tuple[Float[Tensor, "b k"], Int[Tensor, "b k"]]:
    """The `count` highest scores of each row, the highest first, with their tokens; all where there are no more."""
    if not _is_worthwhile(scores, count):
        values, tokens = scores.topk(min(count, scores.shape[1]))
        return values, tokens
    blocks = _maxima(scores).topk(count, sorted=False).indices
    tokens = _tokens(blocks, scores.shape[1])
    values, places = scores.gather(1, tokens).topk(count)
    return values, tokens.gather(1, places)


def find_likeliest(scores: Float[Tensor, "b v"]) -> Int[Tensor, " b"]:
    """The token with the highest score of each row; of equals, the first."""
    if not _is_worthwhile(scores, 1):
        return scores.argmax(1)
    tokens = _tokens(_maxima(scores).argmax(1, keepdim=True), scores.shape[1])
    return tokens.gather(1, scores.gather(1, tokens).argmax(1, keepdim=True))[:, 0]


def _is_worthwhile(scores: Tensor, count: int) -> bool:
    return scores.device.type == "cpu" and scores.shape[1] >= 4 * count * BLOCK


def _maxima(scores: Float[Tensor, "b v"]) -> Float[Tensor, "b n"]:
    """Of the whole blocks."""
    whole = scores.shape[1] // BLOCK * BLOCK
    blocks: Tensor = scores[:, :whole].unflatten(1, (-1, BLOCK))
    return blocks.amax(2)


def _tokens(blocks: Int[Tensor, "b c"], size: int) -> Int[Tensor, "b t"]:
    """The tokens of some blocks, and those behind the last whole one."""
    inside = torch.arange(BLOCK, device=blocks.device)
    tokens = (blocks[:, :, None] * BLOCK + inside).flatten(1)
    whole = size // BLOCK * BLOCK
    if whole == size:
        return tokens
    behind = torch.arange(whole, size, device=blocks.device)
    return torch.cat([tokens, behind.expand(blocks.shape[0], -1)], dim=1)
