"""Low-rank adapters whose rows are put together from shards of shared pools (MoS; Wang et al. 2024, 2410.00938)."""

from collections.abc import Mapping, Sequence
from typing import Any, final

from torch import nn

from unimodal.tuning.peft_adapter import PeftAdapter, check_rank


@final
class MixtureOfShards(PeftAdapter):
    """As many parameters as LoRA of rank `equivalent_rank`, in factors of rank `rank`: layers of a role share shards.

    `private_rank` of the equivalent rank belongs to each layer alone. Which shards a layer takes is drawn once, for its
    two factors independently, and saved. A role with few layers has a lower rank than `rank`: all that it can have
    without taking a shard twice. Cross-attention is a role of its own; encoder and decoder share where widths agree.
    """

    peft_type = "MOS"
    neutral = True
    sizes = ("r", "equivalent_rank", "private_rank", "num_shards")
    shared = ()
    fields = {
        "r": (int,),
        "equivalent_rank": (int,),
        "private_rank": (int,),
        "num_shards": (int,),
        "alpha": (int, float),
        "dropout": (int, float),
        "target_modules": (list,),
    }

    def __init__(
        self,
        *,
        targets: Sequence[str] = ("query", "value"),
        rank: int = 8,
        equivalent_rank: int = 2,
        private_rank: int = 1,
        num_shards: int = 4,
        alpha: float = 16,
        dropout: float = 0.0,
    ) -> None:
        check_rank(equivalent_rank)
        if rank < equivalent_rank:
            raise ValueError(f"rank: expected at least equivalent_rank ({equivalent_rank}), got {rank}")
        if not 0 <= private_rank <= equivalent_rank:
            raise ValueError(f"private_rank: expected 0 to equivalent_rank ({equivalent_rank}), got {private_rank}")
        self.targets, self.rank, self.equivalent_rank = tuple(targets), rank, equivalent_rank
        self.private_rank, self.num_shards, self.alpha, self.dropout = private_rank, num_shards, alpha, dropout

    @classmethod
    def reads(cls, settings: Mapping[str, Any]) -> bool:
        return settings.get("peft_type") == cls.peft_type

    @classmethod
    def config_class(cls) -> Any:
        from unimodal.tuning.shards import ShardConfig

        return ShardConfig

    def config(self, layers: Mapping[str, nn.Linear]) -> Any:
        for name, layer in layers.items():
            for width in (layer.in_features, layer.out_features):
                if self.num_shards < 1 or width % self.num_shards:
                    raise ValueError(f"num_shards: {self.num_shards} do not divide {width}, a width of {name}")
        return self.config_class()(
            r=self.rank,
            equivalent_rank=self.equivalent_rank,
            private_rank=self.private_rank,
            num_shards=self.num_shards,
            alpha=self.alpha,
            dropout=self.dropout,
            target_modules=list(layers),
        )

    @classmethod
    def restored(cls, targets: Sequence[str], config: Any) -> "MixtureOfShards":
        return cls(
            targets=targets,
            rank=config.r,
            equivalent_rank=config.equivalent_rank,
            private_rank=config.private_rank,
            num_shards=config.num_shards,
            alpha=config.alpha,
            dropout=config.dropout,
        )
