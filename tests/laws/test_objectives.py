"""Laws of every objective: packing changes no loss, an example without a target gets no gradient, heads learn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from tests.laws.parts import close, final_classes, label, specs
from unimodal.batching import IGNORED, Batch, EncoderDecoder, Item, Packed, Padded, Piece, token_piece
from unimodal.build import build
from unimodal.config import UnimodalConfig
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.objectives import Objective, Term, total
from unimodal.objectives.masked_units import MaskedUnits
from unimodal.spec import load_spec, merge_specs

BANDS = 80
TINY = "configs/models/tiny.yaml"
DROPOUT = {"class": "unimodal.prenets.dropouts.training.TrainingDropout", "rate": 0.5}
MASKING = {"class": "unimodal.prenets.span_masking.SpanMasking", "share": 0.0, "least": 0}
HEARD = {"class": "unimodal.objectives.connectionist.Connectionist", "net": "speech", "tasks": ["asr"]}
every_objective = pytest.mark.parametrize("spec", specs("unimodal.objectives"), ids=lambda spec: label(spec["class"]))


def tiny_spec() -> dict[str, Any]:
    nets = {"frames": {"dropout": DROPOUT}, "speech": {"masking": MASKING}}
    return merge_specs(load_spec(TINY), {"spec": {"prenets": nets}})


@pytest.fixture(scope="module")
def model() -> UnimodalForConditionalGeneration:
    torch.manual_seed(1)
    return UnimodalForConditionalGeneration(UnimodalConfig(**tiny_spec())).eval()


@pytest.fixture(scope="module", autouse=True)
def units(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Units of the cepstra of noise, where MaskedUnits looks for them."""
    global units_file
    units_file = tmp_path_factory.mktemp("units") / "units.safetensors"
    torch.manual_seed(5)
    save_file({"centroids": torch.randn(5, 39), "mean": torch.zeros(39), "spread": torch.ones(39)}, units_file)


units_file = Path()


def objective_of(model: UnimodalForConditionalGeneration, spec: Mapping[str, Any]) -> Objective:
    """In evaluation, where nothing is drawn but which entries are hidden or become codes."""
    torch.manual_seed(2)
    objective = build(spec, Objective, dim=model.embedding.embedding_dim, space=model.vocabulary)
    for part in objective.modules():
        if isinstance(part, MaskedUnits):
            part.units.file = units_file
    return objective.eval()


def heard(frames: int, answer: list[int], task: str = "asr") -> Item:
    """Speech in, some of it hidden, tokens out."""
    features, hidden = torch.randn(frames, BANDS), torch.arange((frames + 3) // 4) % 3 == (1 if answer[1:] else 3)
    labels = torch.tensor([*answer, 1])
    speech = Piece("speech", {"features": features, "hidden": hidden}, len(hidden))
    return Item(task, (token_piece([512]), speech), token_piece([3, *answer]), labels)


def spoken(text: list[int], steps: int) -> Item:
    """Text in, speech out."""
    arrays = {"frames": torch.randn(steps, 4 * BANDS), "previous": torch.randn(steps, BANDS)}
    return Item("tts", (token_piece([513, *text]),), Piece("frames", arrays, steps))


def items() -> list[Item]:
    torch.manual_seed(3)
    return [
        heard(60, [10, 11, 11, 12]),
        spoken([20, 21, 22], 7),
        heard(43, [13]),
        heard(25, [14, 15], task="lid"),
        spoken([23], 3),
        Item("translate_fr", (token_piece([514, 30, 31]),), token_piece([3, 33]), torch.tensor([33, 1])),
        heard(9, [10, 10, 11, 12, 13, 13]),  # 3 entries: too short to be read off
    ]


def batch_of(model: UnimodalForConditionalGeneration, chosen: list[Item], packed: bool) -> Batch:
    packer = Packed(source=40, target=20) if packed else Padded()
    return EncoderDecoder().batch(chosen, packer, model.kinds)


def terms_of(model: UnimodalForConditionalGeneration, objective: Objective, batch: Batch) -> dict[str, Term]:
    output = model.run_batch(batch, keep_weights=objective.needs_weights(batch), offer=objective.offer)
    return objective.terms(model, output, batch)


def test_every_objective_is_tried() -> None:
    tried = {spec["class"] for spec in specs("unimodal.objectives")}
    assert set(final_classes("unimodal.objectives", Objective)) == tried


@every_objective
def test_packing_changes_no_loss(model: UnimodalForConditionalGeneration, spec: Mapping[str, Any]) -> None:
    objective = objective_of(model, spec)
    packed, padded = (terms_of(model, objective, batch_of(model, items(), packed)) for packed in (True, False))
    assert packed and packed.keys() == padded.keys()
    for name, term in packed.items():
        assert torch.equal(term.has_target, padded[name].has_target) and term.has_target.any(), name
        assert not term.has_target.all() and not term.loss[~term.has_target].any(), name
        close(term.loss, padded[name].loss)


@every_objective
def test_an_example_gets_what_it_gets_alone(model: UnimodalForConditionalGeneration, spec: Mapping[str, Any]) -> None:
    objective = objective_of(model, spec)
    together = terms_of(model, objective, batch_of(model, items(), True))
    for example, item in enumerate(items()):
        alone = terms_of(model, objective, batch_of(model, [item], False))
        for name, term in together.items():
            if term.of_batch:
                continue
            assert bool(term.has_target[example]) == (name in alone and bool(alone[name].has_target[0]))
            if term.has_target[example]:
                close(term.loss[example], alone[name].loss[0])


@every_objective
def test_only_examples_with_a_target_send_gradient(
    model: UnimodalForConditionalGeneration, spec: Mapping[str, Any]
) -> None:
    objective, batch = objective_of(model, spec), batch_of(model, items(), True)
    output = model.run_batch(batch, keep_weights=objective.needs_weights(batch), offer=objective.offer)
    embeds = [hidden.embeds for hidden in (output.encoder, output.decoder) if hidden is not None]
    for term in objective.terms(model, output, batch).values():
        gradients = torch.autograd.grad(term.mean(), embeds, retain_graph=True, allow_unused=True)
        touched: set[int] = set()
        for hidden, gradient in zip((output.encoder, output.decoder), gradients, strict=True):
            assert hidden is not None
            if gradient is not None:
                assert gradient.isfinite().all()
                touched |= set(hidden.layout.segments[gradient.abs().sum(-1) > 0].tolist())
        assert touched == set(torch.where(term.has_target)[0].tolist())


@every_objective
def test_all_its_parameters_learn(model: UnimodalForConditionalGeneration, spec: Mapping[str, Any]) -> None:
    objective = objective_of(model, spec)
    total(terms_of(model, objective, batch_of(model, items(), True))).backward()
    model.zero_grad()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_readout_learns_and_a_model_without_one_is_told_so(model: UnimodalForConditionalGeneration) -> None:
    objective = objective_of(model, HEARD)
    total(terms_of(model, objective, batch_of(model, items(), True))).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.readouts["speech"].parameters())
    model.zero_grad()
    spec = tiny_spec()
    deaf = UnimodalForConditionalGeneration(UnimodalConfig(spec=spec["spec"]))
    with pytest.raises(ValueError, match="the model has no readout of speech"):
        terms_of(deaf, objective, batch_of(deaf, items(), True))
    with pytest.raises(ValueError, match=r"config.readouts: the model has no net speach"):
        UnimodalForConditionalGeneration(
            UnimodalConfig(spec=spec["spec"], readouts={"speach": "unimodal.heads.OwnHead"})
        )


def entropies(model: UnimodalForConditionalGeneration, item: Item) -> Tensor:
    batch = batch_of(model, [item], False)
    logits = model.logits(model.run_batch(batch).written.last[0])
    return functional.cross_entropy(logits, batch.labels[0], ignore_index=IGNORED)


def test_cross_entropy_is_the_mean_over_the_answer(model: UnimodalForConditionalGeneration) -> None:
    objective = objective_of(model, {"class": "unimodal.objectives.cross_entropy.CrossEntropy"})
    (term,) = terms_of(model, objective, batch_of(model, items(), True)).values()
    for example, item in enumerate(items()):
        if item.labels is not None:
            close(term.loss[example], entropies(model, item))


def test_guided_attention_is_how_far_from_the_diagonal_heads_look(model: UnimodalForConditionalGeneration) -> None:
    """By Tachibana's formula, written out for one example, with sums over the source in place of means."""
    settings = {"net": "frames", "heads": 2, "blocks": 1}
    spec = {"class": "unimodal.objectives.guided_attention.GuidedAttention", **settings}
    batch = batch_of(model, [spoken([20, 21, 22], 7)], False)
    output = model.run_batch(batch, keep_weights={"encoder"})
    weights = output.written.weights["encoder"][-1][0, :2]
    expected = torch.tensor(0.0)
    for t in range(7):
        for s in range(4):
            expected += (1 - torch.exp(torch.tensor(-((s / 4 - t / 7) ** 2) / (2 * 0.2**2)))) * weights[:, t, s].mean()
    (term,) = objective_of(model, spec).terms(model, output, batch).values()
    close(term.loss[0], expected / 7)


def test_the_connectionist_loss_is_the_sum_over_all_readings(model: UnimodalForConditionalGeneration) -> None:
    """Every path of three entries that spells one token, counted out."""
    objective = objective_of(model, HEARD)
    batch = batch_of(model, [heard(9, [10])], False)
    output = model.run_batch(batch)
    (term,) = objective.terms(model, output, batch).values()
    assert output.encoder is not None
    scores = model.read_off("speech", output.encoder.last[0, 1:]).softmax(-1)
    blank, token = scores[:, 0], scores[:, 10]
    paths = [
        token[0] * blank[1] * blank[2],
        blank[0] * token[1] * blank[2],
        blank[0] * blank[1] * token[2],
        token[0] * token[1] * blank[2],
        blank[0] * token[1] * token[2],
        token[0] * token[1] * token[2],
    ]
    close(term.loss[0], -torch.stack(paths).sum().log())


def test_weights_scale_the_terms_of_their_objective(model: UnimodalForConditionalGeneration) -> None:
    tokens = {"class": "unimodal.objectives.cross_entropy.CrossEntropy"}
    both = {"tokens": tokens, "frames": "unimodal.objectives.frames.Frames"}
    weighted = {"class": "unimodal.objectives.weighted.Weighted", "objectives": both, "weights": {"tokens": 0.5}}
    batch = batch_of(model, items(), True)
    terms = terms_of(model, objective_of(model, weighted), batch)
    assert {name: term.weight for name, term in terms.items()} == {
        "cross_entropy": 0.5,
        **{f"frames.{name}": 1.0 for name in ("before", "after", "stop")},
    }
    means = torch.stack([term.weight * term.loss[term.has_target].mean() for term in terms.values()])
    close(total(terms), means.sum())
    with pytest.raises(ValueError, match="weights: there is no objective named token"):
        objective_of(model, {**weighted, "weights": {"token": 1.0}})
