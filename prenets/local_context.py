"""What neighbours say of an entry, before attention looks at all of them at once. p pieces, l entries, d width"""

from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional


@final
class LocalContext(nn.Module):
    """Residual convolutions along a piece: each the convolution module of a Conformer (Gulati et al. 2020, 2005.08100).

    A norm, a gated linear map, a convolution of every channel by itself over `kernel` entries, a norm, a linear map.
    Here both norms are LayerNorms, which look at no other piece. What lies behind a piece's end counts as 0.
    """

    def __init__(self, dim: int, *, num_layers: int = 4, kernel: int = 15, dropout: float = 0.1) -> None:
        super().__init__()
        if kernel < 1 or not kernel % 2:
            raise ValueError(f"kernel: expected an odd number, got {kernel}")
        self.layers = nn.ModuleList(_Layer(dim, kernel, dropout) for _ in range(num_layers))

    def forward(self, x: Float[Tensor, "p l d"], lengths: Int[Tensor, " p"]) -> Float[Tensor, "p l d"]:
        inside = (torch.arange(x.shape[1], device=x.device) < lengths[:, None])[..., None]
        for layer in self.layers:
            x = x + layer(x, inside)
        return x


class _Layer(nn.Module):
    def __init__(self, dim: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.gated = nn.Linear(dim, 2 * dim)
        self.along = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.after = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "p l d"], inside: Bool[Tensor, "p l 1"]) -> Float[Tensor, "p l d"]:
        gated = functional.glu(self.gated(self.norm(x)), dim=-1) * inside
        context = self.along(gated.mT).mT
        found: Tensor = self.dropout(self.out(functional.silu(self.after(context))))
        return found
