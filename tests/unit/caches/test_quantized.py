"""Eight bits for keys and values: what rounding leaves, the bytes, the types, and recorded passes."""

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from tests.laws.decoding import START, TOKENS, items, random_model
from tests.unit.decoding.test_programs import Kept
from unimodal.batching import token_piece
from unimodal.caches import Cache
from unimodal.caches.dense import Dense
from unimodal.caches.quantized import LARGEST, Quantized, decode, encode
from unimodal.decoding.generate import Prompt, decoding_of
from unimodal.decoding.session import MakeCache, Session
from unimodal.decoding.tree import TokenTree
from unimodal.model import UnimodalForConditionalGeneration


@pytest.mark.parametrize("width", [2, 7, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_numbers_come_back_within_half_a_step(width: int, dtype: torch.dtype) -> None:
    """Every head of every entry has steps of its own; the largest number may lose up to another half."""
    x = (torch.randn(3, 5, 2, width) * torch.logspace(-2, 2, 30).view(3, 5, 2, 1)).to(dtype)
    encoded = encode(x)
    assert encoded.nbytes == 3 * 5 * 2 * (width + width % 2 + 2)
    found = decode(encoded, (dtype, width))
    assert found.shape == x.shape and found.dtype == dtype
    step = x.float().abs().amax(-1, keepdim=True) / LARGEST
    eps = {torch.float32: 0.0, torch.float16: 2**-11, torch.bfloat16: 2**-8}[dtype]
    assert ((found.float() - x.float()).abs() <= 1.01 * step + eps * x.float().abs()).all()
    assert (found.float() - x.float()).norm() < (0.3 * step.expand_as(x)).norm() + eps * x.float().norm()


def test_zeros_and_what_was_never_written_are_zero() -> None:
    for encoded in (encode(torch.zeros(2, 4)), torch.zeros(2, 3, dtype=torch.bfloat16)):
        assert not decode(encoded, (torch.float32, 4)).any()


def test_a_moved_entry_is_the_same_bit_for_bit() -> None:
    """Pairs of bytes that pass for numbers may look like NaN: they are held, not computed with."""
    encoded = encode(torch.randn(4000, 64))
    assert encoded.isnan().any()
    held = torch.zeros_like(encoded)
    held.index_put_((torch.arange(4000).flip(0),), encoded)
    assert torch.equal(held.flip(0).clone().view(torch.int8), encoded.view(torch.int8))


def begun(model: UnimodalForConditionalGeneration, make_cache: MakeCache, run: Kept) -> Session:
    asked = items(model, 5, 3)
    prompt = Prompt.of(model, asked, [token_piece([START])] * len(asked))
    session = Session(model, make_cache, run=run, limit=70)
    session.prefill(prompt.read(model), prompt.target)
    return session


def steps(session: Session, count: int) -> Tensor:
    generator, last = torch.Generator().manual_seed(0), []
    for _ in range(count):
        tree = TokenTree.chain(torch.randint(4, TOKENS, (session.rows, 1), generator=generator))
        last.append(session.forward(tree))
        session.commit_all(tree)
    return torch.cat(last, 1)


@torch.no_grad()
def test_memories_are_narrow_as_well() -> None:
    """Heads of a few numbers: their scale is a good part of their bytes."""
    model, sizes = random_model("t5", 0), []
    for make_cache in (Dense, Quantized):
        session = begun(model, make_cache, Kept())
        steps(session, 2)
        sizes.append([session.cache.nbytes, *(pair[0].nbytes for pair in memories_of(session.cache))])
    dense, narrow = sizes
    assert len(dense) == len(narrow) > 1
    assert all(after < 0.75 * before for before, after in zip(dense, narrow, strict=True))


def memories_of(cache: Cache) -> list[tuple[Tensor, Tensor]]:
    held = cache.cache if isinstance(cache, Quantized) else cache
    assert isinstance(held, Dense)
    return list(held._memories.values())


@torch.no_grad()
def test_a_recorded_pass_is_the_pass() -> None:
    model, kept = random_model("t5", 0), Kept()
    session = begun(model, Quantized, kept)
    steps(session, 1)
    step = kept.step
    assert step is not None
    recorded = make_fx(lambda tensors: step.given(tensors).run(), tracing_mode="real")(step.tensors)
    steps(session, 1)
    assert kept.step is not None and torch.equal(recorded(kept.before), kept.last)


def test_a_decoding_names_it() -> None:
    decoding = decoding_of("narrow_cache")
    cache: Cache = decoding.cache(2, torch.device("cpu"), capacity=7)
    assert isinstance(cache, Quantized)
    nested = decoding_of(
        {
            "sampler": "unimodal.samplers.greedy.Greedy",
            "cache": {"class": "unimodal.caches.quantized.Quantized", "cache": "unimodal.caches.dense.Dense"},
        }
    )
    assert isinstance(nested.cache(2, torch.device("cpu"), capacity=7), Quantized)
