"""Low-rank adapters mixed from one bank of vectors (VB-LoRA; Li, Han and Ji 2024, 2405.15179), by peft."""

from collections.abc import Mapping, Sequence
from typing import Any, final

from torch import nn

from unimodal.tuning.peft_adapter import PeftAdapter, check_rank


@final
class VbLora(PeftAdapter):
    """Adds `up(down(x))`, both cut into vectors that are weighted sums of the `top` best of a bank that layers share.

    Neither factor can begin as zero, for both are made of the same vectors, so a fresh one changes outputs a little.
    """

    peft_type = "VBLORA"
    neutral = False
    sizes = ("r", "num_vectors", "vector_length", "topk")
    shared = ("vblora_vector_bank",)
    fields = {
        "r": (int,),
        "num_vectors": (int,),
        "vector_length": (int,),
        "topk": (int,),
        "vblora_dropout": (int, float),
        "target_modules": (list,),
    }

    def __init__(
        self,
        *,
        targets: Sequence[str] = ("query", "value"),
        rank: int = 4,
        num_vectors: int = 256,
        vector_length: int = 32,
        top: int = 2,
        dropout: float = 0.0,
    ) -> None:
        check_rank(rank)
        if not 1 <= top <= num_vectors:
            raise ValueError(f"top: expected 1 to {num_vectors}, the vectors that there are, got {top}")
        self.targets, self.rank, self.num_vectors, self.vector_length = tuple(targets), rank, num_vectors, vector_length
        self.top, self.dropout = top, dropout

    @classmethod
    def reads(cls, settings: Mapping[str, Any]) -> bool:
        return settings.get("peft_type") == cls.peft_type

    @classmethod
    def config_class(cls) -> Any:
        from peft import VBLoRAConfig

        return VBLoRAConfig

    def config(self, layers: Mapping[str, nn.Linear]) -> Any:
        for name, layer in layers.items():
            for width in (layer.in_features, layer.out_features):
                if self.vector_length < 1 or width % self.vector_length:
                    raise ValueError(f"vector_length: {self.vector_length} does not divide {width}, a width of {name}")
        return self.config_class()(
            r=self.rank,
            num_vectors=self.num_vectors,
            vector_length=self.vector_length,
            topk=self.top,
            vblora_dropout=self.dropout,
            target_modules=list(layers),
        )

    @classmethod
    def restored(cls, targets: Sequence[str], config: Any) -> "VbLora":
        return cls(
            targets=targets,
            rank=config.r,
            num_vectors=config.num_vectors,
            vector_length=config.vector_length,
            top=config.topk,
            dropout=config.vblora_dropout,
        )
