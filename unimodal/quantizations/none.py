"""Weights as they are."""

from typing import final

from torch import nn

from unimodal.quantizations import Quantization
from unimodal.tables import TokenTable


@final
class NoQuantization(Quantization):
    """Replaces nothing."""

    def linear(self, linear: nn.Linear) -> nn.Module:
        return linear

    def table(self, table: TokenTable) -> nn.Module:
        return table
