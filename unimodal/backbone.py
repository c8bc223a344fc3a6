"""The shared body: encoders one behind the other, decoders side by side; either kind may be missing."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast, final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.caches import Cache
from unimodal.caches.once import Once
from unimodal.cascade import FIRST, Cascade, Cascaded
from unimodal.hidden import Hidden, Memory
from unimodal.layout import Layout
from unimodal.poolers import Pooler
from unimodal.stack import Stack


@final
class Backbone(nn.Module):
    """Encoder-decoder, decoder-only (no encoder) or encoder-only (no decoder): by what the spec leaves out.

    An encoder may have a width of its own, which cross-attention then names: `CrossAttention(memory_dim=...)`. Where
    the decoder reads another width than that, `memory_dim`, the bridge is a linear map between the two.

    Behind the encoder a `cascade` of others may read what was encoded before them; each makes a memory of its own name,
    as wide as the encoder's. A model with several outputs has `decoders`, each for the answers of the net of its name;
    `decoder` writes all others, where there is one. A decoder reads the memories that its blocks name.
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
        cascade: Sequence[Cascaded] = (),
        decoders: Mapping[str, Callable[[int], Stack] | None] | None = None,
    ) -> None:
        super().__init__()
        if encoder is None and decoder is None and not decoders:
            raise ValueError("encoder, decoder: a backbone needs at least one of them")
        if encoder is None and cascade:
            raise ValueError("cascade: encoders stand behind a first one, and there is none")
        self.encoder_dim = encoder_dim or dim
        self.encoder = encoder(self.encoder_dim) if encoder is not None else None
        self.decoder = decoder(dim) if decoder is not None else None
        self.memory_dim = memory_dim or self.encoder_dim
        self.bridge = nn.Linear(self.encoder_dim, memory_dim) if memory_dim is not None else nn.Identity()
        self.pooler = pooler(self.encoder_dim) if pooler is not None else None
        self.cascade = Cascade(self.memory_dim, cascade)
        made = {net: make(dim) for net, make in sorted((decoders or {}).items()) if make is not None}
        self.decoders = nn.ModuleDict(made)

    @property
    def memories(self) -> tuple[str, ...]:
        """The names of all memories that are made, in their order."""
        return () if self.encoder is None else (FIRST, *self.cascade.names)

    def writer(self, net: str | None) -> Stack:
        """The decoder for the answers of a net; None: the one that writes what no other does."""
        decoder = self.decoder if net is None else cast(Stack, self.decoders[net])
        assert decoder is not None, "this backbone has no decoder"
        return decoder

    def encode(
        self, embeds: Float[Tensor, "b t d"], layout: Layout, *, keep_weights: Collection[str] = ()
    ) -> tuple[Hidden, dict[str, Memory]]:
        """The first encoder's intermediates, and the memory `encoder` that it makes."""
        assert self.encoder is not None, "this backbone has no encoder"
        self.encoder.check_length(layout.positions)
        once = Once(embeds.shape[0], embeds.device)
        hidden: Hidden = self.encoder(embeds, once.open(layout), {}, keep_weights=keep_weights)
        return hidden, {FIRST: Memory(FIRST, self.bridge(hidden.last), hidden.layout)}

    def memory_after(self, memory: str, hidden: Hidden, block: int) -> Float[Tensor, "b t m"]:
        """What a memory would be if the encoder that makes it ended with the given block, counted from 1."""
        if memory != FIRST:
            return self.cascade.ended(memory, hidden.layers[block])
        assert self.encoder is not None
        ended: Tensor = self.bridge(self.encoder.final_norm(hidden.layers[block]))
        return ended

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
        net: str | None = None,
    ) -> Hidden:
        """A decoder's intermediates for entries that follow what the cache holds; `net` as in `writer`."""
        decoder = self.writer(net)
        decoder.check_length(layout.positions)
        views = {name: memory.view(layout) for name, memory in memories.items()}
        hidden: Hidden = decoder(embeds, cache.open(layout), views, keep_weights=keep_weights)
        return hidden
