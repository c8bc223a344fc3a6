"""Runs the evidence of one method and says what state it is in."""

import importlib
import importlib.util
import inspect
from collections.abc import Iterable

from unimodal.measuring.measure import Claim, Verdict
from unimodal.systems import Invariant, System
from unimodal.systems.catalogue import Result, Row, State

_STATES = {
    Verdict.REPRODUCED: State.REPRODUCED,
    Verdict.DIRECTION: State.DIRECTION,
    Verdict.NOT_REPRODUCED: State.NOT_REPRODUCED,
}


def system_of(row: Row) -> System | None:
    """The method's System, or None where it is not built."""
    name = f"unimodal.systems.{row.slug.replace('-', '_')}"
    if importlib.util.find_spec(name) is None:
        return None
    classes = [
        value
        for value in vars(importlib.import_module(name)).values()
        if inspect.isclass(value) and issubclass(value, System) and value.__module__ == name
    ]
    assert len(classes) == 1, f"{name} defines {len(classes)} systems where one is expected"
    return classes[0]()


def check(row: Row) -> Result:
    """Runs the invariants and, where they hold, the claim."""
    system = system_of(row)
    if system is None:
        return Result(state=State.NOT_BUILT)
    return examine(system)


def examine(system: System) -> Result:
    """As `check`, for a System in hand."""
    failed = _failures(system.invariants())
    if failed:
        return Result(state=State.NOT_REPRODUCED, failed=failed)
    claim = system.claim()
    if claim is None:
        return Result(state=State.REPRODUCED)
    return _judge(claim)


def _failures(invariants: Iterable[Invariant]) -> tuple[str, ...]:
    failed = []
    for invariant in invariants:
        try:
            invariant.check()
        except AssertionError as error:
            said = " ".join(str(error).split())
            failed.append(f"{invariant.name}: {said}" if said else invariant.name)
    return tuple(failed)


def _judge(claim: Claim) -> Result:
    evidence = claim.measure()
    return Result(state=_STATES[evidence.verdict], measured=evidence)
