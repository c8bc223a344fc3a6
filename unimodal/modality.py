"""The contract of a modality: how raw things become embeddings, and how hidden states become raw things again.

A file of `prenets/` holds the three classes of one modality. The engine knows nothing else about it.
p pieces, t places of their arrays, l entries of a piece, d width
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType

from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from unimodal.hidden import Hidden
from unimodal.layout import Layout

Embed = Callable[[Tensor], Tensor]
"""Token ids [...] -> embeddings [..., d]: the model's one token table, lent to every prenet."""


class Processor(ABC):
    """Raw value -> arrays, on the CPU, without parameters.

    Laws: every array of one call has the same first dimension (time, patches, tokens ...);
    `positions` is what the Prenet returns for these arrays; bad input is one `ValueError` that says what is wrong.
    """

    beside: Mapping[str, Tensor] = MappingProxyType({})
    """Arrays [1, ...] that every entry which its net writes is given as well, where no prompt says others."""

    @abstractmethod
    def __call__(self, raw: object) -> dict[str, Tensor]:
        """The arrays of one raw value."""

    @abstractmethod
    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        """How many entries of a sequence the arrays of one value fill."""


class Extractor(ABC):
    """Raw value -> what transformers' callers give under one keyword (`pixel_values`), on the CPU, without parameters.

    All values of one call to a model are stacked, so they have one shape.
    """

    @abstractmethod
    def __call__(self, raw: object) -> Float[Tensor, "*shape"]:
        """One raw value. Bad input is one `ValueError` that says what is wrong."""


class Prenet(nn.Module, ABC):
    """Arrays -> embeddings. Law: padding never changes the real entries of a piece."""

    keywords: tuple[str, ...] = ()
    """transformers' inputs that it reads, for callers of `forward` and `generate`; see KeywordPrenet."""

    @abstractmethod
    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        """Embeddings of p pieces whose arrays are padded at the end; `lengths` are the real first dimensions."""


class KeywordPrenet(Prenet):
    """A pre-net that transformers' callers reach through its `keywords`.

    The first is what it reads and may not be missing; the others come beside it. One of them begins with `decoder_`
    where it serves the decoder; all others serve the encoder.
    """

    window: int | None = None
    """Places of its arrays that it reads at once, no more and no fewer; None: as many as there are."""

    @abstractmethod
    def arrays(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """transformers' inputs of p pieces by keyword -> the arrays [p, t, ...] that `embed` is given."""

    @abstractmethod
    def real(self, mask: Bool[Tensor, "p t"]) -> Bool[Tensor, "p l"]:
        """Which entries are real where `mask` says which places of the arrays are."""


class Postnet(nn.Module, ABC):
    """Hidden states -> frames of a modality that is written step by step, and the loss of doing so."""

    @abstractmethod
    def decode(self, hidden: Float[Tensor, "p l d"]) -> dict[str, Tensor]:
        """What each hidden state says of its own frames; `stop` [p, l, ...] are logits of "this was the last"."""

    @abstractmethod
    def ended(self, decoded: Mapping[str, Tensor], threshold: float) -> Bool[Tensor, "p l"]:
        """Which steps say, with this probability at least, that they were the last."""

    @abstractmethod
    def start(self) -> dict[str, Tensor]:
        """The arrays of one piece of one step that a decoder reads first (all zeros, say)."""

    @abstractmethod
    def feed(self, decoded: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The arrays that the prenet of the same name is given for the next step."""

    @abstractmethod
    def loss(
        self, hidden: Float[Tensor, "p l d"], arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"]
    ) -> dict[str, Float[Tensor, " p"]]:
        """Named losses of each piece, a mean over its real entries."""

    @abstractmethod
    def render(self, decoded: Mapping[str, Tensor]) -> Tensor:
        """The raw value of one piece, from its decoded steps one after the other ([l, ...] each)."""


class Answering(ABC):
    """What transformers' callers are given for the states of the stack that writes, and how their `labels` teach it."""

    needs_weights: tuple[str, ...] = ()
    """The attentions whose weights its loss reads: names of memories."""

    @abstractmethod
    def taught(self, labels: Shaped[Tensor, "p t *f"], mask: Int[Tensor, "p t"] | None) -> dict[str, Tensor | None]:
        """What a decoder reads while it learns some labels: inputs by keyword, the mask among them."""

    @abstractmethod
    def output(
        self, written: Hidden, labels: Shaped[Tensor, "p *t"] | None, source: Layout | None
    ) -> dict[str, Tensor | None]:
        """Fields of transformers' output; `loss` where there are labels. `source`: of the memory that was read."""


class KeywordPostnet(Postnet, Answering):
    """The post-net of a KeywordPrenet: transformers' callers are given its frames, and teach it by `labels`."""

    reduction: int
    """Frames of a step."""

    @abstractmethod
    def begin(self, rows: int) -> dict[str, Tensor]:
        """What the decoder reads first in each row: inputs by keyword, one step."""

    @abstractmethod
    def frames(self, decoded: Mapping[str, Tensor]) -> Float[Tensor, "t f"]:
        """The frames of one piece, from its decoded steps one after the other ([l, ...] each)."""
