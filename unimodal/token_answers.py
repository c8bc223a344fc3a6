"""Answers in tokens, as transformers' callers teach and read them.

b rows, l entries of the stack that writes, t decoder entries, v vocabulary
"""

from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.batching import IGNORED
from unimodal.hidden import Hidden
from unimodal.layout import Layout
from unimodal.losses import token_losses
from unimodal.modality import Answering

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@final
class TokenAnswers(Answering):
    """What a model without a post-net for its decoder's inputs writes: scores over the token space."""

    needs_weights = ()

    def __init__(self, model: "UnimodalForConditionalGeneration") -> None:
        self._model = model

    def taught(self, labels: Int[Tensor, "b t"], mask: Int[Tensor, "b t"] | None) -> dict[str, Tensor | None]:
        """The labels shifted by one behind the start token; what is not asked for is padding."""
        boundaries = self._model.boundaries
        start = labels.new_full((labels.shape[0], 1), boundaries.before_labels)
        ids = torch.cat([start, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, boundaries.pad)], 1)
        return {"decoder_input_ids": ids, "decoder_attention_mask": mask}

    def output(
        self, written: Hidden, labels: Int[Tensor, "b *t"] | None, source: Layout | None
    ) -> dict[str, Tensor | None]:
        """Scores of every entry, or of a row where a pooler makes one vector of it."""
        backbone = self._model.backbone
        pooled = backbone.pool(written) if backbone.decoder is None else None
        logits = self._model.logits(written.last if pooled is None else pooled)
        loss = None if labels is None else self._loss(logits, labels)
        return {"logits": logits, "loss": loss, "pooler_output": pooled}

    def _loss(self, logits: Float[Tensor, "b *l v"], labels: Int[Tensor, "b *t"]) -> Tensor:
        if self._model.backbone.encoder is None:  # a decoder alone is given the same tokens as input and as labels
            logits, labels = logits[:, :-1], labels[:, 1:]
        losses = token_losses(logits.flatten(0, -2), labels.flatten())
        return losses.sum() / (labels != IGNORED).sum()
