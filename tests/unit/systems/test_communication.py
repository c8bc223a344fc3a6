"""The two systems of communication: every invariant holds, and their configs build what the claims measure."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from unimodal.build import build
from unimodal.communicators import Communicator
from unimodal.communicators import fragments as fragments_module
from unimodal.communicators.fragments import Fragments
from unimodal.communicators.shared_directions import SharedDirections
from unimodal.spec import load_spec
from unimodal.systems import Invariant, streaming_diloco
from unimodal.systems.just_one_byte import JustOneByte
from unimodal.systems.streaming_diloco import StreamingDiLoCo

CONFIGS = Path(__file__).parents[3] / "configs" / "systems"
INVARIANTS = list(chain(StreamingDiLoCo().invariants(), JustOneByte().invariants()))


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda found: found.name)
def test_it_holds(invariant: Invariant) -> None:
    invariant.check()


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda mean: lambda *given: [-each for each in mean(*given)], streaming_diloco._one_worker_trains_as_alone),
        (
            lambda mean: lambda *given: [each / 2 for each in mean(*given)],
            streaming_diloco._one_fragment_is_local_steps,
        ),
    ],
    ids=["the sign of the outer gradient", "its scale"],
)
def test_a_wrong_outer_step_is_noticed(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[object], object], check: Callable[[], None]
) -> None:
    monkeypatch.setattr(fragments_module, "mean_of_round", change(fragments_module.mean_of_round))
    with pytest.raises(AssertionError):
        check()


@pytest.mark.parametrize(("name", "expected"), [("streaming-diloco", Fragments), ("just-one-byte", SharedDirections)])
def test_its_config_is_built(name: str, expected: type) -> None:
    assert type(build(load_spec(CONFIGS / f"{name}.yaml")["communicator"], Communicator)) is expected
