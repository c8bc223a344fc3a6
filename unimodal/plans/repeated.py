"""All blocks several times over, sharing their weights (Universal Transformers; Dehghani et al. 2018, 1807.03819)."""

from typing import final

from jaxtyping import Float
from torch import Tensor

from unimodal.layout import Layout
from unimodal.plans import Plan, Run


@final
class Repeated(Plan):
    """The blocks in order, `times` times; every round keeps keys and values of its own."""

    def __init__(self, times: int) -> None:
        if times < 1:
            raise ValueError(f"times: a stack runs at least once, not {times} times")
        self.times = times

    def forward(self, x: Float[Tensor, "b t d"], layout: Layout, run: Run) -> tuple[Float[Tensor, "b t d"], Layout]:
        for depth in range(self.times * run.num_blocks):
            x = run(depth % run.num_blocks, x, layout, depth)
        return x, layout
