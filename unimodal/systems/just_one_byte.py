"""Just One Byte: workers send a byte for each slope they measured along a direction that all can draw."""

import copy
import threading
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.adapters.lora import Lora
from unimodal.agreement import DIGEST, learning_parameters
from unimodal.communicators import LocalStep, local_step
from unimodal.communicators.shared_directions import SharedDirections
from unimodal.links import Link
from unimodal.links.in_process import LocalCluster
from unimodal.links.shared_log import SharedLog, serve_log
from unimodal.links.unreliable import Unreliable
from unimodal.measuring.measure import Claim, Direction, Meter
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.systems import Invariant, System
from unimodal.systems.fixtures import fresh
from unimodal.systems.fixtures.language_model import decoder_spec, tiny_language_model
from unimodal.systems.fixtures.workers import digest_of, smallest_spec
from unimodal.systems.texts import draw_windows, library_text, tokens_of, topics_text
from unimodal.wire_formats import WireFormat
from unimodal.wire_formats.float32 import Float32
from unimodal.wire_formats.signed_logarithm import SignedLogarithm

QUESTION, CODE, PROSE = b"\n# is ", b"c", b"t"
TIME = 16
WORKERS, SAMPLES, ROUNDS, EXAMPLES = 4, 1, 60, 8
RATE = 0.04
TARGET = 0.7
"""Mean loss over the last ten rounds of a worker; before learning it is 0.83."""


@final
class JustOneByte(System):
    """LoRA alone learns. The claim's task asks whether bytes are Python's source or its manual, by two letters."""

    def invariants(self) -> Iterable[Invariant]:
        return (
            Invariant("after 100 rounds all workers have the same bits", _same_bits),
            Invariant("one worker with four samples = four workers with one each", _samples_are_workers),
            Invariant("the log replayed from the base gives the same weights", _replay),
            Invariant("measuring leaves the weights as they were, to the bit, and dropout off", _measuring_is_still),
            Invariant("bytes are samples, whatever the model's size", _bytes),
            Invariant("the mean of slope times direction is the gradient's direction", _estimates_gradient),
            Invariant("a slope that is not a number is left out by all", _not_a_number),
            Invariant("a worker that vanished and came back ends with the others' weights", _comes_back),
            Invariant("lost messages break no agreement", _losses),
            Invariant("other weights are noticed by their digest", _stranger),
        )

    def claim(self) -> Claim:
        """Accuracy on unheard examples with bytes over that with float32 slopes, four workers each.

        Reported beside it: both accuracies, and the rounds that four workers and one need to the same training loss.
        """
        return Claim(
            method=_with_bytes,
            baseline=_with_numbers,
            seeds=range(5),
            budget={"slopes": WORKERS * SAMPLES * ROUNDS},
            threshold=0.99,
            direction=Direction.HIGHER,
        )


def _tuned(model: UnimodalForConditionalGeneration, seed: int) -> UnimodalForConditionalGeneration:
    torch.manual_seed(seed)
    Lora(targets=["query", "value"], rank=2, alpha=4).attach(model)
    model.eval()
    return model


@cache
def _base() -> UnimodalForConditionalGeneration:
    return tiny_language_model()


@cache
def _texts(split: str) -> tuple[Tensor, Tensor]:
    return tokens_of(library_text(split)), tokens_of(topics_text(split))


def _examples(split: str, num: int, seed: int) -> tuple[Int[Tensor, "n t"], Int[Tensor, " n"]]:
    """Half code, half prose, each with the question behind it; the answers are 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    texts = [draw_windows(tokens, num // 2, TIME, generator) for tokens in _texts(split)]
    question = tokens_of(QUESTION).expand(num // 2 * 2, -1)
    return torch.cat([torch.cat(texts), question], 1), torch.arange(2).repeat_interleave(num // 2)


def _scores(model: nn.Module, ids: Int[Tensor, "n t"]) -> Float[Tensor, "n 2"]:
    scores: Tensor = model(input_ids=ids).logits[:, -1]
    return scores[:, torch.cat([tokens_of(CODE), tokens_of(PROSE)])]


def _classify(seed: int, workers: int, wire_format: WireFormat) -> tuple[float, int]:
    """Accuracy of what was learned, and the round in which the first worker's loss reached the target."""

    def work(link: Link) -> tuple[float, int]:
        model = _tuned(copy.deepcopy(_base()), seed)
        communicator = SharedDirections(
            link=link, wire_format=wire_format, learning_rate=RATE, num_samples=SAMPLES, seed=seed
        )
        communicator.begin(model)
        seen: list[float] = []
        for place in range(ROUNDS):
            ids, answers = _examples("train", EXAMPLES, (seed * ROUNDS + place) * WORKERS + link.number)
            if link.number == 0:
                seen.append(_loss(model, ids, answers))
            communicator.step(model, place, _local(partial(_loss, model, ids, answers)))
        communicator.finish(model)
        if link.number > 0:
            return 0.0, 0  # the others' model is the same
        ids, answers = _examples("test", 600, seed)
        with torch.no_grad():
            accuracy = float((_scores(model, ids).argmax(-1) == answers).float().mean())
        means = [sum(seen[end - 10 : end]) / 10 for end in range(10, ROUNDS + 1)]
        reached = next((place + 10 for place, mean in enumerate(means) if mean <= TARGET), ROUNDS)
        return accuracy, reached

    return LocalCluster(workers).run(work)[0]


@torch.no_grad()
def _loss(model: nn.Module, ids: Tensor, answers: Tensor) -> float:
    return float(nn.functional.cross_entropy(_scores(model, ids), answers))


def _local(loss: Callable[[], float]) -> LocalStep:
    def refuse() -> None:
        raise AssertionError("no gradient and no optimiser is needed")

    return LocalStep(loss=loss, differentiate=refuse, update=refuse)


def _with_bytes(seed: int, meter: Meter) -> float:
    meter.add("slopes", WORKERS * SAMPLES * ROUNDS)
    accuracy, together = _classify(seed, WORKERS, SignedLogarithm())
    _, alone = _classify(seed, 1, SignedLogarithm())
    meter.add("accuracy with bytes", accuracy)
    meter.add("rounds of four to the target", together)
    meter.add("rounds of one to the target", alone)
    return accuracy


def _with_numbers(seed: int, meter: Meter) -> float:
    meter.add("slopes", WORKERS * SAMPLES * ROUNDS)
    accuracy, _ = _classify(seed, WORKERS, Float32())
    meter.add("accuracy with float32", accuracy)
    return accuracy


def _small() -> UnimodalForConditionalGeneration:
    return _tuned(fresh(smallest_spec(), seed=0), seed=0)


def _take(communicator: SharedDirections, model: nn.Module, batch: int) -> None:
    """A step on a batch of this number."""
    ids, answers = _examples("train", 4, batch)
    communicator.step(model, communicator.rounds, _local(partial(_loss, model, ids, answers)))


def _take_alone(model: nn.Module, rounds: int, *, learning_rate: float, num_samples: int) -> SharedDirections:
    def work(link: Link) -> SharedDirections:
        communicator = SharedDirections(link=link, learning_rate=learning_rate, num_samples=num_samples)
        communicator.begin(model)
        for place in range(rounds):
            _take(communicator, model, place)
        return communicator

    return LocalCluster(1).run(work)[0]


def _run(link: Link, rounds: int, num_samples: int = 2, *, own_data: bool = True) -> tuple[str, SharedDirections]:
    model = _small()
    before = digest_of(model)
    communicator = SharedDirections(link=link, learning_rate=0.02, num_samples=num_samples, check_every=16)
    communicator.begin(model)
    for place in range(rounds):
        _take(communicator, model, place * 10 + (link.number if own_data else 0))
    communicator.finish(model)
    assert digest_of(model) != before, "nothing was learned"
    return digest_of(model), communicator


def _same_bits() -> None:
    found = {weights for weights, _ in LocalCluster(3).run(lambda link: _run(link, 100, 1))}
    assert len(found) == 1, f"{len(found)} different models"


def _samples_are_workers() -> None:
    ((alone, _),) = LocalCluster(1).run(lambda link: _run(link, 5, 4, own_data=False))
    together = {weights for weights, _ in LocalCluster(4).run(lambda link: _run(link, 5, 1, own_data=False))}
    assert together == {alone}, "the same samples gave other weights"


def _replay() -> None:
    (weights, communicator), *_ = LocalCluster(2).run(lambda link: _run(link, 12))
    model = _small()
    for place, arrived in enumerate(communicator.log):
        communicator.directions.apply(learning_parameters(model), place, arrived)
    assert communicator.rounds == 12 and digest_of(model) == weights, "the replayed weights differ"


def _measuring_is_still() -> None:
    model = fresh(smallest_spec(), seed=0)
    Lora(targets=["query"], rank=2, dropout=0.5).attach(model)
    model.train()
    modes = [module.training for module in model.modules()]
    before, sent = digest_of(model), []
    for noise in range(2):  # the same round twice, with another state of the global generator
        torch.manual_seed(noise)
        communicator = _take_alone(model, 1, learning_rate=1e-60, num_samples=4)
        sent.append(communicator.log[0][0].tolist())
        assert digest_of(model) == before, "measuring moved the weights"
    assert sent[0] == sent[1], "the slopes depend on dropout's noise"
    assert [module.training for module in model.modules()] == modes, "a module was left in another mode"


def _bytes() -> None:
    sent = set()
    for spec in (smallest_spec(), decoder_spec(dim=32, depth=4, heads=2, groups=1, hidden=64)):
        model = _tuned(fresh(spec, seed=0), seed=0)
        communicator = _take_alone(model, 6, learning_rate=0.01, num_samples=3)
        sent.add((communicator.traffic.bytes, communicator.traffic.peak))
    assert sent == {(6 * 3 + DIGEST, 3 + DIGEST)}, f"sent {sent}"


def _estimates_gradient() -> None:
    torch.manual_seed(0)
    matrix, point = torch.randn(64, 64) / 8, nn.Parameter(torch.randn(64))
    model = nn.ParameterList([point])

    def loss() -> Tensor:
        return (matrix @ point).square().sum()

    loss().backward()
    assert point.grad is not None
    start, gradient = point.detach().clone(), point.grad

    def work(link: Link) -> None:
        communicator = SharedDirections(
            link=link, wire_format=Float32(), learning_rate=1e-6, num_samples=4096, perturbation=1e-2
        )
        communicator.begin(model)
        communicator.step(model, 0, local_step(loss, torch.optim.SGD(model.parameters(), 0.1)))

    LocalCluster(1).run(work)
    likeness = float(torch.cosine_similarity(start - point.detach(), gradient, 0))
    assert likeness > 0.9, f"a correlation of {likeness:.3f}"


def _not_a_number() -> None:
    def work(link: Link) -> tuple[str, SharedDirections]:
        model = _small()
        communicator = SharedDirections(link=link, learning_rate=0.02, num_samples=2)
        communicator.begin(model)
        for place in range(4):
            ids, answers = _examples("train", 4, place)
            loss = partial(_loss, model, ids, answers)
            broken = link.number == 1 and place == 2
            communicator.step(model, place, _local((lambda: float("nan")) if broken else loss))
        return digest_of(model), communicator

    (first, communicator), (second, _) = LocalCluster(2).run(work)
    assert first == second, "workers differ after a loss that is not a number"
    assert communicator.log[2][1].tolist() == [0, 0], "a slope was sent"
    model = _small()
    for place, arrived in enumerate(communicator.log):
        kept = {0: arrived[0]} if place == 2 else arrived
        communicator.directions.apply(learning_parameters(model), place, kept)
    assert digest_of(model) == first, "the missing slopes counted"


def _losses() -> None:
    def work(link: Link) -> tuple[str, int]:
        weights, communicator = _run(Unreliable(link, dropout=0.3, seed=1), 20, 1)
        return weights, communicator.traffic.missing

    (weights, missing), *others = LocalCluster(3).run(work)
    assert all(found == (weights, missing) for found in others) and missing > 5, f"{missing} missing"


def _stranger() -> None:
    def work(link: Link) -> str:
        model = _small()
        if link.number == 2:
            with torch.no_grad():
                learning_parameters(model)[0].view(-1)[0] += 1e-7
        communicator = SharedDirections(link=link, learning_rate=0.02, num_samples=1)
        communicator.begin(model)
        try:
            _take(communicator, model, batch=0)
        except ValueError as error:
            return str(error)
        return ""

    said = LocalCluster(3).run(work)
    assert said[:2] == ["", ""] and "worker 2 has other weights than most" in said[2], f"{said}"


def _comes_back() -> None:
    """One worker stops without a word after 8 rounds; another joins later and both go on for 10 rounds more."""
    kept, models = serve_log(0), [_small() for _ in range(3)]
    ready, vanished, joined = threading.Event(), threading.Event(), threading.Event()
    last = [10**9]
    failed: list[BaseException] = []
    communicators = [
        SharedDirections(
            link=SharedLog(f"127.0.0.1:{kept.port}", workers=2, patience=2.0), learning_rate=0.02, num_samples=2
        )
        for _ in models
    ]

    def take_part(which: int, before: threading.Event, after: threading.Event, rounds: int) -> None:
        try:
            before.wait(60)
            communicator = communicators[which]
            communicator.begin(models[which])
            while communicator.rounds < min(rounds, last[0]):
                _take(communicator, models[which], which)
                if which == 2 and not joined.is_set():
                    last[0] = communicator.rounds + 10
                    joined.set()
            after.set()
        except BaseException as error:
            failed.append(error)

    ready.set()
    parts = [(0, ready, threading.Event(), 10**9), (1, ready, vanished, 8), (2, vanished, threading.Event(), 10**9)]
    threads = [threading.Thread(target=take_part, args=part) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, f"{failed[0]!r}"
    rounds = [communicator.rounds for communicator in communicators]
    assert rounds[0] == rounds[2] == last[0] and rounds[1] == 8, f"{rounds} rounds"
    assert digest_of(models[0]) == digest_of(models[2]) != digest_of(models[1]), "weights differ"
    assert communicators[0].traffic.missing >= 1, "nobody was missed"
