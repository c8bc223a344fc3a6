"""Spans are hidden of the named tasks' speech alone, in evaluation too, and what is made of it stays clean."""

import pytest
import torch

from tests.unit.objectives.pretraining import batch_of, items, spoken, tiny_model
from unimodal.batching import Padded
from unimodal.objectives import example_of
from unimodal.objectives.frames import Frames
from unimodal.objectives.hidden_spans import HiddenSpans
from unimodal.spans import draw_spans


def test_about_the_share_that_hubert_hides_is_hidden() -> None:
    """0.08 of the entries begin spans of 10: 1 - 0.92^10 = 0.57 of a long piece is hidden; as much at half the rate."""
    for span in (10, 5):
        entries = torch.full((200,), 100 * span)
        hidden = draw_spans(entries, 100 * span, share=0.8, span=span)
        assert float(hidden.float().mean()) == pytest.approx(1 - (1 - 0.8 / span) ** span, abs=0.03)


def test_a_short_piece_has_the_spans_that_fit() -> None:
    hidden = draw_spans(torch.tensor([4, 5, 30, 0]), 40, share=0.0, span=5, least=1)
    assert hidden.sum(1).tolist() == [0, 5, 5, 0] and not hidden[2, 30:].any()


def test_only_the_named_tasks_are_hidden_and_nothing_behind_a_piece() -> None:
    model = tiny_model()
    objective = HiddenSpans(Frames(), net="speech", tasks=["asr"])
    batch = batch_of(model, items())
    torch.manual_seed(0)
    prepared = objective.prepare(batch)
    torch.manual_seed(0)
    again = objective.eval().prepare(batch)
    pieces, before = prepared.source.pieces["speech"], batch.source.pieces["speech"]
    hidden = pieces.arrays["hidden"]
    assert torch.equal(hidden, again.source.pieces["speech"].arrays["hidden"])
    tasks = [batch.tasks[example] for example in example_of(pieces, batch.source).tolist()]
    for row, (task, entries) in enumerate(zip(tasks, pieces.entries.tolist(), strict=True)):
        assert not hidden[row, entries:].any()
        assert bool(hidden[row].any()) == (task == "asr" and entries >= 5)
    assert torch.equal(pieces.arrays["features"], before.arrays["features"])
    assert prepared.target is batch.target and "hidden" not in before.arrays


def test_the_encoder_is_not_shown_what_is_hidden() -> None:
    """Other sound under a hidden span changes nothing; elsewhere it does."""
    model, item = tiny_model(), spoken(160)
    batch = HiddenSpans(Frames(), net="speech", tasks=["asr"], least=1).prepare(batch_of(model, [item], packed=False))
    pieces = batch.source.pieces["speech"]
    hidden = pieces.arrays["hidden"]
    hidden[:] = False
    hidden[0, 10:30] = True
    before = model.run_batch(batch).encoder.last
    pieces.arrays["features"][0, 48:112] += 5.0  # the frames that entries 11 to 28 alone hear
    assert torch.equal(model.run_batch(batch).encoder.last, before)
    pieces.arrays["features"][0, 20:24] += 5.0
    assert not torch.allclose(model.run_batch(batch).encoder.last, before, atol=1e-3)


def test_a_prenet_without_masking_says_so() -> None:
    model = tiny_model()
    batch = HiddenSpans(Frames(), net="speech", tasks=["asr"]).prepare(batch_of(model, items()))
    model.prenet("speech").masking = None
    with pytest.raises(ValueError, match="^speech: an objective hides entries, but the pre-net has no masking"):
        model.run_batch(batch)


def test_a_batch_without_speech_is_left_as_it_is() -> None:
    model = tiny_model()
    batch = model.arrangement.batch([item for item in items() if item.labels is not None], Padded(), model.kinds)
    assert HiddenSpans(Frames(), net="speech", tasks=["asr"]).prepare(batch) is batch


@pytest.mark.parametrize("settings", [{"share": 1.5}, {"span": 0}, {"least": -1}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="^share, span, least: "):
        HiddenSpans(Frames(), net="speech", tasks=["asr"], **settings)
