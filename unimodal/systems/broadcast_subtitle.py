"""Verbatim text and subtitle of the same speech: cascaded encoders, a decoder for each text, masked losses."""

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from unimodal.batching import Item, Packed, Padded, Piece, token_piece
from unimodal.block import Block
from unimodal.captures.compiled import Compiled
from unimodal.catalogue import build_task
from unimodal.decoding.generate import Decoding, Prompt, write_tokens
from unimodal.feeds.decoder_states import DecoderStates
from unimodal.loading.hub import load_own
from unimodal.measuring.measure import Claim, Direction, Meter
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.objectives import Objective, Term, total
from unimodal.running.shared_source import SharedSource
from unimodal.samplers.greedy import Greedy
from unimodal.systems import Invariant, System
from unimodal.systems.fixtures.announcements import (
    TEXTS,
    as_verbatim,
    error_rate,
    items,
    letters,
    small,
    small_model,
    small_objective,
    train,
    vocabulary,
)
from unimodal.vocabulary import TokenSpace

VERBATIM, SUBTITLE = TEXTS
STEPS = 600
ROWS = {VERBATIM: 2, SUBTITLE: 6}
"""Of a batch; there are 19 times as many subtitles to draw from."""


@final
class BroadcastSubtitle(System):
    """Cascaded encoders and separate decoders (Poncelet and Van hamme 2025, 2502.03212), beside plainer ways.

    Differs from them in the blocks, which are Transformer's, in rows that have one text each, and in variants with the
    states of the verbatim decoder, which reads what the encoder's readout heard and not the text or a beam.
    """

    def invariants(self) -> Iterable[Invariant]:
        checks: list[Callable[[], None]] = [
            _verbatim_rows_leave_the_subtitle_side_alone,
            _subtitle_rows_leave_the_verbatim_decoder_alone,
            _a_dual_verbatim_decoder_teaches_the_second_encoder,
            _without_its_second_attention_a_dual_block_is_plain,
            _a_loss_is_averaged_over_the_rows_that_have_its_text,
            _the_second_encoder_is_spared_where_nobody_reads_it,
            _either_output_is_written_as_alone,
            _both_outputs_take_one_encoding,
            _steps_equal_one_pass,
            _decoder_states_follow_what_was_heard,
            _a_saved_model_is_the_same,
            _a_row_without_texts_is_named,
            _what_cannot_be_done_is_refused,
        ]
        return [Invariant(check.__name__.strip("_").replace("_", " "), check) for check in checks]

    def claim(self) -> Claim:
        """Word errors of the verbatim text over the lower of two bounds, at equal steps and rows.

        The bounds are 0.9 times those of a model of verbatim rows alone and 0.95 times those of one decoder that takes
        subtitles for verbatim texts. They count as often more as the subtitles have more character errors than those of
        a shared decoder with a task token, where they have. Reported beside it: all error rates.
        """
        return Claim(
            method=_cascaded,
            baseline=_stricter_bound,
            seeds=range(3),
            budget={"steps": STEPS},
            threshold=1.0,
            direction=Direction.LOWER,
        )


def _cascaded(seed: int, meter: Meter) -> float:
    verbatim, subtitle = errors("broadcast", seed)
    _, shared = errors("broadcast_shared", seed)
    meter.add("steps", STEPS)
    meter.add("word errors", verbatim)
    meter.add("subtitle character errors", subtitle)
    meter.add("subtitle character errors of a shared decoder", shared)
    return verbatim * max(1.0, subtitle / shared)


def _stricter_bound(seed: int, meter: Meter) -> float:
    alone, mixed = errors("verbatim alone", seed)[0], errors("mixed", seed)[0]
    meter.add("steps", STEPS)
    meter.add("word errors of verbatim rows alone", alone)
    meter.add("word errors of naive mixing", mixed)
    return min(0.9 * alone, 0.95 * mixed)


@cache
def errors(arm: str, seed: int) -> tuple[float, float]:
    """(word errors of the verbatim text, character errors of the subtitle) of an arm: a model, or a way to teach it."""
    name, objective = {
        "verbatim alone": ("broadcast_separate", "broadcast"),
        "mixed": ("broadcast_shared", "broadcast"),
        "broadcast_histogram": ("broadcast_histogram", "broadcast_histogram"),
    }.get(arm, (arm, "broadcast"))
    model = small_model(name, seed=seed, words=vocabulary())
    train(model.model, small_objective(objective), _rows(arm), steps=STEPS, seed=seed)
    return error_rate(model, VERBATIM), _subtitle_errors(model, arm)


def _rows(arm: str) -> list[tuple[Sequence[Item], int]]:
    verbatim, subtitles = items(VERBATIM, "train"), items(SUBTITLE, "train")
    if arm == "verbatim alone":
        return [(verbatim, sum(ROWS.values()))]
    if arm == "mixed":
        subtitles = tuple(map(as_verbatim, subtitles))
    return [(verbatim, ROWS[VERBATIM]), (subtitles, ROWS[SUBTITLE])]


def _subtitle_errors(model: Any, arm: str) -> float:
    if arm == "broadcast_histogram":
        return float("nan")
    return error_rate(model, SUBTITLE, asked=VERBATIM if arm in ("verbatim alone", "mixed") else SUBTITLE)


DUAL = (SUBTITLE, "encoder")


def _made(name: str = "broadcast", change: Callable[[dict[str, Any]], Any] = small) -> UnimodalForConditionalGeneration:
    return _lively(small_model(name, seed=0, change=change).model)


def _lively(model: UnimodalForConditionalGeneration) -> UnimodalForConditionalGeneration:
    """In float64, with answers that depend on what is heard."""
    for name, parameter in model.named_parameters():
        if ".reads." in name or name == "embedding.weight":
            parameter.data *= 3
    model.double()
    model.eval()
    return model


def _dual(config: dict[str, Any]) -> Any:
    """The verbatim decoder reads both memories too, its own encoder's first."""
    decoders = config["spec"]["backbone"]["decoders"]
    decoders[VERBATIM]["block"]["reads"] = decoders[SUBTITLE]["block"]["reads"][::-1]
    return small(config)


def spoken(task: str, frames: int, answer: Sequence[int]) -> Item:
    """A row: noise in the place of speech, with an answer."""
    tag = letters().space.id("task", task)
    features = torch.randn(frames, 80, generator=torch.Generator().manual_seed(frames))
    speech = Piece("speech", {"features": features}, (frames + 3) // 4)
    labels = torch.tensor([*answer, TokenSpace.end])
    return Item(task, (token_piece([tag]), speech), token_piece([TokenSpace.start, *answer]), labels)


@cache
def rows_of_noise() -> tuple[Item, ...]:
    """Two rows of either text."""
    return (
        spoken(VERBATIM, 60, [270, 271, 271, 280]),
        spoken(SUBTITLE, 44, [290, 291]),
        spoken(SUBTITLE, 70, [300, 301, 302]),
        spoken(VERBATIM, 52, [281, 282, 283]),
    )


def _loss(
    model: UnimodalForConditionalGeneration,
    rows: Sequence[Item],
    *,
    packed: bool = False,
    objective: Objective | None = None,
) -> Tensor:
    packer = Packed(source=60, target=30) if packed else Padded()
    batch = model.arrangement.batch(rows, packer, model.kinds)
    asked = small_objective() if objective is None else objective
    return total(asked.terms(model, model.run_batch(batch), batch))


def _touched(model: UnimodalForConditionalGeneration, rows: Sequence[Item]) -> dict[str, bool]:
    """Which parameters get a gradient that is not exactly zero."""
    model.zero_grad(set_to_none=True)
    _loss(model, rows).backward()
    return {name: p.grad is not None and bool((p.grad != 0).any()) for name, p in model.named_parameters()}


def _parts(touched: dict[str, bool], *prefixes: str) -> set[bool]:
    return {found for name, found in touched.items() if name.startswith(prefixes)}


OF_SUBTITLES = ("backbone.decoders.subtitle.", "backbone.cascade.", "readouts.subtitle.")
OF_VERBATIM = ("backbone.decoders.verbatim.", "readouts.verbatim.")


def _verbatim_rows_leave_the_subtitle_side_alone() -> None:
    touched = _touched(_made(), [rows_of_noise()[0], rows_of_noise()[3]])
    assert _parts(touched, *OF_SUBTITLES) == {False}, "verbatim text moves what subtitles are written with"
    assert _parts(touched, *OF_VERBATIM, "backbone.encoder.") == {True}, "verbatim text teaches nothing"


def _subtitle_rows_leave_the_verbatim_decoder_alone() -> None:
    touched = _touched(_made(), rows_of_noise()[1:3])
    assert _parts(touched, *OF_VERBATIM) == {False}, "subtitles move what verbatim text is written with"
    assert _parts(touched, *OF_SUBTITLES, "backbone.encoder.") == {True}, "subtitles teach nothing"


def _a_dual_verbatim_decoder_teaches_the_second_encoder() -> None:
    touched = _touched(_made(change=_dual), [rows_of_noise()[0]])
    assert _parts(touched, "backbone.cascade.") == {True}
    assert _parts(touched, "backbone.decoders.subtitle.", "readouts.subtitle.") == {False}


@torch.no_grad()
def _without_its_second_attention_a_dual_block_is_plain() -> None:
    dual, plain = _made(), _made(change=_reading_one)
    assert any("reads.encoder" in name for name in dual.backbone.decoders[SUBTITLE].state_dict())
    for block in dual.backbone.writer(SUBTITLE).blocks:
        assert isinstance(block, Block)
        nn.init.zeros_(block.reads["encoder"].get_parameter("out.weight"))
    own = {name: value for name, value in dual.state_dict().items() if name in plain.state_dict()}
    plain.load_state_dict(own)
    first, second = (_loss(model, rows_of_noise()[1:3]) for model in (dual, plain))
    assert torch.equal(first, second), f"{first} is not {second}"


def _reading_one(config: dict[str, Any]) -> Any:
    block = config["spec"]["backbone"]["decoders"][SUBTITLE]["block"]
    block["reads"] = [reading for reading in block["reads"] if reading["memory"] == SUBTITLE]
    return small(config)


@torch.no_grad()
def _a_loss_is_averaged_over_the_rows_that_have_its_text() -> None:
    """So many rows of the other text, padded or packed, change no term."""
    model, objective = _made(), small_objective()
    found = {}
    for packed in (False, True):
        packer = Packed(source=40, target=20) if packed else Padded()
        batch = model.arrangement.batch(rows_of_noise(), packer, model.kinds)
        assert packed == (len(batch.labels) < len(rows_of_noise()))
        found[packed] = objective.terms(model, model.run_batch(batch), batch)
    alone: dict[str, Term] = {}
    for text in TEXTS:
        rows = [item for item in rows_of_noise() if item.task == text]
        batch = model.arrangement.batch(rows, Padded(), model.kinds)
        alone |= objective.terms(model, model.run_batch(batch), batch)
    assert found[False].keys() == found[True].keys() == alone.keys() and len(alone) == 5, sorted(alone)
    for name, term in alone.items():
        for packed, terms in found.items():
            distance = float((terms[name].mean() - term.mean()).abs() / term.mean())
            assert distance < 1e-5, f"{name}, packed {packed}: differs by {distance:.1e}"


def _the_second_encoder_is_spared_where_nobody_reads_it() -> None:
    model = _made()
    runs: list[str] = []
    model.backbone.cascade.stacks[SUBTITLE].register_forward_pre_hook(lambda *_: runs.append(SUBTITLE))
    _answers(model, [rows_of_noise()[0]])
    assert not runs, "it runs for verbatim text"
    _answers(model, [rows_of_noise()[1]])
    assert runs == [SUBTITLE]


def _answers(model: UnimodalForConditionalGeneration, rows: Sequence[Item]) -> list[tuple[int, ...]]:
    prompt = Prompt.of(model, [Item(item.task, item.prompt) for item in rows])
    return [best.tokens for best, *_ in write_tokens(model, prompt, Decoding(Greedy(), limit=7), ends=())]


def _either_output_is_written_as_alone() -> None:
    for name in ("broadcast", "broadcast_separate", "broadcast_shared", "broadcast_states"):
        model = _made(name)
        for text in TEXTS:
            rows = [
                Item(text, (token_piece([letters().space.id("task", text)]), item.prompt[1]))
                for item in rows_of_noise()
            ]
            together, alone = _answers(model, rows), [_answers(model, [row])[0] for row in rows]
            assert together == alone, f"{name}, {text}: rows change each other"
    model = _made()
    assert _answers(model, rows_of_noise()[:1]) != _answers(model, [_asked_for(rows_of_noise()[0], SUBTITLE)])


def _both_outputs_take_one_encoding() -> None:
    model = _made()
    rows = [[_asked_for(item, text) for item in rows_of_noise()] for text in TEXTS]
    apart = [_answers(model, asked) for asked in rows]
    runs: list[int] = []
    assert model.backbone.encoder is not None
    model.backbone.encoder.register_forward_pre_hook(lambda *_: runs.append(1))
    source, decoding = SharedSource(model, rows[0]), Decoding(Greedy(), limit=7)
    together = [write_tokens(model, source.prompt(items), decoding, ends=()) for items in rows]
    assert [[best.tokens for best, *_ in found] for found in together] == apart and len(runs) == 1


def _asked_for(item: Item, text: str) -> Item:
    return Item(text, (token_piece([letters().space.id("task", text)]), *item.prompt[1:]))


@torch.no_grad()
def _steps_equal_one_pass() -> None:
    for name in ("broadcast", "broadcast_shared", "broadcast_states"):
        model = _made(name)
        for item in rows_of_noise()[:2]:
            (written,) = _answers(model, [item])
            labels = torch.tensor(written)
            taught = Item(item.task, item.prompt, token_piece([TokenSpace.start, *written[:-1]]), labels)
            batch = model.arrangement.batch([taught], Padded(), model.kinds)
            states = model.run_batch(batch).written.last[batch.labels >= 0]
            assert model.logits(states).argmax(-1).tolist() == list(written), f"{name}, {item.task}"


@torch.no_grad()
def _decoder_states_follow_what_was_heard() -> None:
    """Of a path that spells a text, the states are those of the decoder over that text."""
    model = _made("broadcast_states")
    batch = model.arrangement.batch(rows_of_noise(), Packed(source=40, target=20), model.kinds)
    assert batch.source is not None
    feed = DecoderStates(net=VERBATIM, readout=VERBATIM, heard="speech")
    memories = model.encode(batch.source, wanted=())[1]
    states, layout = feed.entries(memories, model)
    for example, item in enumerate(rows_of_noise()):
        alone = model.arrangement.batch([item], Padded(), model.kinds)
        assert alone.source is not None
        heard = model.read_off(VERBATIM, model.encode(alone.source, wanted=())[1]["encoder"].hidden)[0].argmax(-1)
        text = [int(token) for token in heard.unique_consecutive() if token != TokenSpace.pad]
        taught = Item(VERBATIM, item.prompt, token_piece([TokenSpace.start, *text]), torch.tensor([*text, 1]))
        expected = model.run_batch(model.arrangement.batch([taught], Padded(), model.kinds)).written.last[0]
        found = states[layout.segments == example]
        assert found.shape == expected.shape and torch.allclose(found, expected, atol=1e-4), example


def _a_saved_model_is_the_same() -> None:
    asked = small_model("broadcast_states", seed=0)
    before = _answers(_lively(asked.model), rows_of_noise()[1:3])
    with tempfile.TemporaryDirectory() as folder:
        asked.save_pretrained(folder)
        again = load_own(folder)
    assert _answers(again.model.eval(), rows_of_noise()[1:3]) == before
    assert {again.task(text).name for text in TEXTS} == set(TEXTS)


def _a_row_without_texts_is_named() -> None:
    rows: list[dict[str, Any]] = [{"speech": "a.wav", "subtitle": "Yes."}, {"speech": "b.wav", "subtitle": None}]
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "rows.jsonl")
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        for text in TEXTS:
            task = build_task(text, letters(), overlay={"manifest": str(manifest)})
            _assert_refused(partial(task.examples, "train"), f"{manifest}, line 2: has neither")


def _what_cannot_be_done_is_refused() -> None:
    model = _made()
    _assert_refused(lambda: _answers(model, rows_of_noise()), "the model has a decoder for each of subtitle, verbatim")
    _assert_refused(lambda: model(input_ids=torch.tensor([[5]])), "the model has a decoder for each of")
    _assert_refused(lambda: model.generate(input_ids=torch.tensor([[5]])), "the model has a decoder for each of")
    _assert_refused(lambda: Compiled().runner(model), "capture: the model has a decoder for each of")


def _assert_refused(action: Callable[[], Any], said: str) -> None:
    try:
        action()
    except ValueError as error:
        assert str(error).startswith(said), error
    else:
        raise AssertionError(f"taken, where '{said} ...' is expected")
