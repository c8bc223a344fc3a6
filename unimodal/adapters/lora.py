"""Low-rank adapters beside linear layers (Hu et al. 2021, 2106.09685), by peft."""

from typing import final

from unimodal.tuning.low_rank import LowRank


@final
class Lora(LowRank):
    """Adds `alpha / rank * up(down(x))` to linear layers."""

    @classmethod
    def has_magnitudes(cls) -> bool:
        return False
