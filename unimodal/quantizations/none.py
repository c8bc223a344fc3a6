"""Weights as they are."""

from typing import final

from torch import nn

from unimodal.quantizations import Map, Quantization
from unimodal.tables import TokenTable


@final
class NoQuantization(Quantization):
    """Replaces nothing."""

    tolerance = 0.0

    def linear(self, linear: nn.Linear) -> Map:
        return linear

    def table(self, table: TokenTable) -> nn.Module:
        return table
