"""Laws of writers, for every class that answers to the contract."""

import threading
import time

import pytest

from unimodal.training.checkpoints import Writer
from unimodal.training.checkpoints.background import Background
from unimodal.training.checkpoints.immediate import Immediate

WRITERS = (Background, Immediate)


def test_all_writers_are_tried() -> None:
    assert set(Writer.__subclasses__()) == set(WRITERS)


@pytest.mark.parametrize("kind", WRITERS)
def test_jobs_run_in_order_one_at_a_time(kind: type[Writer]) -> None:
    writer, seen, running = kind(), [], threading.Lock()

    def job(number: int) -> None:
        assert running.acquire(blocking=False)
        time.sleep(0.01)
        seen.append(number)
        running.release()

    for number in range(5):
        writer.write(lambda number=number: job(number))
        writer.check()
        assert len(seen) >= number  # those before it are done
    writer.wait()
    assert seen == list(range(5))


@pytest.mark.parametrize("kind", WRITERS)
def test_an_error_is_raised_once(kind: type[Writer]) -> None:
    writer, seen = kind(), []

    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        writer.write(fail)
        writer.wait()
    writer.check()
    writer.write(lambda: seen.append(1))
    writer.wait()
    assert seen == [1]


def test_training_goes_on_meanwhile() -> None:
    writer, may_end = Background(), threading.Event()
    writer.write(lambda: assert_true(may_end.wait(10)))
    writer.check()
    may_end.set()
    writer.wait()


def assert_true(value: bool) -> None:
    assert value
