"""Mixers: how entries of a sequence exchange information.

b rows, t entries, d width
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.attention import Pattern
from unimodal.caches import LayerCache
from unimodal.hidden import MemoryView
from unimodal.layout import Layout


class Mixer(nn.Module, ABC):
    """One sublayer that looks at other entries. The constructor's first parameter is the width `dim`.

    Laws: under a causal mask an output ignores what comes after it; padding and other examples of a packed row never
    change it; entry by entry through a cache gives what one pass gives; any list of parts equals one dense attention.
    """

    same_input: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of its linear maps that read one and the same tensor (`unimodal.rewrites.joined`)."""

    @abstractmethod
    def forward(
        self,
        x: Float[Tensor, "b t d"],
        layout: Layout,
        pattern: Pattern,
        cache: LayerCache,
        memory: MemoryView | None = None,
    ) -> Float[Tensor, "b t d"]:
        """What each entry learns of the others.

        `pattern` says what it may see (mask and relative positions), `cache` is this layer's view of the past and is
        never None, `memory` is the encoded source of a mixer that reads one.
        """
