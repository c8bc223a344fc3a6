"""Gradients exchanged at every step."""

from typing import final

import torch
from torch import nn

from unimodal.agreement import learning_parameters, mean_of_round, require_same_start
from unimodal.communicators import Communicator, LocalStep
from unimodal.links import Link
from unimodal.links.counted import Counted, Traffic
from unimodal.wire_formats import WireFormat, pack
from unimodal.wire_formats.float32 import Float32

EXACT = Float32()


@final
class AllReduce(Communicator):
    """Synchronous data parallelism: each step is taken with the mean of all workers' gradients.

    What the others are measured against. Messages are gathered and added by each worker in the same order, not reduced
    on the way, so the wire format's bytes are all there is. A parameter that has no gradient counts as one of zeros.
    """

    def __init__(self, *, link: Link, wire_format: WireFormat = EXACT) -> None:
        self.link, self.wire_format = Counted(link), wire_format

    @property
    def traffic(self) -> Traffic:
        return self.link.traffic

    def begin(self, model: nn.Module, step: int = 0) -> None:
        self.link.open()
        require_same_start(self.link.link, learning_parameters(model))

    def step(self, model: nn.Module, step: int, local: LocalStep) -> None:
        self.link.begin_step()
        local.differentiate()
        parameters = learning_parameters(model)
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        arrived = self.link.gather(pack(gradients, self.wire_format))()
        if not arrived:
            return  # all were lost: nobody takes the step
        for parameter, mean in zip(parameters, mean_of_round(arrived, gradients, self.wire_format), strict=True):
            parameter.grad = mean.to(parameter.dtype)
        local.update()

    def finish(self, model: nn.Module) -> None:
        self.link.close()
