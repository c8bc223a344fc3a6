"""Laws of every feed: an example's entries depend on its own alone, padded or packed; nothing unnamed is read."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from tests.laws.parts import close, final_classes, label
from unimodal.batching import Packed, Padded
from unimodal.build import build
from unimodal.feeds import Feed
from unimodal.hidden import Memory
from unimodal.systems.broadcast_subtitle import rows_of_noise
from unimodal.systems.fixtures.announcements import small_model

WHOLE = {"class": "unimodal.feeds.whole.Whole", "memory": "encoder"}
STATES = {
    "class": "unimodal.feeds.decoder_states.DecoderStates",
    "net": "verbatim",
    "readout": "verbatim",
    "heard": "speech",
}
FEEDS: list[Mapping[str, Any]] = [WHOLE, STATES, {"class": "unimodal.feeds.beside.Beside", "feeds": [STATES, WHOLE]}]
MODEL = small_model("broadcast", seed=0).model.double().eval()
every_feed = pytest.mark.parametrize("spec", FEEDS, ids=label)


def memories(rows: Any, packer: Any) -> dict[str, Memory]:
    batch = MODEL.arrangement.batch(rows, packer, MODEL.kinds)
    return MODEL.encode(batch.source, wanted=())[1]


def test_every_feed_of_the_folder_is_tried_here() -> None:
    assert set(final_classes("unimodal.feeds", Feed)) == {spec["class"] for spec in FEEDS}


@every_feed
@pytest.mark.parametrize("packed", [False, True])
@torch.no_grad()
def test_an_example_gets_what_it_gets_alone(spec: Mapping[str, Any], packed: bool) -> None:
    feed = build(spec, Feed)
    read = memories(rows_of_noise(), Packed(source=40, target=20) if packed else Padded())
    entries, layout = feed.entries(read, MODEL)
    assert entries.shape[:2] == layout.valid.shape and entries.shape[2] == MODEL.backbone.memory_dim
    assert torch.equal(layout.segments >= 0, layout.valid)
    for example, item in enumerate(rows_of_noise()):
        alone, own = feed.entries(memories([item], Padded()), MODEL)
        here = layout.segments == example
        close(entries[here], alone[0][own.valid[0]])
        for name in ("positions", "kinds"):
            of_all, of_one = vars(layout)[name].expand_as(here), vars(own)[name].expand_as(own.valid)
            assert torch.equal(of_all[here], of_one[own.valid]), name


@every_feed
@torch.no_grad()
def test_it_reads_no_more_than_it_names(spec: Mapping[str, Any]) -> None:
    feed, read = build(spec, Feed), memories(rows_of_noise(), Padded())
    assert set(feed.needs(MODEL)) == {"encoder"}
    feed.entries({name: read[name] for name in feed.needs(MODEL)}, MODEL)


@pytest.mark.parametrize(
    ("change", "said"), [({"net": "speech"}, "net: the model has no decoder"), ({"readout": "x"}, "readout: the model")]
)
def test_a_model_that_cannot_have_it_is_told(change: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build({**STATES, **change}, Feed).needs(MODEL)
