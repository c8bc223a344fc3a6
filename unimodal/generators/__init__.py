"""The contract of a generator: what a model's `generate` does with what callers give it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from jaxtyping import Int
from torch import Tensor
from transformers import GenerationConfig

from unimodal.decoding.generate import Decoding

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Asked:
    """One call of `generate`. What `options` do not say, `config` does; what neither, the model's generation config."""

    inputs: Mapping[str, Any]
    """By transformers' keywords, None where one is not given."""
    decoder_input_ids: Int[Tensor, "b t"] | None
    config: GenerationConfig | None
    decoding: str | Mapping[str, Any] | Decoding | None
    options: Mapping[str, Any]


class Generator(ABC):
    """One way from inputs to answers; `write_tokens` decodes for all of them.

    Laws: a row's answer does not depend on the other rows; an option that is not understood is a ValueError.
    """

    @abstractmethod
    def generate(self, model: "UnimodalForConditionalGeneration", asked: Asked) -> Any:
        """What transformers' `generate` returns for such a model."""
