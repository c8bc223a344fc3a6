"""Memory of long passes, counted: whatever is made grows with the length, and so does what is held at a time."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from tests.laws import tiny
from tests.laws.parts import HEADS, label
from unimodal import chunks
from unimodal.layout import Layout
from unimodal.model import UnimodalForConditionalGeneration

BUCKETED = {**tiny.BUCKETED, "bidirectional": True}
CLIPPED = {"class": "unimodal.positions.clipped.Clipped", "head_dim": 2, "longest": 6}
LEARNED = {"class": "unimodal.positions.learned.Learned", "longest": 512}
ROTARY = "unimodal.positions.rotary.Rotary"
POSITIONS = (BUCKETED, CLIPPED, LEARNED, ROTARY)
FULL = tiny.FULL
WINDOW = {"class": "unimodal.masks.window.Window", "width": 9, "ahead": 8}
LENGTHS = (256, 512)


class Counted(TorchDispatchMode):
    """The largest tensor that is made, and the most bytes that are held at once of those made meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = self.peak = self._total = 0
        self._held: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = {tensor.untyped_storage()._cdata for tensor in args if isinstance(tensor, Tensor)}
        out = function(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in known | self._held.keys():
                self._hold(tensor.untyped_storage())
        return out

    def _hold(self, storage: Any) -> None:
        self._held[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
        self._total += storage.nbytes()
        self.largest = max(self.largest, storage.nbytes())
        if self._total > self.peak:  # unless some are gone
            self._held = {name: held for name, held in self._held.items() if not held[0].expired()}
            self._total = sum(size for _, size in self._held.values())
            self.peak = max(self.peak, self._total)


@pytest.fixture(autouse=True)
def _small_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the lengths here were long."""
    monkeypatch.setattr(chunks, "WHOLE", 2**18)
    monkeypatch.setattr(chunks, "CHUNK", 2**18)
    monkeypatch.setattr(chunks, "RECOMPUTED", 2**18)
    monkeypatch.setattr(chunks, "FEWEST", 32)


def model_of(mask: Any, position: Any) -> UnimodalForConditionalGeneration:
    spec = tiny.model_spec("encoder_decoder", position=position)
    spec["backbone"]["encoder"]["mask"] = mask
    return tiny.model_of(spec)


def batch(length: int, rows: int) -> dict[str, Tensor]:
    real = torch.tensor([length, length * 3 // 5][:rows])
    mask = torch.arange(length) < real[:, None]
    return {"input_ids": torch.randint(4, tiny.NUM_TOKENS, mask.shape), "attention_mask": mask}


@pytest.mark.parametrize(
    ("mask", "position", "rows"),
    [(mask, position, 2) for mask in (FULL, WINDOW) for position in POSITIONS] + [(FULL, BUCKETED, 1)],
    ids=label,
)
@torch.inference_mode()
def test_an_answer_to_twice_the_source_holds_twice_the_memory(mask: Any, position: Any, rows: int) -> None:
    """A second row is padded. Twice with a tenth of grace, for what does not depend on the length is small."""
    model, counts = model_of(mask, position), []
    for length in LENGTHS:
        with Counted() as counted:
            model.generate(**batch(length, rows), max_new_tokens=3)
        counts.append(counted)
        assert counted.largest < 2 * rows * HEADS * length * length, "half of what a float for each pair would take"
    assert counts[1].largest <= 2.2 * counts[0].largest
    assert counts[1].peak <= 2.2 * counts[0].peak


@pytest.mark.parametrize(
    ("mask", "position"), [(FULL, BUCKETED), (FULL, CLIPPED), (WINDOW, ROTARY), (WINDOW, LEARNED)], ids=label
)
def test_learning_from_twice_the_source_holds_twice_the_memory(mask: Any, position: Any) -> None:
    """Gradients are those of chunks that are computed again; dropout leaves no fused kernel."""
    spec = tiny.model_spec("encoder_decoder", position=position, dropout=0.1)
    spec["backbone"]["encoder"]["mask"] = mask
    model, counts = tiny.model_of(spec).train(), []
    for length in LENGTHS:
        given = batch(length, 2)
        with Counted() as counted:
            model(**given, labels=given["input_ids"][:, :3]).loss.backward()
        counts.append(counted)
    assert counts[1].peak <= 2.2 * counts[0].peak


@torch.inference_mode()
def test_packed_rows_and_decoders_alone_hold_no_square_either() -> None:
    model, counts = tiny.model_of(tiny.model_spec("prefix_decoder")), []
    for length in LENGTHS:
        with Counted() as counted:
            model.generate(torch.randint(4, tiny.NUM_TOKENS, (1, length)), max_new_tokens=2)
        counts.append(counted)
    encoder, packed = model_of(FULL, BUCKETED).backbone, []
    for length in LENGTHS:
        valid = torch.ones(1, length, dtype=torch.bool)
        layout = Layout.of_valid(valid)
        layout = Layout(**{**vars(layout), "segments": torch.arange(length)[None] // 100})
        with Counted() as counted:
            encoder.encode(torch.randn(1, length, 8), layout)
        packed.append(counted)
    for shorter, longer in (counts, packed):
        assert longer.largest <= 2.2 * shorter.largest
        assert longer.peak <= 2.2 * shorter.peak


@torch.inference_mode()
def test_the_count_sees_a_square() -> None:
    """Else the tests above would say nothing."""
    model, peaks = model_of(FULL, BUCKETED), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "WHOLE", 2**60)
        for length in LENGTHS:
            with Counted() as counted:
                model.encode_inputs(batch(length, 1))
            peaks.append(counted.peak)
    assert peaks[1] > 3.5 * peaks[0]
