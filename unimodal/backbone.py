"""The shared body: an encoder that may be empty, a decoder that may be empty."""

from collections.abc import Callable, Collection, Mapping
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.caches import Cache
from unimodal.caches.once import Once
from unimodal.hidden import Hidden, Memory
from unimodal.layout import Layout
from unimodal.poolers import Pooler
from unimodal.stack import Stack


@final
class Backbone(nn.Module):
    """Encoder-decoder, decoder-only (no encoder) or encoder-only (no decoder): by what the spec leaves out.

    An encoder may have a width of its own, which cross-attention then names: `CrossAttention(memory_dim=...)`. Where
    the decoder reads another width than that, `memory_dim`, the bridge is a linear map between the two.
    """

    def __init__(
        self,
        dim: int,
        *,
        encoder: Callable[[int], Stack] | None = None,
        decoder: Callable[[int], Stack] | None = None,
        encoder_dim: int | None = None,
        memory_dim: int | None = None,
        pooler: Callable[[int], Pooler] | None = None,
    ) -> None:
        super().__init__()
        if encoder is None and decoder is None:
            raise ValueError("encoder, decoder: a backbone needs at least one of them")
        self.encoder_dim = encoder_dim or dim
        self.encoder = encoder(self.encoder_dim) if encoder is not None else None
        self.decoder = decoder(dim) if decoder is not None else None
        self.memory_dim = memory_dim or self.encoder_dim
        self.bridge = nn.Linear(self.encoder_dim, memory_dim) if memory_dim is not None else nn.Identity()
        self.pooler = pooler(self.encoder_dim) if pooler is not None else None

    def encode(
        self, embeds: Float[Tensor, "b t d"], layout: Layout, *, keep_weights: Collection[str] = ()
    ) -> tuple[Hidden, dict[str, Memory]]:
        """The encoder's intermediates, and the memory `encoder` that a decoder reads."""
        assert self.encoder is not None, "this backbone has no encoder"
        self.encoder.check_length(layout.positions)
        once = Once(embeds.shape[0], embeds.device)
        hidden: Hidden = self.encoder(embeds, once.open(layout), {}, keep_weights=keep_weights)
        return hidden, {"encoder": Memory("encoder", self.bridge(hidden.last), hidden.layout)}

    def pool(self, hidden: Hidden) -> Float[Tensor, "b p"] | None:
        """One vector for each row that the encoder has read; None without a pooler."""
        return None if self.pooler is None else self.pooler(hidden.last, hidden.layout)

    def decode(
        self,
        embeds: Float[Tensor, "b t d"],
        layout: Layout,
        cache: Cache,
        memories: Mapping[str, Memory],
        *,
        keep_weights: Collection[str] = (),
    ) -> Hidden:
        """The decoder's intermediates for entries that follow what the cache holds."""
        assert self.decoder is not None, "this backbone has no decoder"
        self.decoder.check_length(layout.positions)
        views = {name: memory.view(layout) for name, memory in memories.items()}
        hidden: Hidden = self.decoder(embeds, cache.open(layout), views, keep_weights=keep_weights)
        return hidden
