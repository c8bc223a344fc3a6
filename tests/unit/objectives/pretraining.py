"""A tiny model that reads speech and text and writes frames and text, and batches of both."""

import torch

from unimodal.batching import Batch, EncoderDecoder, Item, Packed, Padded, Piece, token_piece
from unimodal.config import UnimodalConfig
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.spec import load_spec, merge_specs

DROPOUT = {"class": "unimodal.prenets.dropouts.training.TrainingDropout", "rate": 0.0}
MASKING = {"class": "unimodal.prenets.span_masking.SpanMasking", "share": 0.0, "least": 0}
BANDS = 80


def tiny_model() -> UnimodalForConditionalGeneration:
    nets = {"frames": {"dropout": DROPOUT}, "speech": {"masking": MASKING, "augmentation": None}}
    spec = merge_specs(load_spec("configs/models/tiny.yaml"), {"spec": {"prenets": nets}})
    torch.manual_seed(1)
    return UnimodalForConditionalGeneration(UnimodalConfig(**spec)).eval()


def spoken(frames: int, task: str = "asr") -> Item:
    """Speech in, its frames out."""
    steps = -(-frames // 4)
    arrays = {"frames": torch.randn(steps, 4 * BANDS), "previous": torch.randn(steps, BANDS)}
    speech = Piece("speech", {"features": torch.randn(frames, BANDS)}, (frames + 3) // 4)
    return Item(task, (token_piece([512]), speech), Piece("frames", arrays, steps))


def written(length: int, task: str = "translate_fr") -> Item:
    """Text in, text out."""
    ids = torch.randint(10, 400, (length,)).tolist()
    return Item(task, (token_piece([513, *ids]),), token_piece([3, *ids[:-1]]), torch.tensor(ids))


def items() -> list[Item]:
    torch.manual_seed(3)
    return [spoken(120), written(20), spoken(81), spoken(43, "lid"), written(9), spoken(7)]


def batch_of(model: UnimodalForConditionalGeneration, chosen: list[Item], *, packed: bool = True) -> Batch:
    packer = Packed(source=60, target=60) if packed else Padded()
    return EncoderDecoder().batch(chosen, packer, model.kinds)
