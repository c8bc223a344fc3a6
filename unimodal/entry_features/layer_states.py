"""What a trained model's own layer makes of a piece.

p pieces, l entries of a piece, d width
"""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimodal.batching import Pieces, Sequences
from unimodal.entry_features import EntryFeatures
from unimodal.layout import Layout
from unimodal.model import UnimodalForConditionalGeneration


@final
class LayerStates(EntryFeatures):
    """The output of an encoder's block, as the second round of HuBERT clusters it (Hsu et al. 2021, arXiv:2106.07447).

    The pieces are read alone, without the tag of a task. `layer` counts from 1; 0 is the input of the first block. The
    model's folder is read when the first pieces come, and stays as it is. Raises ValueError for a folder without a
    model and for a layer that it has not.
    """

    def __init__(self, *, model: str, net: str, layer: int) -> None:
        self.folder, self.net, self.layer = Path(model), net, layer

    @torch.no_grad()
    def __call__(self, pieces: Pieces) -> Float[Tensor, "p l d"]:
        model = self._model
        nn.Module.to(model, pieces.entries.device)
        rows = torch.arange(len(pieces.entries), device=pieces.entries.device)
        arrays = {name: array for name, array in pieces.arrays.items() if name != "hidden"}
        alone = replace(pieces, arrays=arrays, rows=rows, starts=torch.zeros_like(rows))
        layout = Layout.of_lengths(pieces.entries, int(pieces.entries.max()))
        hidden, _ = model.encode(Sequences(layout, {self.net: alone}))
        states: Tensor = hidden.layers[self.layer]
        return states

    @cached_property
    def _model(self) -> UnimodalForConditionalGeneration:
        if not (self.folder / "config.json").is_file():
            raise ValueError(f"model: {self.folder} holds no config.json, so it is no model")
        model: UnimodalForConditionalGeneration = UnimodalForConditionalGeneration.from_pretrained(self.folder)
        depth = 0 if model.backbone.encoder is None else len(model.backbone.encoder.blocks)
        if not 0 <= self.layer <= depth:
            raise ValueError(f"layer: {self.folder} has an encoder of {depth} blocks, so no layer {self.layer}")
        model.eval()
        model.requires_grad_(False)
        return model
