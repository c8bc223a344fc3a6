"""Models with several outputs: rows go to the decoder of their answers, and what does not fit together is named."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.laws.parts import close
from unimodal.adapters.lora import Lora
from unimodal.batching import EncoderDecoder, Item, Packed, Padded, token_piece
from unimodal.build import build
from unimodal.catalogue import build_task
from unimodal.config import UnimodalConfig
from unimodal.decoding.generate import Decoding, Prompt, write_tokens
from unimodal.decoding.joint import JointScorer
from unimodal.layout import Layout
from unimodal.measuring.flops import ModelFlops
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.objectives.connectionist import Connectionist
from unimodal.outputs import OwnDecoders, TaggedAnswers, writers
from unimodal.prenets.waveform import Waveform
from unimodal.quantizations import Quantization
from unimodal.rewrites import rewrite
from unimodal.running.shared_source import SharedSource
from unimodal.samplers import Sampler
from unimodal.samplers.beam import Beam
from unimodal.samplers.greedy import Greedy
from unimodal.scorers.connectionist import ConnectionistScorer
from unimodal.spec import load_spec
from unimodal.systems.broadcast_subtitle import rows_of_noise
from unimodal.systems.fixtures.announcements import CONFIGS, small, small_model
from unimodal.task import Example

KINDS = {"speech": 0, "subtitle": 1, "text": 2, "verbatim": 3}
OWN = OwnDecoders({"verbatim": "verbatim", "subtitle": "subtitle"})


def model(name: str = "broadcast") -> UnimodalForConditionalGeneration:
    return small_model(name, seed=0).model.double().eval()


def test_rows_hold_answers_of_one_net_and_no_tag_is_read() -> None:
    batch = OWN.batch(rows_of_noise(), Packed(source=40, target=20), KINDS)
    assert batch.source is not None and batch.target is not None and len(batch.labels) < len(rows_of_noise())
    assert batch.source.pieces.keys() == {"speech"} and batch.target.pieces.keys() == {"subtitle", "verbatim"}
    for row, kinds in zip(batch.target.layout.segments, batch.target.layout.kinds, strict=True):
        texts = {batch.tasks[example] for example in row[row >= 0].tolist()}
        assert {KINDS[text] for text in texts} == set(kinds[row >= 0].tolist()) and len(texts) == 1
    _, first = OWN.prompt(rows_of_noise()[:1], [token_piece([3])], KINDS)
    assert first.pieces.keys() == {"verbatim"}


def test_a_shared_decoder_reads_the_tag_first_and_is_asked_for_nothing_there() -> None:
    batch = TaggedAnswers().batch(rows_of_noise(), Padded(), KINDS)
    assert batch.source is not None and batch.target is not None and batch.source.pieces.keys() == {"speech"}
    for row, item in enumerate(rows_of_noise()):
        (tag,), answer = item.prompt[0].arrays["ids"].tolist(), item.answer.arrays["ids"].tolist()
        written = batch.target.layout.valid[row].sum()
        pieces = batch.target.pieces["text"]
        ids = [pieces.arrays["ids"][place][: pieces.entries[place]].tolist() for place in range(len(pieces.rows))]
        starts = zip(pieces.rows.tolist(), pieces.starts.tolist(), ids, strict=True)
        assert [own for of, _, own in sorted(starts) if of == row] == [[tag], answer]
        assert batch.labels[row, :written].tolist() == [-100, *item.labels.tolist()]
    _, first = TaggedAnswers().prompt(rows_of_noise()[:2], [token_piece([3])] * 2, KINDS)
    assert first.layout.valid.shape == (2, 2)


def test_an_unknown_task_and_an_empty_prompt_are_named() -> None:
    item = rows_of_noise()[0]
    with pytest.raises(
        ValueError, match="arrangement.nets: no net has the answers of 'asr'; known: verbatim, subtitle"
    ):
        OWN.batch([Item("asr", item.prompt, item.answer, item.labels)], Padded(), KINDS)
    with pytest.raises(ValueError, match="verbatim: an example has nothing to read but its task's tag"):
        OWN.prompt([Item("verbatim", item.prompt[:1])], [token_piece([3])], KINDS)


@torch.no_grad()
def test_a_row_is_written_by_its_own_decoder() -> None:
    whole = model()
    batch = whole.arrangement.batch(rows_of_noise(), Packed(source=40, target=20), whole.kinds)
    assert batch.target is not None
    found = {net: rows.tolist() for net, rows in writers(whole, batch.target.layout).items()}
    assert found.keys() == {"subtitle", "verbatim"} and sorted(sum(found.values(), [])) == [*range(len(batch.labels))]
    output = whole.run_batch(batch, keep_weights=("self", "encoder"))
    assert output.decoder is not None and output.cascaded.keys() == {"subtitle"}
    for example, item in enumerate(rows_of_noise()):
        alone = whole.run_batch(
            whole.arrangement.batch([item], Padded(), whole.kinds), keep_weights=("self", "encoder")
        )
        close(output.decoder.last[output.decoder.layout.segments == example], alone.decoder.last[0])
    assert [block.shape[1] for block in output.decoder.weights["encoder"]] == [4, 4]
    for block in output.decoder.weights["encoder"]:
        sums = block.sum(-1).transpose(1, 2)[output.decoder.layout.valid]
        close(sums, torch.ones_like(sums))


@torch.no_grad()
def test_rows_that_nobody_writes_are_encoded_all_the_same() -> None:
    deaf = model("broadcast_histogram")
    batch = deaf.arrangement.batch(rows_of_noise(), Padded(), deaf.kinds)
    output = deaf.run_batch(batch)
    assert output.decoder is not None
    for example, item in enumerate(rows_of_noise()):
        states = output.decoder.last[output.decoder.layout.segments == example]
        assert states.any() == (item.task == "verbatim")
    nobody = deaf.run_batch(deaf.arrangement.batch(rows_of_noise()[1:3], Padded(), deaf.kinds))
    assert nobody.decoder is not None and not nobody.decoder.last.any() and nobody.memories.keys() == {"encoder"}


def test_each_output_has_a_beam_with_its_own_readout() -> None:
    whole = model()
    for text, other in (("verbatim", "subtitle"), ("subtitle", "verbatim")):
        item = Item(text, (token_piece([whole.vocabulary.id("task", text)]), rows_of_noise()[0].prompt[1]))
        prompt = Prompt.of(whole, [item])
        alone, joint = (write_tokens(whole, prompt, _decoding(text, weight), ends=[1]) for weight in (0.0, 0.9))
        assert [best.tokens for (best, *_) in alone] != [best.tokens for (best, *_) in joint]
        if other == "subtitle":
            with pytest.raises(
                ValueError, match="subtitle hears a memory that the decoder of this answer does not read"
            ):
                write_tokens(whole, prompt, _decoding(other, 0.3))


def _decoding(readout: str, weight: float) -> Decoding:
    scorers = {"heard": ConnectionistScorer("speech", readout=readout)}
    weights = {"decoder": 1 - weight, "heard": weight}
    return Decoding(Beam(3, renormalised=False), joint=JointScorer(scorers, weights=weights), limit=5)


def broken(change: Callable[[dict[str, Any]], Any]) -> None:
    config = small(load_spec(CONFIGS / "models" / "broadcast.yaml"))
    change(config)
    UnimodalForConditionalGeneration(UnimodalConfig(**config))


def backbone(config: dict[str, Any]) -> Any:
    return config["spec"]["backbone"]


STATES = {"class": "unimodal.feeds.decoder_states.DecoderStates", "readout": "verbatim", "heard": "speech"}
BROKEN: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a decoder without a net": (
        lambda config: backbone(config)["decoders"].update(summary=backbone(config)["decoders"]["verbatim"]),
        "config.spec.backbone.decoders.summary: the model has no net of that name",
    ),
    "a memory that nobody makes": (
        lambda config: backbone(config).update(cascade=[]),
        "config.spec.backbone.decoders.subtitle: reads the memory subtitle, which no encoder makes",
    ),
    "a readout of such a memory": (
        lambda config: config["readout_memories"].update(subtitle="subtitles"),
        r"config.readout_memories.subtitle: the model has no memory subtitles \(it has encoder, subtitle\)",
    ),
    "a memory of no readout": (
        lambda config: config["readout_memories"].update(summary="encoder"),
        "config.readout_memories: the model has no readout summary",
    ),
    "a name twice": (
        lambda config: backbone(config).update(cascade=backbone(config)["cascade"] * 2),
        "config.spec.backbone: cascade: names are distinct",
    ),
    "an encoder that feeds on itself": (
        lambda config: backbone(config)["cascade"][0].update(feed={**STATES, "net": "subtitle"}),
        "cascade: subtitle reads subtitle, and there are only encoder before it",
    ),
    "a cascade behind nothing": (
        lambda config: backbone(config).update(encoder=None),
        "config.spec.backbone: cascade: encoders stand behind a first one",
    ),
}


@pytest.mark.parametrize(("change", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_parts_that_do_not_fit_together_are_named(change: Callable[[dict[str, Any]], Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        broken(change)


def test_an_objective_that_hears_what_is_not_there_is_told() -> None:
    whole = model()
    batch = whole.arrangement.batch(rows_of_noise()[:1], Padded(), whole.kinds)
    output = whole.run_batch(batch)
    for settings, said in (
        ({"readout": "subtitle"}, "subtitle is read off the memory subtitle, which no decoder here reads"),
        ({"readout": "verbatim", "block": 9}, "block 9: the encoder of encoder has 3"),
        ({"readout": "summary"}, "the model has no readout of summary"),
    ):
        with pytest.raises(ValueError, match=f"^objective: {said}"):
            Connectionist(net="speech", tasks=["verbatim"], **settings).terms(whole, output, batch)
    with pytest.raises(ValueError, match="block: blocks are counted from 1, got 0"):
        Connectionist(net="speech", tasks=["verbatim"], block=0)


@torch.no_grad()
def test_halfway_is_what_a_shorter_encoder_gives() -> None:
    """Of both encoders: the readout after a block is that of a model whose encoder ends there."""
    whole = model()
    batch = whole.arrangement.batch(rows_of_noise(), Padded(), whole.kinds)
    output = whole.run_batch(batch)
    for memory, stack in (("encoder", whole.backbone.encoder), ("subtitle", whole.backbone.cascade.stacks["subtitle"])):
        assert stack is not None
        halfway = whole.backbone.memory_after(memory, output.encoders[memory], 1)
        last = whole.backbone.memory_after(memory, output.encoders[memory], len(stack.blocks))
        close(last, output.memories[memory].hidden)
        removed = list(stack.blocks[1:])
        del stack.blocks[1:]
        short = whole.run_batch(batch)
        close(halfway, short.memories[memory].hidden)
        stack.blocks.extend(removed)


def test_a_layout_knows_its_writers_where_one_decoder_is_left() -> None:
    """A decoder without a name writes what no other does."""
    config = small(load_spec(CONFIGS / "models" / "broadcast.yaml"))
    decoders = backbone(config)["decoders"]
    backbone(config)["decoder"] = decoders.pop("subtitle")
    made = UnimodalForConditionalGeneration(UnimodalConfig(**config))
    kinds = torch.tensor([[made.kinds["subtitle"]], [made.kinds["verbatim"]], [made.kinds["text"]]])
    layout = Layout.of_valid(torch.ones(3, 1, dtype=torch.bool))
    found = writers(made, Layout(**{**vars(layout), "kinds": kinds}))
    assert {net: rows.tolist() for net, rows in found.items()} == {"verbatim": [1], None: [0, 2]}


def test_both_answers_come_of_one_encoding() -> None:
    made = small_model("broadcast", seed=0)
    made.model.eval()
    tasks = [build_task(name, made.processor.vocabulary) for name in ("verbatim", "subtitle")]
    examples = [Example(str(n), {"speech": Waveform(torch.randn(8000 + 3000 * n), 16_000)}) for n in range(2)]
    decodings = {task.name: _decoding(task.name, 0.3) for task in tasks}
    found = made.answer_outputs(tasks, examples, decodings=decodings)
    for task in tasks:
        alone = made.answer(task, examples, decoding=decodings[task.name])
        assert [result.tokens for result in found[task.name]] == [result.tokens for result in alone]
    tagged = UnimodalForConditionalGeneration(made.model.config)
    tagged.arrangement = EncoderDecoder()
    items = [[Item(text, (token_piece([tagged.vocabulary.id("task", text)]),))] for text in ("verbatim", "subtitle")]
    with pytest.raises(ValueError, match="verbatim, subtitle: are read differently"):
        SharedSource(tagged, items[0]).prompt(items[1])


@pytest.mark.parametrize("sampler", [Greedy(), Beam(width=2)], ids=["greedy", "beam"])
def test_what_is_asked_of_one_source_is_answered_as_if_it_were_asked_alone(sampler: Sampler) -> None:
    """Three questions to the first of three sources, none to the second, one to the last; each is encoded once."""
    made = small_model("broadcast_shared", seed=0).model.double().eval()
    made.arrangement = TaggedAnswers(told=["text"])
    first, last = rows_of_noise()[0], rows_of_noise()[2]
    items, told = [first, first, last], [[[9, 12], [40, 11], [7, 7]], [], [[9, 12]]]
    alone = [
        Item(item.task, (*item.prompt, token_piece(ids)))
        for item, asked in zip(items, told, strict=True)
        for ids in asked
    ]
    decoding = Decoding(sampler, limit=6)
    expected = write_tokens(made, Prompt.of(made, alone), decoding)
    encoded = []
    made.backbone.encoder.register_forward_hook(lambda *call: encoded.append(call[2].last.shape[0]))
    found = write_tokens(made, SharedSource(made, items).branches(items, told), decoding)
    assert encoded == [3]
    assert [[one.tokens for one in row] for row in found] == [[one.tokens for one in row] for row in expected]
    scores = [one.score for row in found for one in row]
    assert scores == pytest.approx([one.score for row in expected for one in row], abs=1e-9)
    assert len({round(row[0].score, 6) for row in found}) == 4
    assert not write_tokens(made, SharedSource(made, items).branches(items, [[], [], []]), decoding)
    with pytest.raises(ValueError, match="tells a decoder nothing"):
        SharedSource(model(), items).branches(items, told)


@pytest.mark.parametrize("rewrites", [["joined.Joined", "reordered.Reordered"], []], ids=["rewritten", "int8"])
@torch.no_grad()
def test_every_encoder_and_decoder_is_rewritten_and_quantised(rewrites: list[str]) -> None:
    plain, other = (small_model("broadcast_states", seed=0).model.eval() for _ in range(2))
    if rewrites:
        rewrite(other, [f"unimodal.rewrites.{name}" for name in rewrites])
    else:
        build("unimodal.quantizations.int8.Int8", Quantization).apply(other)
    kinds = {type(part) for _, part in other.backbone.named_modules() if not list(part.children())}
    assert (torch.nn.Linear in kinds) is False
    batch = plain.arrangement.batch(rows_of_noise(), Padded(), plain.kinds)
    close(other.run_batch(batch).written.last, plain.run_batch(batch).written.last, 1e-4 if rewrites else 0.3)


def test_an_adapter_reaches_them_all() -> None:
    made = small_model("broadcast", seed=0).model
    Lora(targets=["query"], rank=2).attach(made)
    adapted = {name.partition(".blocks")[0] for name, part in made.named_parameters() if part.requires_grad}
    below = "backbone."
    assert {f"{below}encoder", f"{below}cascade.stacks.subtitle"} <= adapted
    assert {f"{below}decoders.{text}" for text in ("subtitle", "verbatim")} <= adapted


def test_operations_are_counted_through_the_cascade() -> None:
    whole, plain = (ModelFlops.of(small_model(name, seed=0).model) for name in ("broadcast", "broadcast_separate"))
    assert whole.source > 1.5 * plain.source > 0 and whole.target == 0
