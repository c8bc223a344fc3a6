"""What LoRA and DoRA share: one config of peft's, told apart by one of its fields."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from unimodal.tuning.peft_adapter import PeftAdapter, check_rank


class LowRank(PeftAdapter):
    """Two matrices of low rank beside each layer; abstract."""

    peft_type = "LORA"
    neutral = True
    sizes = ("r",)
    shared = ()
    fields = {
        "r": (int,),
        "lora_alpha": (int, float),
        "lora_dropout": (int, float),
        "target_modules": (list,),
        "use_dora": (bool,),
        "use_rslora": (bool,),
        "rank_pattern": (dict,),
        "alpha_pattern": (dict,),
    }

    def __init__(
        self, *, targets: Sequence[str] = ("query", "value"), rank: int = 8, alpha: int = 16, dropout: float = 0.0
    ) -> None:
        check_rank(rank)
        self.targets, self.rank, self.alpha, self.dropout = tuple(targets), rank, alpha, dropout

    @classmethod
    @abstractmethod
    def has_magnitudes(cls) -> bool:
        """Whether each output has a magnitude of its own."""

    @classmethod
    def reads(cls, settings: Mapping[str, Any]) -> bool:
        return settings.get("peft_type") == cls.peft_type and bool(settings.get("use_dora")) == cls.has_magnitudes()

    @classmethod
    def config_class(cls) -> Any:
        from peft import LoraConfig

        return LoraConfig

    def config(self, layers: Mapping[str, nn.Linear]) -> Any:
        return self.config_class()(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            use_dora=self.has_magnitudes(),
            target_modules=list(layers),
        )

    @classmethod
    def restored(cls, targets: Sequence[str], config: Any) -> "LowRank":
        return cls(targets=targets, rank=config.r, alpha=config.lora_alpha, dropout=config.lora_dropout)
