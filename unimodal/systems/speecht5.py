"""Evidence for SpeechT5 (2110.07205): pretraining on unpaired speech and text, between nets that six tasks share.

b rows, s entries of a row
"""

import json
import math
import struct
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from unimodal.batching import Batch, Item, Packed, Piece, token_piece
from unimodal.build import build
from unimodal.conversions.checkpoint import read_checkpoint, read_model
from unimodal.loading.vocoding import UnimodalVocoder
from unimodal.measuring.measure import Claim, Direction
from unimodal.modality import Processor
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.objectives import Objective, learn
from unimodal.quantizers.gumbel import Gumbel
from unimodal.spec import load_spec
from unimodal.systems import Invariant, System
from unimodal.systems.fixtures import fresh
from unimodal.systems.fixtures.few_labels import PRETRAINED, SCRATCH, FewLabels
from unimodal.training.module import PACKAGE

TINY = PACKAGE / "configs" / "models" / "tiny.yaml"
BANDS, VOICE_DIM = 80, 512
PRETRAINING, LABELLED = 600, 300
"""Steps of the claim: half an hour of two cores for all seeds."""
FEWEST_USED = 0.3
"""Of a quantizer's entries, as a share of them, with the loss of unevenness."""


@final
class SpeechT5(System):
    """Six nets around one body; the wave pre-net's own parity with padding stands in `tests/parity`."""

    def invariants(self) -> Iterable[Invariant]:
        checks: list[Callable[[], None]] = [
            _at_a_share_of_nothing_codes_change_nothing,
            _a_tenth_of_each_examples_entries_become_codes,
            _unevenness_spreads_the_codes,
            _hidden_speech_is_written_clean,
            _mistakes_are_named,
            _text_and_speech_are_those_of_the_released_code,
            _steps_with_a_cache_are_the_whole_pass,
            _the_vocoder_is_that_of_the_released_code,
        ]
        return [Invariant(check.__name__.strip("_").replace("_", " "), check) for check in checks]

    def claim(self) -> Claim:
        """After pretraining, three minutes of labels leave at most 0.9 of the errors that they leave without it."""
        study = FewLabels(Path(_folder().name), PRETRAINING, LABELLED)
        return Claim(
            method=study.arm(PRETRAINED),
            baseline=study.arm(SCRATCH),
            seeds=range(3),
            budget={"labelled steps": LABELLED},
            threshold=0.9,
            direction=Direction.LOWER,
        )


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Of the claim's runs, for as long as the program runs."""
    return tempfile.TemporaryDirectory(prefix="speecht5-")


def _model() -> UnimodalForConditionalGeneration:
    """Every net at a width of 32, with something to put in the place of hidden speech and no dropout."""
    spec = load_spec(TINY)["spec"]
    spec["prenets"]["speech"] = {
        **spec["prenets"]["speech"],
        "augmentation": None,
        "masking": {"class": "unimodal.prenets.span_masking.SpanMasking", "share": 0.0, "least": 0},
    }
    spec["prenets"]["frames"]["dropout"] = {"class": "unimodal.prenets.dropouts.training.TrainingDropout", "rate": 0.0}
    model = fresh(spec, seed=0)
    model.eval()
    return model


def _batch(model: UnimodalForConditionalGeneration) -> Batch:
    """Speech that is to be written again and text that is to be written again, several examples in a row."""
    torch.manual_seed(1)
    items = []
    for length in (120, 44, 81, 23):
        frames = {"frames": torch.randn(-(-length // 4), 4 * BANDS), "previous": torch.randn(-(-length // 4), BANDS)}
        speech = Piece("speech", {"features": torch.randn(length, BANDS)}, (length + 3) // 4)
        items.append(Item("asr", (token_piece([512]), speech), Piece("frames", frames, -(-length // 4))))
        text = torch.randint(10, 400, (length // 3,)).tolist()
        items.append(Item("tts", (token_piece([524, *text]),), token_piece([3, *text[:-1]]), torch.tensor(text)))
    return model.arrangement.batch(items, Packed(source=60, target=60), model.kinds)


def _objective(model: UnimodalForConditionalGeneration, spec: Any) -> Objective:
    torch.manual_seed(2)
    objective: Objective = build(spec, Objective, dim=model.embedding.embedding_dim, space=model.vocabulary)
    return objective.eval()


def _codes(share: float) -> dict[str, Any]:
    return {
        "class": "unimodal.objectives.shared_codes.SharedCodes",
        "objective": "unimodal.objectives.cross_entropy.CrossEntropy",
        "quantizer": "unimodal.quantizers.gumbel.Gumbel",
        "tasks": ["asr", "tts"],
        "share": share,
    }


def _close(found: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    assert found.shape == expected.shape, f"{tuple(found.shape)} where {tuple(expected.shape)} is expected"
    distance = float((found - expected).abs().max() / expected.abs().max().clamp(min=1))
    assert distance <= tolerance, f"differs by {distance:.1e}"


@torch.no_grad()
def _at_a_share_of_nothing_codes_change_nothing() -> None:
    model = _model()
    batch = _batch(model)
    plain = learn(model, _objective(model, "unimodal.objectives.cross_entropy.CrossEntropy"), batch)
    coded = learn(model, _objective(model, _codes(0.0)), batch)
    assert torch.equal(coded["cross_entropy"].loss, plain["cross_entropy"].loss)


@torch.no_grad()
def _a_tenth_of_each_examples_entries_become_codes() -> None:
    model = _model()
    batch, objective = _batch(model), _objective(model, _codes(0.1))
    before = model.run_batch(batch).memories
    after = objective.offer(before, batch)["encoder"]
    changed = (after.hidden != before["encoder"].hidden).any(-1)
    for example in range(batch.num_examples):
        own = after.layout.segments == example
        expected = math.floor(0.1 * int(own.sum()))
        assert int(changed[own].sum()) == expected, f"{int(changed[own].sum())} of {int(own.sum())} entries are codes"
    assert not changed[after.layout.segments < 0].any(), "padding became codes"


def _unevenness_spreads_the_codes() -> None:
    """Of states that are alike: at least 0.3 of two groups of 100 entries come into use, and more than without it."""
    torch.manual_seed(0)
    states = torch.randn(600, 32) * 0.4 + torch.randn(32)
    used = []
    for weight in (0.0, 1.0):
        torch.manual_seed(1)
        quantizer = Gumbel(32)
        optimizer = torch.optim.Adam(quantizer.parameters(), lr=0.02)
        for _ in range(120):
            rebuilt = (quantizer(states) - states).square().mean()
            optimizer.zero_grad()
            (rebuilt + weight * quantizer.unevenness(states)).backward()
            optimizer.step()
        codes = quantizer.eval().codes(states)
        shares = [torch.bincount(group, minlength=100) / len(group) for group in codes.unbind(1)]
        used.append(sum(float(torch.special.entr(share).sum().exp()) for share in shares) / 200)
    assert used[1] >= FEWEST_USED and used[1] > used[0], f"{used[1]:.2f} of the entries are used, {used[0]:.2f} without"


@torch.no_grad()
def _hidden_speech_is_written_clean() -> None:
    """The encoder is not shown hidden entries, and the frames to be written are those of the clip all the same."""
    model = _model()
    spans = {"class": "unimodal.objectives.hidden_spans.HiddenSpans", "net": "speech", "tasks": ["asr"]}
    objective = _objective(model, {**spans, "objective": "unimodal.objectives.frames.Frames"})
    batch = _batch(model)
    shown = objective.prepare(batch)
    assert batch.source is not None and shown.source is not None and batch.target is not None
    hidden = shown.source.pieces["speech"].arrays["hidden"]
    assert hidden.any() and not hidden.all()
    assert shown.target is batch.target, "the answer changed with what is hidden"
    encoded, plain = model.run_batch(shown).encoder, model.run_batch(batch).encoder
    assert encoded is not None and plain is not None
    changed = (encoded.embeds != plain.embeds).any(-1)
    assert int(changed.sum()) == int(hidden.sum()), "not exactly the hidden entries are replaced"


def _mistakes_are_named() -> None:
    """No sound, a header that cannot be, a voice of another size; no character is unknown, since bytes spell it."""
    speech = build("unimodal.prenets.speech.SpeechProcessor", Processor)
    with tempfile.TemporaryDirectory() as folder:
        _, model = _released("SpeechT5ForTextToSpeech", Path(folder))
        empty, wrong = Path(folder, "empty.wav"), Path(folder, "wrong.wav")
        empty.write_bytes(_wave(16_000, b""))
        wrong.write_bytes(_wave(0, bytes(32_000)))
        cases: list[tuple[str, Callable[[], object]]] = [
            ("empty.wav", lambda: speech(empty)),
            ("wrong.wav", lambda: speech(wrong)),
            ("speaker_embeddings", lambda: model.generate_speech(torch.ones(1, 5).long(), torch.ones(1, 3))),
        ]
        for name, make in cases:
            try:
                make()
            except ValueError as error:
                assert name in str(error) and "\n" not in str(error), error
            else:
                raise AssertionError(f"{name} is taken")


def _wave(rate: int, samples: bytes) -> bytes:
    """A sound file of 16-bit samples whose header says any rate."""
    header = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    chunks = b"WAVE" + header + struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI", b"RIFF", len(chunks)) + chunks


def _released(kind: str, folder: Path) -> tuple[Any, UnimodalForConditionalGeneration]:
    """A tiny random model of transformers, and ours with its weights."""
    import transformers

    torch.manual_seed(3)
    config = transformers.SpeechT5Config(
        vocab_size=61,
        hidden_size=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=20,
        encoder_max_relative_position=4,
        conv_dim=[6] * 7,
        num_conv_pos_embeddings=6,
        num_conv_pos_embedding_groups=4,
        num_mel_bins=BANDS,
        speaker_embedding_dim=VOICE_DIM,
    )
    theirs = getattr(transformers, kind)(config).eval()
    theirs.save_pretrained(folder)
    written = json.loads(config.to_json_string(use_diff=False))
    (folder / "config.json").write_text(json.dumps({**written, "architectures": [kind]}), encoding="utf-8")
    return theirs, read_checkpoint(folder).eval()


@torch.no_grad()
def _text_and_speech_are_those_of_the_released_code() -> None:
    """Encoder states and text logits of speech; frames that are spoken from text, with the same draws of dropout."""
    with tempfile.TemporaryDirectory() as name:
        theirs, ours = _released("SpeechT5ForSpeechToText", Path(name))
        given = {"input_values": torch.randn(2, 4000), "decoder_input_ids": torch.randint(4, 61, (2, 7))}
        expected, found = theirs(**given), ours(**given)
        _close(found.encoder_last_hidden_state, expected.encoder_last_hidden_state)
        _close(found.logits, expected.logits)
    with tempfile.TemporaryDirectory() as name:
        theirs, ours = _released("SpeechT5ForTextToSpeech", Path(name))
        spoken: list[Any] = []
        for model in (theirs, ours):
            torch.manual_seed(4)
            text, voice = torch.arange(4, 12)[None], torch.ones(1, VOICE_DIM)
            spoken.append(model.generate_speech(text, voice, threshold=9.0, maxlenratio=3.0))
        _close(spoken[1], spoken[0])


@torch.no_grad()
def _steps_with_a_cache_are_the_whole_pass() -> None:
    with tempfile.TemporaryDirectory() as name:
        _, ours = _released("SpeechT5ForSpeechToText", Path(name))
        speech = torch.randn(2, 4000)
        written = ours.generate(input_values=speech, max_new_tokens=9, min_new_tokens=9)
        whole = ours(input_values=speech, decoder_input_ids=written[:, :-1]).logits
        whole[..., ours.boundaries.ends] = -torch.inf
        assert torch.equal(whole.argmax(-1), written[:, 1:]), "a cached step writes another token than the whole pass"


@torch.no_grad()
def _the_vocoder_is_that_of_the_released_code() -> None:
    import transformers

    torch.manual_seed(5)
    config = transformers.SpeechT5HifiGanConfig(model_in_dim=BANDS, upsample_initial_channel=32)
    theirs = transformers.SpeechT5HifiGan(config).eval()
    with tempfile.TemporaryDirectory() as name:
        theirs.save_pretrained(name)
        ours = read_model(Path(name), UnimodalVocoder)
    frames = torch.randn(2, 9, BANDS)
    _close(ours(frames), theirs(frames))
