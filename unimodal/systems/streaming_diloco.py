"""Streaming DiLoCo: workers exchange a fragment of the model at a time, in four bits, while they train on."""

from collections.abc import Iterable
from itertools import chain
from typing import final

import torch
from torch import nn

from unimodal.agreement import digest
from unimodal.communicators.all_reduce import AllReduce
from unimodal.communicators.fragments import Fragments
from unimodal.communicators.local_steps import LocalSteps
from unimodal.layer_groups import strided_groups
from unimodal.links import Link
from unimodal.links.in_process import LocalCluster
from unimodal.links.unreliable import Unreliable
from unimodal.measuring.measure import Claim, Direction, Meter
from unimodal.systems import Invariant, System
from unimodal.systems.fixtures import fresh
from unimodal.systems.fixtures.language_model import mean_loss, micro_spec
from unimodal.systems.fixtures.workers import (
    Job,
    Make,
    digest_of,
    in_processes,
    smallest_spec,
    together,
    train,
    train_alone,
    train_watched,
)
from unimodal.systems.texts import library_text, spread_windows, tokens_of
from unimodal.training.schedule import WarmUpCosine
from unimodal.wire_formats import num_packed_bytes
from unimodal.wire_formats.bfloat16 import BFloat16
from unimodal.wire_formats.float32 import Float32
from unimodal.wire_formats.three_bit_exponent import ThreeBitExponent

WORKERS, PERIOD, STEPS = 4, 20, 120
NEVER = 10**9


@final
class StreamingDiLoCo(System):
    """The outer rate 0.4, the mix 0.5 and the delay of a step are the card's; DiLoCo's outer rate is its own 0.7."""

    def invariants(self) -> Iterable[Invariant]:
        return (
            Invariant("one fragment, at once, unmixed, exact = DiLoCo, bit for bit", _one_fragment_is_local_steps),
            Invariant("one worker with outer rate 1 = AdamW alone", _one_worker_trains_as_alone),
            Invariant("every step with inner SGD and outer rate 1 = data parallel", _every_step_is_data_parallel),
            Invariant("agreed weights have the same bits on all workers after every step", _always_agreed),
            Invariant("every parameter is in one fragment, and a step sends one fragment at most", _peaks),
            Invariant("bytes are 1 / period * 4 / 32 of float32 gradients at every step", _totals),
            Invariant("lost messages are counted and break no agreement", _losses),
            Invariant("two processes end with the bits of two threads", _processes),
            Invariant("settings that cannot work are named", _mistakes),
        )

    def claim(self) -> Claim:
        """Held-out loss over the lower of 1.02 times DiLoCo's and 1.05 times data parallelism's, on equal tokens.

        Reported beside it: each loss, the loss of the mean of workers that never spoke, and a worker's bytes.
        """
        tokens = _job(0).tokens
        return Claim(
            method=_streaming,
            baseline=_stricter_bound,
            seeds=range(5),
            budget={"tokens": tokens},
            threshold=1.0,
            direction=Direction.LOWER,
        )


def _job(seed: int) -> Job:
    schedule = WarmUpCosine(warmup=10, steps=STEPS)
    return Job(spec=micro_spec(depth=4), steps=STEPS, windows=2, time=64, workers=WORKERS, seed=seed, schedule=schedule)


def _held_out(seed: int, name: str, make: Make, meter: Meter) -> float:
    (model, communicator), *_ = together(_job(seed), make)
    loss = mean_loss(model, spread_windows(tokens_of(library_text("validation")), 64, 64))
    meter.add(f"loss: {name}", loss)
    meter.add(f"bytes: {name}", communicator.traffic.bytes)
    meter.add(f"peak bytes: {name}", communicator.traffic.peak)
    return loss


def _streaming(seed: int, meter: Meter) -> float:
    meter.add("tokens", _job(seed).tokens)
    _held_out(seed, "alone", lambda link: LocalSteps(link=link, wire_format=Float32(), period=NEVER), meter)
    return _held_out(
        seed, "streaming", lambda link: Fragments(link=link, wire_format=ThreeBitExponent(), period=PERIOD), meter
    )


def _stricter_bound(seed: int, meter: Meter) -> float:
    meter.add("tokens", _job(seed).tokens)
    exact = Float32()
    local = _held_out(seed, "DiLoCo", lambda link: LocalSteps(link=link, wire_format=exact, period=PERIOD), meter)
    parallel = _held_out(seed, "data parallel", lambda link: AllReduce(link=link, wire_format=exact), meter)
    return min(1.02 * local, 1.05 * parallel)


def _weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def _distance(first: nn.Module, second: nn.Module) -> float:
    return float((_weights(first) - _weights(second)).abs().max())


def _one_fragment_is_local_steps() -> None:
    job = Job(spec=smallest_spec(), steps=8)
    (whole, _), *_ = together(job, lambda link: LocalSteps(link=link, wire_format=Float32(), period=3))
    (found, _), *_ = together(
        job,
        lambda link: Fragments(
            link=link,
            wire_format=Float32(),
            num_fragments=1,
            period=3,
            delay=0,
            mix=0.0,
            outer_learning_rate=0.7,
        ),
    )
    assert digest_of(found) == digest_of(whole), f"weights differ by {_distance(found, whole):.1e}"
    start = fresh(smallest_spec(), seed=0)
    assert _distance(found, start) > 1e-3, "nothing was learned"


def _one_worker_trains_as_alone() -> None:
    job = Job(spec=smallest_spec(), steps=8, workers=1)
    alone = train_alone(job)
    ((found, _),) = together(
        job,
        lambda link: Fragments(
            link=link,
            wire_format=Float32(),
            num_fragments=2,
            period=4,
            delay=0,
            mix=0.0,
            outer_learning_rate=1.0,
            outer_momentum=0.0,
        ),
    )
    assert _distance(found, alone) <= 1e-6, f"weights differ by {_distance(found, alone):.1e}"


def _every_step_is_data_parallel() -> None:
    job = Job(spec=smallest_spec(), steps=6, workers=3, optimizer=_sgd, clip=float("inf"))
    (parallel, _), *_ = together(job, lambda link: AllReduce(link=link, wire_format=Float32()))
    (found, _), *_ = together(
        job,
        lambda link: LocalSteps(
            link=link, wire_format=Float32(), period=1, outer_learning_rate=1.0, outer_momentum=0.0
        ),
    )
    assert _distance(found, parallel) <= 1e-6, f"weights differ by {_distance(found, parallel):.1e}"


def _sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.01)


def _four_bits(link: Link) -> Fragments:
    return Fragments(link=link, wire_format=ThreeBitExponent(), num_fragments=3, period=6, delay=2)


def _always_agreed() -> None:
    job = Job(spec=smallest_spec(), steps=10, workers=3)
    seen: dict[int, list[str]] = {}

    def work(link: Link) -> str:
        communicator = _four_bits(link)
        digests = seen.setdefault(link.number, [])
        model = train_watched(
            job, communicator, link.number, lambda: digests.append(bytes(digest(communicator.agreed).tolist()).hex())
        )
        return digest_of(model)

    finished = LocalCluster(job.workers).run(work)
    assert seen[0] == seen[1] == seen[2] and len(set(finished)) == 1, "workers agree on different weights"
    assert len(set(seen[0])) >= 4, "hardly anything was exchanged"


def _peaks() -> None:
    model, num_fragments = fresh(micro_spec(), seed=0), 4
    groups = strided_groups(model, num_fragments)
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert sorted(chain(*groups)) == sorted(names), "a parameter is in no fragment, or in two"
    sizes = [sum(model.get_parameter(name).numel() for name in names) for names in groups]
    assert max(sizes) <= 1.2 * sum(sizes) / num_fragments, f"fragments of {sizes} parameters"
    job = Job(spec=smallest_spec(), steps=13)
    (trained, communicator), *_ = together(job, _four_bits)
    largest = max(
        num_packed_bytes([trained.get_parameter(name) for name in names], ThreeBitExponent())
        for names in strided_groups(trained, 3)
    )
    assert communicator.traffic.peak == largest, f"{communicator.traffic.peak} bytes in a step, not {largest}"


def _totals() -> None:
    """Counted on a run of three periods, then computed for the micro model, whose tensors are not all tiny."""
    job = Job(spec=smallest_spec(), steps=18)
    (trained, communicator), *_ = together(job, _four_bits)
    once = num_packed_bytes(list(trained.parameters()), ThreeBitExponent())
    settled = num_packed_bytes(
        [trained.get_parameter(name) for names in strided_groups(trained, 3)[1:] for name in names], ThreeBitExponent()
    )
    assert communicator.traffic.bytes == 3 * once + settled, f"{communicator.traffic} where 3 * {once} + {settled}"
    tensors = list(fresh(micro_spec(), seed=0).parameters())
    for every_step, bits in ((Float32(), 32), (BFloat16(), 16)):
        ratio = num_packed_bytes(tensors, ThreeBitExponent()) / num_packed_bytes(tensors, every_step)
        assert abs(ratio * bits / 4 - 1) < 0.01, f"{ratio:.4f} of {bits} bits"


def _losses() -> None:
    job = Job(spec=smallest_spec(), steps=24, workers=3)

    def work(link: Link) -> tuple[str, int, int]:
        unreliable = Unreliable(link, dropout=0.4, seed=2)
        communicator = _four_bits(unreliable)
        model = train(job, communicator, link.number)
        assert communicator.traffic.missing == unreliable.lost
        return digest_of(model), communicator.traffic.missing, communicator.skipped

    (first, lost, skipped), *others = LocalCluster(job.workers).run(work)
    assert all(found == (first, lost, skipped) for found in others), "workers differ after losses"
    assert 5 <= lost < 40 and skipped >= 1, f"{lost} lost, {skipped} exchanges skipped"


def _talk(link: Link) -> tuple[str, int, int]:
    communicator = _four_bits(Unreliable(link, dropout=0.2, seconds=0.02))
    model = train(Job(spec=smallest_spec(), steps=13), communicator, link.number)
    return digest_of(model), communicator.traffic.bytes, communicator.traffic.missing


def _processes() -> None:
    expected = LocalCluster(2).run(_talk)
    found = [tuple(each) for each in in_processes(_talk, 2)]
    assert found == expected and len(set(found)) == 1, f"{found} where {expected}"


def _mistakes() -> None:
    (link,) = LocalCluster(1).run(lambda link: link)
    for settings, named in (
        ({"num_fragments": 9, "period": 8}, "num_fragments"),
        ({"delay": 8, "period": 8}, "delay"),
        ({"mix": 1.0}, "mix"),
    ):
        try:
            Fragments(link=link, wire_format=Float32(), **settings)
        except ValueError as error:
            assert str(error).startswith(named), f"{error} does not name {named}"
        else:
            raise AssertionError(f"{settings} is accepted")
