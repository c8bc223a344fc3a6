"""Raw values as a report shows them."""

from unimodal.model import SMALLEST
from unimodal.spec import load_spec
from unimodal.tasks.showing import SHOWN


def test_every_net_of_the_shipped_model_can_be_shown() -> None:
    assert set(load_spec(SMALLEST.with_name("nano.yaml"))["processors"]) <= set(SHOWN)
