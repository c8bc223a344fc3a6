"""Parts of the model exchanged in turns, while training goes on."""

from collections import deque
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from unimodal.agreement import learning_parameters, mean_of_round, require_same_start, settle
from unimodal.communicators import Communicator, LocalStep
from unimodal.layer_groups import strided_groups
from unimodal.links import Link, Pending
from unimodal.links.counted import Counted, Traffic
from unimodal.wire_formats import WireFormat, pack
from unimodal.wire_formats.three_bit_exponent import ThreeBitExponent

FOUR_BITS = ThreeBitExponent()


@final
@dataclass(eq=False)
class _Fragment:
    """Parameters of a worker, what all agreed on for them last, and the outer optimiser of that."""

    parameters: list[nn.Parameter]
    agreed: list[Tensor]
    outer: torch.optim.SGD
    sent: int = 0
    """Steps taken when it was sent last."""


@final
class Fragments(Communicator):
    """Each of `num_fragments` groups of layers is exchanged every `period` steps, one group after the other, and what
    comes of it is mixed in `delay` steps later (Streaming DiLoCo; Douillard et al. 2025, 2501.18512).

    Of group p: when (steps - p * period / num_fragments) is a multiple of `period`, its (last agreed weights - weights)
    are sent; `delay` steps later SGD with Nesterov momentum moves the agreed weights by the mean, and the worker's own
    become `mix` times themselves plus the rest of the agreed ones. The agreed weights are the same bits everywhere; the
    inner optimiser's state never leaves its worker. `finish` leaves all with the mean of the workers' weights.

    With one fragment, no delay, no mixing and exact numbers it is `LocalSteps`. From memory of the paper: the outer
    rate 0.4, the mix 0.5, the delay 1.
    """

    def __init__(
        self,
        *,
        link: Link,
        wire_format: WireFormat = FOUR_BITS,
        num_fragments: int = 4,
        period: int = 100,
        delay: int = 1,
        mix: float = 0.5,
        outer_learning_rate: float = 0.4,
        outer_momentum: float = 0.9,
    ) -> None:
        if not 1 <= num_fragments <= period:
            raise ValueError(f"num_fragments: expected 1 to period ({period}), got {num_fragments}")
        if not 0 <= delay < period:
            raise ValueError(f"delay: expected 0 to period - 1 ({period - 1}) steps, got {delay}")
        if not 0 <= mix < 1:
            raise ValueError(f"mix: expected a share below 1, got {mix}")
        self.link, self.wire_format = Counted(link), wire_format
        self.num_fragments, self.period, self.delay, self.mix = num_fragments, period, delay, mix
        self.outer_learning_rate, self.outer_momentum = outer_learning_rate, outer_momentum
        self.skipped = 0
        """Exchanges of which no message arrived."""
        self._taken = 0
        self._on_their_way: deque[tuple[int, _Fragment, Pending]] = deque()

    @property
    def traffic(self) -> Traffic:
        return self.link.traffic

    @property
    def agreed(self) -> list[Tensor]:
        """The weights that are the same on all workers, fragment by fragment."""
        return [tensor for fragment in self.fragments for tensor in fragment.agreed]

    def begin(self, model: nn.Module, step: int = 0) -> None:
        self.link.open()
        require_same_start(self.link.link, learning_parameters(model))
        self.fragments = [self._fragment(model, names) for names in strided_groups(model, self.num_fragments)]

    def step(self, model: nn.Module, step: int, local: LocalStep) -> None:
        self.link.begin_step()
        local.differentiate()
        local.update()
        self._taken = step + 1
        for place, fragment in enumerate(self.fragments):
            if (self._taken - place * self.period // self.num_fragments) % self.period == 0:
                self._on_their_way.append((self._taken + self.delay, fragment, self._send(fragment)))
        while self._on_their_way and self._on_their_way[0][0] <= self._taken:
            _, fragment, collect = self._on_their_way.popleft()
            self._receive(fragment, collect)

    def finish(self, model: nn.Module) -> None:
        for _, fragment, collect in self._on_their_way:
            self._receive(fragment, collect)
        self._on_their_way.clear()
        for fragment in self.fragments:
            self.link.begin_step()  # one after the other: the peak stays that of a fragment
            if fragment.sent < self._taken:
                settle(fragment.agreed, self._send(fragment)(), self.wire_format)
            for parameter, agreed in zip(fragment.parameters, fragment.agreed, strict=True):
                parameter.data.copy_(agreed)
        self.link.close()

    def _fragment(self, model: nn.Module, names: list[str]) -> _Fragment:
        parameters = [model.get_parameter(name) for name in names]
        agreed = [parameter.detach().float().clone() for parameter in parameters]
        momentum = self.outer_momentum
        outer = torch.optim.SGD(agreed, self.outer_learning_rate, momentum, nesterov=momentum > 0)
        return _Fragment(parameters, agreed, outer)

    @torch.no_grad()
    def _send(self, fragment: _Fragment) -> Pending:
        fragment.sent = self._taken
        pairs = zip(fragment.agreed, fragment.parameters, strict=True)
        deltas = [agreed - parameter for agreed, parameter in pairs]
        if not all(bool(delta.isfinite().all()) for delta in deltas):
            raise ValueError(f"step {self._taken}: weights are not finite, so there is nothing to exchange")
        return self.link.gather(pack(deltas, self.wire_format))

    @torch.no_grad()
    def _receive(self, fragment: _Fragment, collect: Pending) -> None:
        arrived = collect()
        if not arrived:
            self.skipped += 1
            return
        means = mean_of_round(arrived, fragment.agreed, self.wire_format)
        for agreed, mean in zip(fragment.agreed, means, strict=True):
            agreed.grad = mean
        fragment.outer.step()
        for parameter, agreed in zip(fragment.parameters, fragment.agreed, strict=True):
            parameter.copy_(self.mix * parameter + (1 - self.mix) * agreed)
