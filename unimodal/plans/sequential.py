"""Every block once, in order."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from unimodal.layout import Layout
from unimodal.plans import Plan, Run


@final
class Sequential(Plan):
    """The plan of a plain stack."""

    def forward(self, x: Float[Tensor, "b t d"], layout: Layout, run: Run) -> tuple[Float[Tensor, "b t d"], Layout]:
        for block in range(run.num_blocks):
            x = run(block, x, layout, block)
        return x, layout
