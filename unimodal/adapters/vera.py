"""Scales of two random matrices that all layers share (VeRA; Kopiczko et al. 2024, 2310.11454), by peft."""

from collections.abc import Mapping, Sequence
from typing import Any, final

from torch import nn

from unimodal.tuning.peft_adapter import PeftAdapter, check_rank


@final
class Vera(PeftAdapter):
    """Adds `b * B(d * A(x))`: the vectors b and d are a layer's own and learn, A and B are frozen and belong to all.

    A and B are saved too, so that an adapter does not depend on how a machine draws them from their `seed`.
    """

    peft_type = "VERA"
    neutral = True
    sizes = ("r",)
    shared = ("vera_A", "vera_B")
    fields = {
        "r": (int,),
        "d_initial": (int, float),
        "projection_prng_key": (int,),
        "vera_dropout": (int, float),
        "target_modules": (list,),
    }

    def __init__(
        self,
        *,
        targets: Sequence[str] = ("query", "value"),
        rank: int = 256,
        initial: float = 0.1,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        check_rank(rank)
        self.targets, self.rank, self.initial, self.dropout, self.seed = tuple(targets), rank, initial, dropout, seed

    @classmethod
    def reads(cls, settings: Mapping[str, Any]) -> bool:
        return settings.get("peft_type") == cls.peft_type

    @classmethod
    def config_class(cls) -> Any:
        from peft import VeraConfig

        return VeraConfig

    def config(self, layers: Mapping[str, nn.Linear]) -> Any:
        return self.config_class()(
            r=self.rank,
            d_initial=self.initial,
            vera_dropout=self.dropout,
            projection_prng_key=self.seed,
            target_modules=list(layers),
        )

    @classmethod
    def restored(cls, targets: Sequence[str], config: Any) -> "Vera":
        return cls(
            targets=targets,
            rank=config.r,
            initial=config.d_initial,
            dropout=config.vera_dropout,
            seed=config.projection_prng_key,
        )
