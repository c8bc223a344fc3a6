"""A loss that falls and rises again is spoken of once; noise and slow falls are not."""

import json
import math
import random

import pytest

from tests.unit.training.guards.test_losses import falling, said
from unimodal.training.guards.rising import RisingLosses

STEPS = 3000


def rising(top: float, seed: int = 0, turn: int = 1200) -> list[float]:
    """As in SpeechT5's pretraining: down to about 1, then slowly up to `top`."""
    draw = random.Random(seed)
    up = [1 + (top - 1) * min(1.0, max(0, step - turn) / 800) for step in range(STEPS)]
    return [(level + 5 * math.exp(-step / 200)) * draw.lognormvariate(0, 0.2) for step, level in enumerate(up)]


@pytest.mark.parametrize("seed", range(5))
def test_a_loss_that_falls_or_stays_is_not_spoken_of(seed: int) -> None:
    losses = {"infill/cross_entropy": falling(STEPS, seed), "reconstruct/frames.stop": rising(1.0, seed)}
    assert said(RisingLosses(), losses) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_loss_that_rises_again_is_named_once(seed: int) -> None:
    losses = {"reconstruct/masked_units": rising(1.5, seed), "infill/cross_entropy": falling(STEPS, seed)}
    (line,) = said(RisingLosses(), losses)
    assert line.startswith("step ") and "reconstruct/masked_units has risen to 1." in line and "\n" not in line
    step, since = int(line.split()[1].rstrip(":")), int(line.split("since step ")[1].split(",")[0])
    assert 900 < since < 1500 and since + 500 < step < 2400


def test_a_short_rise_is_no_rise() -> None:
    losses = rising(1.0)
    losses[1500:1560] = [3 * loss for loss in losses[1500:1560]]
    assert said(RisingLosses(), {"tts/frames.before": losses}) == []


def test_a_resumed_guard_goes_on() -> None:
    losses = rising(1.6)
    first, second = RisingLosses(), RisingLosses()
    assert said(first, {"a/b": losses[:1700]}) == []
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert len(said(second, {"a/b": losses[1700:2700]})) == 1
    third = RisingLosses()
    third.load_state_dict(json.loads(json.dumps(second.state_dict())))
    assert said(third, {"a/b": losses[2700:]}) == []


@pytest.mark.parametrize("settings", [{"share": 0.0}, {"steps": 0}, {"window": 0}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="^share, steps, window: "):
        RisingLosses(**settings)
