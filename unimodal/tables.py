"""The token table: ids -> vectors, and hidden states -> scores."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn


@final
class TokenTable(nn.Embedding):
    """One vector a token, read in both directions."""

    def score(
        self, hidden: Float[Tensor, "*batch d"], bias: Float[Tensor, " v"] | None = None
    ) -> Float[Tensor, "*batch v"]:
        """How well each token's vector agrees with the hidden states."""
        return nn.functional.linear(hidden, self.weight, bias)
