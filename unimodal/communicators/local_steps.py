"""The whole model exchanged now and then."""

from typing import final

import torch
from torch import nn

from unimodal.agreement import learning_parameters, mean_of_round, require_same_start, settle
from unimodal.communicators import Communicator, LocalStep
from unimodal.links import Link, Pending
from unimodal.links.counted import Counted, Traffic
from unimodal.wire_formats import WireFormat, pack
from unimodal.wire_formats.float32 import Float32

EXACT = Float32()


@final
class LocalSteps(Communicator):
    """Every `period` steps all workers go on from a model that an outer optimiser moved (DiLoCo; Douillard et al. 2023,
    2311.08105).

    Its gradient is the mean of (last agreed weights - a worker's weights): SGD with Nesterov momentum takes it. The
    inner optimiser's state never leaves its worker. `finish` leaves all with the mean of the workers' weights.
    """

    def __init__(
        self,
        *,
        link: Link,
        wire_format: WireFormat = EXACT,
        period: int = 100,
        outer_learning_rate: float = 0.7,
        outer_momentum: float = 0.9,
    ) -> None:
        if period < 1:
            raise ValueError(f"period: expected 1 step or more, got {period}")
        self.link, self.wire_format, self.period = Counted(link), wire_format, period
        self.outer_learning_rate, self.outer_momentum = outer_learning_rate, outer_momentum
        self._trained = False

    @property
    def traffic(self) -> Traffic:
        return self.link.traffic

    def begin(self, model: nn.Module, step: int = 0) -> None:
        self.link.open()
        parameters = learning_parameters(model)
        require_same_start(self.link.link, parameters)
        self.agreed = [parameter.detach().float().clone() for parameter in parameters]
        self._outer = torch.optim.SGD(
            self.agreed, self.outer_learning_rate, self.outer_momentum, nesterov=self.outer_momentum > 0
        )

    def step(self, model: nn.Module, step: int, local: LocalStep) -> None:
        self.link.begin_step()
        local.differentiate()
        local.update()
        self._trained = True
        if (step + 1) % self.period == 0:
            self._exchange(model)

    def finish(self, model: nn.Module) -> None:
        self.link.begin_step()
        if self._trained:
            settle(self.agreed, self._send(model)(), self.wire_format)
        for parameter, agreed in zip(learning_parameters(model), self.agreed, strict=True):
            parameter.data.copy_(agreed)
        self.link.close()

    @torch.no_grad()
    def _send(self, model: nn.Module) -> Pending:
        self._trained = False
        deltas = [agreed - each for agreed, each in zip(self.agreed, learning_parameters(model), strict=True)]
        return self.link.gather(pack(deltas, self.wire_format))

    @torch.no_grad()
    def _exchange(self, model: nn.Module) -> None:
        arrived = self._send(model)()
        if not arrived:
            return  # all were lost: everybody goes on alone
        for agreed, mean in zip(self.agreed, mean_of_round(arrived, self.agreed, self.wire_format), strict=True):
            agreed.grad = mean
        self._outer.step()
        for parameter, agreed in zip(learning_parameters(model), self.agreed, strict=True):
            parameter.copy_(agreed)
