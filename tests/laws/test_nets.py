"""Every modality found in the folder: arrays agree, positions are true, padding changes nothing, all of it learns."""

import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import nn

import unimodal.prenets
from unimodal.layout import stack_ragged
from unimodal.modality import Postnet, Prenet, Processor
from unimodal.prenets.augmentations.masking import TimeFrequencyMasking
from unimodal.prenets.characters import CharacterPrenet, CharacterProcessor
from unimodal.prenets.code import CodePrenet, CodeProcessor
from unimodal.prenets.dropouts.training import TrainingDropout
from unimodal.prenets.fixed_image import FixedImagePrenet, FixedImageProcessor, PixelValues
from unimodal.prenets.flattened_patches import FlattenedPatchesPrenet, FlattenedPatchesProcessor
from unimodal.prenets.frames import FramePostnet, FramePrenet, FrameProcessor
from unimodal.prenets.image import ImagePrenet, ImageProcessor
from unimodal.prenets.pyramid import PyramidPrenet
from unimodal.prenets.refinement import Refinement
from unimodal.prenets.resizings.area import Area
from unimodal.prenets.resizings.boxed import Boxed
from unimodal.prenets.source_text import SourceTextPrenet
from unimodal.prenets.speech import SpeechPrenet, SpeechProcessor
from unimodal.prenets.table import Grid, TablePrenet, TableProcessor
from unimodal.prenets.tag import TagPrenet, TagProcessor
from unimodal.prenets.text import TextPrenet, TextProcessor
from unimodal.prenets.trunks.stages import Stages
from unimodal.prenets.trunks.windows import Windows
from unimodal.prenets.typed_text import TypedTextPrenet, TypedTextProcessor
from unimodal.prenets.video import VideoPrenet, VideoProcessor
from unimodal.prenets.vocoders.griffin_lim import GriffinLim
from unimodal.prenets.waveform import Waveform
from unimodal.prenets.whisper import WhisperPrenet, WhisperProcessor

DIM = 12


@dataclass
class Net:
    """A modality under test: `raw(size)` draws a raw value, the larger the size the longer."""

    processor: Processor
    prenet: type[Prenet] | partial
    raw: object
    postnet: partial | None = None


def noise(size):
    return Waveform(torch.randn(1 + 700 * size) * 0.1, 16_000)


def grid(size):
    header = tuple(f"column {place}" for place in range(1 + size % 4))
    return Grid(header, tuple(tuple(f"{row}.{place}" for place in range(len(header))) for row in range(size)))


def sentence(size):
    return " ".join(f"word{size - place}" for place in range(size))


def program(size):
    return "\n".join("    " * (line % 3) + f"{size - line} + value" for line in range(size))


def mixture(size):
    names = ["asr", "tts", "caption", "translate"][:size]
    weights = [size + place for place, _ in enumerate(names)]
    return {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}


# A new file in prenets/ enters here: the first test says so.
def pyramid(dim):
    trunk = Stages(block=partial(Windows, heads=2, side=3), widths=(8, 12, 16), depths=(2, 1, 2))
    return PyramidPrenet(dim, trunk=trunk, patch=8, narrow=6)


NETS = {
    "text": lambda v: Net(TextProcessor(v), TextPrenet, sentence),
    "source_text": lambda v: Net(TextProcessor(v), partial(SourceTextPrenet, num_tokens=1000), sentence),
    "typed_text": lambda v: Net(
        TypedTextProcessor(v), partial(TypedTextPrenet, longest=200), lambda size: (sentence(size), "and another")
    ),
    "characters": lambda v: Net(CharacterProcessor(v), CharacterPrenet, sentence),
    "tag": lambda v: Net(TagProcessor(v), TagPrenet, mixture),
    "code": lambda v: Net(CodeProcessor(v), partial(CodePrenet, num_lines=4), program),
    "table": lambda v: Net(TableProcessor(v), TablePrenet, grid),
    "speech": lambda v: Net(
        SpeechProcessor(), partial(SpeechPrenet, channels=4, augmentation=TimeFrequencyMasking()), noise
    ),
    "frames": lambda v: Net(
        FrameProcessor(reduction=3),
        partial(FramePrenet, width=8, dropout=TrainingDropout(rate=0.5)),
        noise,
        partial(
            FramePostnet,
            reduction=3,
            refinement=partial(Refinement, width=8, num_layers=3),
            vocoder=GriffinLim(num_steps=2),
        ),
    ),
    "whisper": lambda v: Net(WhisperProcessor(), WhisperPrenet, noise),
    "image": lambda v: Net(
        ImageProcessor(resizing=Area(pixels=4096, longest=128), patch=8, stride=6),
        partial(ImagePrenet, hidden=8),
        lambda size: torch.rand(3, 5 + size, 3 + 4 * size),
    ),
    "pyramid": lambda v: Net(
        ImageProcessor(resizing=Area(pixels=4096, longest=128), patch=8, stride=8),
        pyramid,
        lambda size: torch.rand(3, 5 + size, 3 + 4 * size),
    ),
    "fixed_image": lambda v: Net(
        FixedImageProcessor(pixels=PixelValues(size=(12, 18)), patch=(4, 6), num_tokens=2),
        partial(FixedImagePrenet, size=(12, 18), patch=(4, 6), num_tokens=2),
        lambda size: torch.rand(3, 5 + size, 3 + 4 * size),
    ),
    "flattened_patches": lambda v: Net(
        FlattenedPatchesProcessor(max_patches=12, patch=4),
        partial(FlattenedPatchesPrenet, num_values=48, num_places=13),
        lambda size: torch.rand(3, 5 + size, 3 + 4 * size),
    ),
    "video": lambda v: Net(
        VideoProcessor(resizing=Boxed(height=16, width=24), num_frames=9, depth=2, patch=8),
        partial(VideoPrenet, depth=2, patch=8, hidden=8),
        lambda size: torch.rand(size, 3, 20, 30),
    ),
}
POSTNETS = ["frames"]
# What reads inputs of one size, so that there is never padding.
WINDOWED = ["fixed_image", "whisper"]


def defined(contract):
    """The final classes of a contract in the files of the folder, by file."""
    found = {}
    for module in pkgutil.iter_modules(unimodal.prenets.__path__):
        for _, one in inspect.getmembers(importlib.import_module(f"unimodal.prenets.{module.name}"), inspect.isclass):
            if issubclass(one, contract) and one.__module__.endswith(f".{module.name}") and not inspect.isabstract(one):
                found.setdefault(module.name, []).append(one)
    return found


@pytest.fixture(params=NETS)
def net(request, vocabulary):
    return NETS[request.param](vocabulary)


@pytest.fixture
def table():
    return nn.Embedding(1000, DIM).double()


def stack(pieces):
    arrays = {name: stack_ragged([piece[name] for piece in pieces]) for name in pieces[0]}
    lengths = torch.tensor([max(array.shape[0] for array in piece.values()) for piece in pieces])
    return arrays, lengths


def test_every_file_with_a_processor_has_a_prenet_and_stands_in_this_test():
    processors, prenets, postnets = defined(Processor), defined(Prenet), defined(Postnet)
    prenets.pop("wave")  # as released models hear, padding included: tests/parity holds it to that
    assert set(processors) == set(prenets) - {"source_text", "pyramid"}  # whose processors are those of text and images
    assert set(prenets) == set(NETS)
    assert sorted(postnets) == POSTNETS
    assert all(len(classes) == 1 for found in (processors, prenets, postnets) for classes in found.values())


@pytest.mark.parametrize("size", [1, 2, 5, 12, 23])
def test_arrays_share_their_first_dimension_and_positions_are_what_the_prenet_returns(net, table, size):
    prenet = net.prenet(DIM).double().eval()
    arrays = net.processor(net.raw(size))
    assert len({array.shape[0] for array in arrays.values()}) == 1
    embedded = prenet.embed(*stack([arrays]), table)
    assert embedded.shape == (1, net.processor.positions(arrays), DIM)
    assert embedded.isfinite().all()


def test_the_same_value_gives_the_same_arrays(net):
    raw = net.raw(7)
    first, second = net.processor(raw), net.processor(raw)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("net", sorted(NETS.keys() - WINDOWED), indirect=True)
def test_padding_never_changes_real_entries(net, table):
    prenet = net.prenet(DIM).double().eval()
    pieces = [net.processor(net.raw(size)) for size in (3, 17, 9, 4)]
    arrays, lengths = stack(pieces)
    assert len(lengths.unique()) > 1
    together = prenet.embed(arrays, lengths, table)
    assert together.shape[1] == max(net.processor.positions(piece) for piece in pieces)
    # Nor does what stands in the padding: zeros are not relied on where an array is read as numbers.
    for array in arrays.values():
        if array.is_floating_point():
            for row, length in zip(array, lengths, strict=True):
                row[length:] = 1e3
    disturbed = prenet.embed(arrays, lengths, table)
    for row, piece in enumerate(pieces):
        alone = prenet.embed(*stack([piece]), table)[0]
        torch.testing.assert_close(together[row, : alone.shape[0]], alone, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(disturbed[row, : alone.shape[0]], alone, rtol=1e-5, atol=1e-5)


def test_gradient_reaches_every_parameter(net, table):
    prenet = net.prenet(DIM).double().train()
    pieces = [net.processor(net.raw(size)) for size in (3, 17, 9)]
    embedded = prenet.embed(*stack(pieces), table)
    (embedded * torch.randn_like(embedded)).sum().backward()
    for name, parameter in prenet.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_values_matter(net, table):
    prenet = net.prenet(DIM).double().eval()
    first, second = (prenet.embed(*stack([net.processor(net.raw(size))]), table) for size in (8, 11))
    shared = min(first.shape[1], second.shape[1])
    assert not torch.allclose(first[:, :shared], second[:, :shared])


def test_a_narrow_model_gets_narrow_embeddings(net):
    prenet, table = net.prenet(DIM).bfloat16().eval(), nn.Embedding(1000, DIM).bfloat16()
    assert prenet.embed(*stack([net.processor(net.raw(4))]), table).dtype == torch.bfloat16


def test_nets_are_built_without_values(net):
    with torch.device("meta"):
        parts = [net.prenet(DIM), *([net.postnet(DIM)] if net.postnet else [])]
    for part in parts:
        assert all(tensor.is_meta for tensor in part.state_dict().values())
        # What the model does not know how to draw again may not be there.
        owners = [module for module in part.modules() if next(module.parameters(recurse=False), None) is not None]
        assert all(type(owner) in (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding, nn.LayerNorm) for owner in owners)
        assert not list(part.buffers())


@pytest.mark.parametrize("wrong", [None, 3, object(), [1, 2]])
def test_a_wrong_kind_of_value_is_one_line(net, wrong):
    with pytest.raises(ValueError) as caught:
        net.processor(wrong)
    assert str(caught.value) and "\n" not in str(caught.value)


@pytest.fixture(params=POSTNETS)
def written(request, vocabulary):
    return NETS[request.param](vocabulary)


def test_losses_do_not_depend_on_padding(written):
    postnet = written.postnet(DIM).double()
    pieces = [written.processor(written.raw(size)) for size in (3, 17, 9)]
    arrays, lengths = stack(pieces)
    hidden = torch.randn(3, int(lengths.max()), DIM, dtype=torch.double)
    together = postnet.loss(hidden, arrays, lengths)
    for row, piece in enumerate(pieces):
        alone = postnet.loss(hidden[row : row + 1, : lengths[row]], *stack([piece]))
        for name, loss in together.items():
            assert loss.shape == (3,)
            torch.testing.assert_close(loss[row], alone[name][0])


def test_losses_reach_every_parameter_of_a_postnet(written):
    postnet = written.postnet(DIM)
    arrays, lengths = stack([written.processor(written.raw(9))])
    losses = postnet.loss(torch.randn(1, int(lengths[0]), DIM), arrays, lengths)
    sum(loss.sum() for loss in losses.values()).backward()
    for name, parameter in postnet.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_what_is_written_is_read_in_the_next_step(written, table):
    prenet, postnet = written.prenet(DIM).double().eval(), written.postnet(DIM).double().eval()
    hidden = torch.randn(2, 1, DIM, dtype=torch.double)
    decoded = postnet.decode(hidden)
    assert decoded["stop"].shape[:2] == (2, 1)
    fed = postnet.feed(decoded)
    assert prenet.embed(fed, torch.ones(2, dtype=torch.long), table).shape == hidden.shape
    assert prenet.embed(*stack([postnet.start()]), table).shape == (1, 1, DIM)


def test_teaching_reads_what_feeding_would(written):
    """The arrays of a true answer, taken as what was decoded, feed the `previous` of the steps after."""
    postnet = written.postnet(DIM)
    arrays, _ = stack([written.processor(written.raw(9))])
    read = next(iter(postnet.start()))
    torch.testing.assert_close(postnet.feed(arrays)[read][:, :-1], arrays[read][:, 1:])
    torch.testing.assert_close(postnet.start()[read], arrays[read][0, :1])


def test_a_rendered_answer_is_a_raw_value(written):
    postnet = written.postnet(DIM)
    decoded = {name: value[0] for name, value in postnet.decode(torch.randn(1, 11, DIM)).items()}
    first, second = postnet.render(decoded), postnet.render(decoded)
    assert first.isfinite().all() and not first.requires_grad
    assert torch.equal(first, second)
