"""Low-rank adapters of the direction, and a magnitude for each output (DoRA; Liu et al. 2024, 2402.09353), by peft."""

from typing import final

from unimodal.tuning.low_rank import LowRank


@final
class Dora(LowRank):
    """`magnitude * (W + alpha / rank * up down) / norm`, output by output; no gradient goes through the norm."""

    @classmethod
    def has_magnitudes(cls) -> bool:
        return True
