"""Where a decoder looks while it writes an answer that it is told.

h heads, t entries of the answer, s entries of the prompt
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.batching import Item, Padded, Piece
from unimodal.loading.own import Unimodal
from unimodal.report.charts import alignment
from unimodal.report.page import Figure
from unimodal.task import Task
from unimodal.vocabulary import Vocabulary


@final
@dataclass(frozen=True, eq=False)
class Alignment:
    """The attention of one head, and what stands at the entries; no names where they are not tokens."""

    block: int
    head: int
    weights: Float[Tensor, "t s"]
    read: list[str]
    written: list[str]


@torch.inference_mode()
def align(model: Unimodal, item: Item) -> Alignment:
    """The cross-attention to an item's prompt of the head that follows it most steadily, its answer being told."""
    batch = model.model.arrangement.batch([item], Padded(), model.model.kinds)
    weights = model.model.run_batch(batch, keep_weights=("encoder",)).written.weights["encoder"]
    block, head, found = most_steady([layer[0].float() for layer in weights])
    vocabulary = model.processor.vocabulary
    written = [] if item.labels is None else _names(item.labels, vocabulary)
    return Alignment(block, head, found, _read(item.prompt, vocabulary), written)


def figure(found: Alignment, task: Task, title: str) -> Figure:
    """The alignment drawn, with a caption that says which head it is."""
    drawing = alignment(found.weights, read=found.read, written=found.written, label=title)
    read, written = " and ".join(task.reads), "tokens" if task.codec is not None else "steps of frames"
    caption = f"{task.name}: {written} (down) look at {read} (across). Block {found.block + 1}, head {found.head + 1}."
    return Figure(title, drawing, caption)


def most_steady(weights: Sequence[Float[Tensor, "h t s"]]) -> tuple[int, int, Float[Tensor, "t s"]]:
    """(block, head, its weights): the head whose mean place in the prompt moves on most steadily with the answer."""
    best = max(
        (_steadiness(attention), -block, -head)
        for block, layer in enumerate(weights)
        for head, attention in enumerate(layer)
    )
    block, head = -best[1], -best[2]
    return block, head, weights[block][head]


def _steadiness(attention: Float[Tensor, "t s"]) -> float:
    """Correlation of the answer's entries with the mean places that they look at."""
    centres = attention @ torch.arange(attention.shape[1], dtype=attention.dtype)
    if attention.shape[0] < 3 or float(centres.std()) < 1e-6:
        return -1.0
    return float(torch.corrcoef(torch.stack([centres, torch.arange(len(centres), dtype=centres.dtype)]))[0, 1])


def _read(prompt: Sequence[Piece], vocabulary: Vocabulary) -> list[str]:
    if any("ids" not in piece.arrays for piece in prompt):
        return []
    return [name for piece in prompt for name in _names(piece.arrays["ids"], vocabulary)]


def _names(ids: Tensor, vocabulary: Vocabulary) -> list[str]:
    return [_name(id, vocabulary) for id in ids.tolist()]


def _name(id: int, vocabulary: Vocabulary) -> str:
    text = vocabulary.pieces.decode([id])
    return (text.strip() or "␣") if text else f"<{vocabulary.space.name(id)}>"
