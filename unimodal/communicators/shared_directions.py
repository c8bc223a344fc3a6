"""Slopes along random directions that every worker can draw for itself."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn

from unimodal.agreement import DIGEST, digest, learning_parameters
from unimodal.communicators import Communicator, LocalStep
from unimodal.links import Link, Round
from unimodal.links.counted import Counted, Traffic
from unimodal.wire_formats import WireFormat
from unimodal.wire_formats.signed_logarithm import SignedLogarithm

ONE_BYTE = SignedLogarithm()


@final
class Directions:
    """Normal random directions of the parameters, each drawn again, tensor by tensor, from round and place.

    Drawn on the processor, for other devices draw other numbers from the same seed.
    """

    def __init__(self, *, num_samples: int, learning_rate: float, wire_format: WireFormat, seed: int) -> None:
        self.num_samples, self.learning_rate, self.wire_format = num_samples, learning_rate, wire_format
        self.seed = seed

    @torch.no_grad()
    def add(self, parameters: Sequence[Tensor], place: int, direction: int, amount: float) -> None:
        """Moves the parameters by `amount` along a direction of the round `place`."""
        drawn = hashlib.sha256(f"{self.seed}/{place}/{direction}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(drawn[:8], "little"))
        for parameter in parameters:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(noise.to(parameter.device, parameter.dtype), alpha=amount)

    def apply(self, parameters: Sequence[Tensor], place: int, arrived: Round) -> None:
        """Takes the step of a round: the workers by number, the samples of each in their order.

        A slope of zero says that a sample gave none; the rest are scaled by 1 / sqrt(their number), as in the released
        code.
        """
        slopes = {number: self._slopes(number, message) for number, message in sorted(arrived.items())}
        num = sum(int(values.count_nonzero()) for values in slopes.values())
        for number, values in slopes.items():
            for sample, slope in enumerate(values.tolist()):
                if slope:
                    amount = -self.learning_rate * slope / math.sqrt(num)
                    self.add(parameters, place, number * self.num_samples + sample, amount)

    def _slopes(self, number: int, message: Tensor) -> Tensor:
        size = self.wire_format.num_bytes(self.num_samples)
        if len(message) not in (size, size + DIGEST):
            raise ValueError(f"num_samples: worker {number} sends {len(message)} bytes where {size} are expected")
        return self.wire_format.decode(message[:size], self.num_samples)


@final
class SharedDirections(Communicator):
    """Learns without gradients: the loss is measured a little way along random directions, and a byte for each slope is
    all that workers send (Zelikman et al. 2023, 2306.10015; the estimate is Spall's SPSA).

    In each step a worker takes `num_samples` directions z, measures (loss(w + eps z) - loss(w - eps z)) / (2 eps) on
    its batch, forward only and without dropout, and sends the slopes; all then move their weights by every worker's
    slopes as they were sent, in the same order. No optimiser takes part. Every `check_every` rounds a digest of the
    weights goes along, and who differs from most stops. A worker that joins late takes the rounds it missed first.

    The released code undoes a perturbation by adding its opposite and repairs what drifts every 16 steps from a copy
    and the log. The same copy is put back here after each sample, so nothing drifts.
    """

    def __init__(
        self,
        *,
        link: Link,
        learning_rate: float,
        wire_format: WireFormat = ONE_BYTE,
        num_samples: int = 30,
        perturbation: float = 1e-3,
        seed: int = 0,
        check_every: int = 64,
    ) -> None:
        if num_samples < 1 or check_every < 1:
            raise ValueError(f"num_samples, check_every: expected 1 or more, got {num_samples} and {check_every}")
        if learning_rate <= 0 or perturbation <= 0:
            raise ValueError(
                f"learning_rate, perturbation: expected numbers above 0, got {learning_rate} and {perturbation}"
            )
        self.link, self.perturbation, self.check_every = Counted(link), perturbation, check_every
        self.directions = Directions(
            num_samples=num_samples, learning_rate=learning_rate, wire_format=wire_format, seed=seed
        )
        self.rounds = 0
        """That the weights have taken, those before this worker joined included."""
        self.log: list[Round] = []
        """Those since `begin`: with the model that it was given, all that anyone needs to have the weights."""

    @property
    def traffic(self) -> Traffic:
        return self.link.traffic

    def begin(self, model: nn.Module, step: int = 0) -> None:
        self.link.open()
        parameters = learning_parameters(model)
        self.rounds = step
        for arrived in self.link.missed()[step:]:
            self._take(parameters, arrived)

    def step(self, model: nn.Module, step: int, local: LocalStep) -> None:
        self.link.begin_step()
        parameters = learning_parameters(model)
        slopes = torch.tensor(self._measure(model, parameters, local))
        message = self.directions.wire_format.encode(slopes)
        checked = self.rounds % self.check_every == 0
        arrived = self.link.gather(torch.cat([message, digest(parameters)]) if checked else message)()
        if checked:
            self._check(digest(parameters), arrived)
        self._take(parameters, arrived)

    def finish(self, model: nn.Module) -> None:
        self.link.close()

    def _take(self, parameters: Sequence[Tensor], arrived: Round) -> None:
        self.directions.apply(parameters, self.rounds, arrived)
        self.log.append(arrived)
        self.rounds += 1

    def _measure(self, model: nn.Module, parameters: Sequence[nn.Parameter], local: LocalStep) -> list[float]:
        """The slope along each of this worker's directions."""
        first = self.link.number * self.directions.num_samples
        kept = [parameter.detach().clone() for parameter in parameters]
        slopes = []
        with _still(model, parameters):
            for direction in range(first, first + self.directions.num_samples):
                self.directions.add(parameters, self.rounds, direction, self.perturbation)
                above = local.loss()
                self.directions.add(parameters, self.rounds, direction, -2 * self.perturbation)
                slopes.append((above - local.loss()) / (2 * self.perturbation))
                for parameter, value in zip(parameters, kept, strict=True):
                    parameter.data.copy_(value)
        return slopes

    def _check(self, own: Tensor, arrived: Round) -> None:
        """Raises ValueError where this worker's weights are not those of most."""
        digests = [bytes(message[-DIGEST:].tolist()) for message in arrived.values()]
        if digests and Counter(digests).most_common(1)[0][0] != bytes(own.tolist()):
            raise ValueError(
                f"round {self.rounds}: worker {self.link.number} has other weights than most; did it begin with "
                "another model, or is its processor of another kind?"
            )


@contextmanager
def _still(model: nn.Module, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Dropout is off and no graph is kept, whoever calls the model in whatever way."""
    training = [module for module in model.modules() if module.training]
    for parameter in parameters:
        parameter.requires_grad_(False)
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True
        for parameter in parameters:
            parameter.requires_grad_(True)
