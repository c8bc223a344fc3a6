"""`unimodal systems check`: the state follows from invariants and claim, on Systems whose outcome is known."""

import json
import sys
from collections.abc import Iterable
from types import ModuleType

import pytest

from unimodal import cli
from unimodal.measuring.measure import Claim, Meter, Verdict
from unimodal.systems import Invariant, System
from unimodal.systems.catalogue import Result, State, find
from unimodal.systems.check import check, examine, system_of
from unimodal.systems.table import figures


def scored(*scores: float):
    def run(seed: int, meter: Meter) -> float:
        meter.add("steps", 5)
        return scores[seed]

    return run


class Known(System):
    """A System whose claim has these scores over a baseline of 1."""

    def __init__(self, *scores: float, sound: bool = True) -> None:
        self.scores = scores
        self.sound = sound

    def invariants(self) -> Iterable[Invariant]:
        def holds() -> None:
            if not self.sound:
                raise AssertionError("cached and uncached differ\nat entry 3")

        return [Invariant("two and two are four", lambda: None), Invariant("cached = uncached", holds)]

    def claim(self) -> Claim | None:
        if not self.scores:
            return None
        count = len(self.scores)
        return Claim(
            method=scored(*self.scores),
            baseline=scored(*[1.0] * count),
            seeds=range(count),
            budget={"steps": 5},
            threshold=1.1,
        )


def test_a_claim_that_holds() -> None:
    result = examine(Known(1.3, 1.31, 1.32))
    assert result.state is State.REPRODUCED
    assert result.measured is not None and result.measured.verdict is Verdict.REPRODUCED
    assert figures(result) == "1.31 [1.29, 1.34], asked ≥ 1.1"


def test_a_claim_that_points_the_right_way() -> None:
    assert examine(Known(1.03, 1.04, 1.05)).state is State.DIRECTION


def test_a_claim_that_fails() -> None:
    assert examine(Known(0.9, 0.91, 0.92)).state is State.NOT_REPRODUCED


def test_invariants_alone() -> None:
    assert examine(Known()) == Result(state=State.REPRODUCED)


def test_a_broken_invariant_is_named_and_no_claim_is_run() -> None:
    result = examine(Known(1.3, 1.3, sound=False))
    assert result == Result(
        state=State.NOT_REPRODUCED, failed=("cached = uncached: cached and uncached differ at entry 3",)
    )
    assert figures(result) == "fails: cached = uncached: cached and uncached differ at entry 3"


def test_a_row_without_a_module_is_not_built() -> None:
    row = next(row for row in map(find, ["hydragen", "m3net"]) if system_of(row) is None)
    assert check(row) == Result(state=State.NOT_BUILT)


def test_a_system_that_is_not_what_the_table_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1, and both states are printed: the table never claims what a run does not give."""
    monkeypatch.setattr("unimodal.commands.systems.check", lambda row: examine(Known(1.3, 1.31, 1.32)))
    monkeypatch.setattr("unimodal.commands.systems.recorded", lambda: {"hydragen": Result(state=State.NOT_BUILT)})
    assert cli.main(["systems", "check", "hydragen"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said == ["hydragen: reproduced; 1.31 [1.29, 1.34], asked ≥ 1.1", "hydragen: the table says not built"]
    assert cli.main(["systems", "check", "hydragen", "--json"]) == 1
    row = json.loads(capsys.readouterr().out)
    assert (row["state"], row["expected"]) == ("reproduced", "not built")
    assert row["measured"]["ratio"] == pytest.approx(1.31, abs=1e-3)


def test_a_module_is_found_by_its_slug(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("unimodal.systems.token_recycling")
    module.__spec__ = sys.__spec__
    made = type("TokenRecycling", (Known,), {"__module__": module.__name__})
    module.TokenRecycling, module.Known = made, Known  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert type(system_of(find("token-recycling"))) is made
