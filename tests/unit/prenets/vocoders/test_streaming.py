"""A vocoder that hears frames chunk by chunk says what it says of all at once."""

import pytest
import torch

from unimodal.prenets.vocoders.hifigan import HifiGan
from unimodal.prenets.vocoders.streaming import SoundStream

SIZES = [
    {"num_bands": 5, "width": 16, "rates": (3, 2), "kernels": (7, 4)},
    {"num_bands": 5, "width": 8, "rates": (5,), "kernels": (5,), "block_kernels": (3,), "dilations": ((1, 2),)},
    {"num_bands": 5, "width": 32, "rates": (8, 5, 2, 2), "kernels": (16, 10, 4, 4)},
]


@pytest.fixture(params=SIZES, ids=lambda sizes: str(sizes["rates"]))
def vocoder(request):
    torch.manual_seed(0)
    made = HifiGan(**request.param).double().eval()
    for parameter in made.parameters():
        parameter.data.mul_(1.5)
    return made


@pytest.mark.parametrize("chunks", [(60,), (1,) * 24, (7, 1, 30, 0, 22), (59, 1), (2, 2)], ids=str)
@torch.no_grad()
def test_chunks_sound_as_the_whole(vocoder, chunks):
    frames = torch.randn(sum(chunks), 5, dtype=torch.double)
    whole, stream = vocoder(frames), SoundStream(vocoder)
    for _ in range(2):  # a stream that was flushed begins anew
        parts = [*map(stream.step, frames.split(chunks)), stream.flush()]
        torch.testing.assert_close(torch.cat(parts), whole)


def test_a_chunk_is_heard_as_soon_as_it_can_be(vocoder):
    stream, context = SoundStream(vocoder), vocoder.context
    assert stream.step(torch.randn(context, 5, dtype=torch.double)).shape == (0,)
    assert stream.step(torch.randn(3, 5, dtype=torch.double)).shape == (3 * vocoder.hop,)
    assert stream.step(torch.randn(100, 5, dtype=torch.double)).shape == (100 * vocoder.hop,)
    assert stream.flush().shape == (context * vocoder.hop,)
    assert stream.flush().shape == (0,)


@torch.no_grad()
def test_a_sample_hears_no_frame_beyond_the_context(vocoder):
    """And hears nearly all of it: a context that were far too wide would be waited for in vain."""
    context, hop, length = vocoder.context, vocoder.hop, 101
    frames = torch.randn(length, 5, dtype=torch.double)
    changed = frames.clone()
    changed[50] += 1
    heard = (vocoder(frames) != vocoder(changed)).nonzero()[:, 0] // hop
    assert 50 - context <= int(heard.min()) and int(heard.max()) <= 50 + context
    assert int(heard.max()) - int(heard.min()) >= 2 * (context - 3)
