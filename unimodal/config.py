"""What `config.json` holds, and the parts that its spec names."""

from collections.abc import Callable, Mapping
from typing import Any, final

from transformers import PreTrainedConfig

from unimodal.backbone import Backbone
from unimodal.batching import Arrangement
from unimodal.heads import Head
from unimodal.modality import Postnet, Prenet
from unimodal.vocabulary import TokenSpace


@final
class UnimodalConfig(PreTrainedConfig):
    """What `config.json` holds: the spec that the model is built from, and the specs of its processors."""

    model_type = "unimodal"
    __no_type_check__ = True  # transformers takes keys of config.json that are no fields; jaxtyping's check would not

    spec: dict[str, Any] | None = None
    generation: Any = "unimodal.generators.whole.Whole"
    """The Generator of answers, by import path."""
    readouts: dict[str, Any] | None = None
    """Heads on what a decoder reads of the encoder, by net: each scores the text pieces at every entry of its net."""
    readout_memories: dict[str, str] | None = None
    """The memory of each readout that reads another than `encoder`, by its name, which need not be that of a net."""
    processors: dict[str, Any] | None = None
    quantization: Any = "unimodal.quantizations.none.NoQuantization"
    """The Quantization of the weights, by import path."""
    rescaling: dict[str, int] | None = None
    """Our tensors whose values were multiplied by powers of two (`unimodal.precision.rescaling`) -> the exponents."""
    origin: dict[str, Any] | None = None
    """The `config.json` of the checkpoint that was converted: what the way back needs."""


@final
class Parts:
    """The parts of a model as its spec names them. Nets are kept by name; their sorted order numbers the kinds."""

    def __init__(
        self,
        vocabulary: TokenSpace,
        *,
        dim: int,
        arrangement: Arrangement,
        backbone: Callable[[int], Backbone],
        head: Callable[[int, int], Head],
        prenets: Mapping[str, Callable[[int], Prenet]],
        postnets: Mapping[str, Callable[[int], Postnet]],
        embedding_scale: float = 1.0,
    ) -> None:
        self.vocabulary = vocabulary
        self.dim = dim
        self.arrangement = arrangement
        self.backbone = backbone
        self.head = head
        self.prenets = prenets
        self.postnets = postnets
        self.embedding_scale = embedding_scale
