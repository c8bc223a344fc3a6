"""Joint scores: the identity at weight zero, the best of all answers under a wide beam, and what users get wrong."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.laws.decoding import END, TOKENS, full_pass, items
from tests.laws.test_scorers import ASKED, CASES, LANGUAGE_MODEL, MODEL, begin, model_with
from unimodal.batching import Item, Piece, token_piece
from unimodal.decoding.generate import Decoding, Prompt, decoding_of, write_tokens
from unimodal.decoding.joint import JointScorer
from unimodal.loading.own import Unimodal
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.samplers import Sampler
from unimodal.samplers.beam import Beam
from unimodal.samplers.greedy import Greedy
from unimodal.samplers.sampling import Sampling
from unimodal.scorers.language_model import LanguageModelScorer

HEARD, LANGUAGE = CASES
BOTH = {"heard": HEARD, "language": LANGUAGE}
WEIGHTS = {"decoder": 0.7, "heard": 0.3, "language": 0.5}


def joint(weights: dict[str, float], bonus: float = 0.0) -> JointScorer:
    return JointScorer({name: BOTH[name] for name in weights if name != "decoder"}, weights=weights, bonus=bonus)


@pytest.mark.parametrize("sampler", [Greedy(), Beam(3), Sampling(temperature=2.0)], ids=lambda s: type(s).__name__)
def test_scorers_of_weight_zero_change_nothing(sampler: Sampler) -> None:
    weighed = Beam(3, renormalised=False) if isinstance(sampler, Beam) else sampler
    nothing = joint({"decoder": 1.0, "heard": 0.0, "language": 0.0})
    plain = write_tokens(MODEL, Prompt.of(MODEL, ASKED), Decoding(sampler, limit=6))
    found = write_tokens(MODEL, Prompt.of(MODEL, ASKED), Decoding(weighed, joint=nothing, limit=6))
    assert [[h.tokens for h in row] for row in found] == [[h.tokens for h in row] for row in plain]
    assert [h.score for row in found for h in row] == pytest.approx([h.score for row in plain for h in row])


def every_answer(limit: int) -> list[list[int]]:
    going = [token for token in range(TOKENS) if token != END]
    return [
        [*prefix, *last]
        for length in range(limit)
        for prefix in itertools.product(going, repeat=length)
        for last in ([[END]] if length < limit - 1 else [[token] for token in range(TOKENS)])
    ]


def plain_scores(model: UnimodalForConditionalGeneration, asked: list[Item], answers: list[list[int]]) -> list[float]:
    """The log-probability of each answer, by one pass without a cache."""
    return [
        logits.log_softmax(-1).gather(1, torch.tensor(answer)[:, None]).sum().item()
        for logits, answer in zip(full_pass(model, asked, answers), answers, strict=True)
    ]


def heard(item: Item, answers: list[list[int]]) -> list[float]:
    """By torch's loss of a whole answer; by the scorer, which other tests hold to account, of one that was cut off."""
    found, nothing = [], begin(HEARD, [item])
    (logs,) = nothing.frames.logs
    for answer in answers:
        if answer[-1] == END:
            known = all(0 < token < TOKENS - 1 for token in answer[:-1])
            loss = torch.nn.functional.ctc_loss(
                logs, torch.tensor(answer[:-1]), torch.tensor(len(logs)), torch.tensor(len(answer) - 1), reduction="sum"
            )
            found.append(-float(loss) if known else -torch.inf)
            continue
        state = nothing
        for token in answer:
            state = HEARD.advance(state, torch.tensor([token]))
        found.append(float(state.prefix))
    return found


@pytest.mark.parametrize(("length_penalty", "bonus"), [(0.0, 0.0), (0.0, 1.5), (1.0, 0.2)])
def test_a_wide_beam_finds_the_best_answer_by_the_joint_score(length_penalty: float, bonus: float) -> None:
    limit, asked = 3, items(MODEL, 4, 2)
    every = every_answer(limit)
    beam = Beam(len(every), length_penalty=length_penalty, renormalised=False)
    decoding = Decoding(beam, joint=joint(WEIGHTS, bonus), limit=limit)
    found = write_tokens(MODEL, Prompt.of(MODEL, asked), decoding)
    language = plain_scores(LANGUAGE_MODEL, [Item("", ())] * len(every), every)
    for item, hypotheses in zip(asked, found, strict=True):
        sums = zip(every, plain_scores(MODEL, [item] * len(every), every), heard(item, every), language, strict=True)
        expected = {
            tuple(answer): (0.7 * own + 0.3 * ctc + 0.5 * lm + bonus * (len(answer) - (answer[-1] == END)))
            / len(answer) ** length_penalty
            for answer, own, ctc, lm in sums
            if ctc > -1e3
        }
        assert len(expected) > 20
        assert hypotheses[0].tokens == max(expected, key=expected.__getitem__)
        likely = {h.tokens: h.score for h in hypotheses if h.tokens in expected}
        assert likely == pytest.approx(expected, rel=1e-5)
        assert min(likely.values()) > max(h.score for h in hypotheses if h.tokens not in expected)


@pytest.mark.parametrize("sampler", [Greedy(), Beam(1, renormalised=False), Beam(3, renormalised=False)])
def test_an_example_gets_what_it_gets_alone(sampler: Sampler) -> None:
    decoding = Decoding(sampler, joint=joint(WEIGHTS, 0.5), limit=7)
    together = write_tokens(MODEL, Prompt.of(MODEL, ASKED), decoding)
    assert len({len(best.tokens) for best, *_ in together}) > 1
    for item, found in zip(ASKED, together, strict=True):
        (alone,) = write_tokens(MODEL, Prompt.of(MODEL, [item]), decoding)
        assert [h.tokens for h in found] == [h.tokens for h in alone]
        assert [h.score for h in found] == pytest.approx([h.score for h in alone], rel=1e-5)


def test_a_scorer_is_heard() -> None:
    alone, weighed = (
        write_tokens(MODEL, Prompt.of(MODEL, ASKED), Decoding(Greedy(), joint=joint(weights), limit=7))
        for weights in ({"decoder": 1.0}, {"decoder": 0.0, "heard": 1.0})
    )
    assert [best.tokens for (best,) in alone] != [best.tokens for (best,) in weighed]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"decoder": 1.0}, "weights: heard is missing"),
        ({"heard": 0.5, "herd": 0.5}, "weights: there is no scorer named herd"),
        ({"heard": -0.5}, r"weights.heard: expected a number from 0, got -0.5"),
        ({"heard": float("nan")}, r"weights.heard: expected a number from 0, got nan"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JointScorer({"heard": HEARD}, weights=weights)


def test_a_scorer_is_not_called_as_the_decoder() -> None:
    with pytest.raises(ValueError, match="scorers: decoder is the model's own decoder"):
        JointScorer({"decoder": HEARD}, weights={"decoder": 1.0})


def test_what_a_model_or_a_prompt_lacks_is_told_in_a_line() -> None:
    weights = {"heard": 0.3}
    decoding = Decoding(Greedy(), joint=JointScorer({"heard": HEARD}, weights=weights))
    deaf = model_with("encoder_decoder")
    with pytest.raises(ValueError, match=r"joint.heard: net: the model has no readout of text \(it has none\)"):
        write_tokens(deaf, Prompt.of(deaf, ASKED), decoding)
    other = model_with("causal_decoder")
    other.vocabulary = type(other.vocabulary)([{"text": TOKENS - 2}, {"task": ["a", "b"]}])
    with pytest.raises(ValueError, match="another token space"):
        begin(LanguageModelScorer(other), ASKED)
    with pytest.raises(ValueError, match="model: a language model has a decoder and no encoder"):
        LanguageModelScorer(deaf)


def test_the_shipped_decoding_hears_speech_and_nothing_else(tiny: Unimodal) -> None:
    decoding = decoding_of("joint")
    speech = Piece("speech", {"features": torch.randn(40, 80)}, 10)
    tag = tiny.processor.vocabulary.space.id("task", "asr")
    item = Item("asr", (token_piece([tag]), speech))
    (found,) = tiny.answer_items(tiny.task("asr"), [item], decoding=decoding)
    assert isinstance(found.value, str)
    with pytest.raises(ValueError, match=r"decoding.joint.heard: net: a prompt holds no speech"):
        tiny.answer_items(tiny.task("asr"), [Item("asr", (token_piece([tag]),))], decoding=decoding)


def test_a_language_model_is_read_from_its_folder(tiny: Unimodal, tmp_path: Path) -> None:
    spec: dict[str, Any] = {
        "sampler": "unimodal.samplers.greedy.Greedy",
        "joint": {
            "class": "unimodal.decoding.joint.JointScorer",
            "scorers": {
                "language": {
                    "class": "unimodal.scorers.language_model.LanguageModelScorer",
                    "model": {"class": "unimodal.scorers.language_model.read", "folder": str(tmp_path)},
                }
            },
            "weights": {"language": 0.5},
        },
    }
    with pytest.raises(ValueError, match=r"a language model has a decoder and no encoder"):
        tiny.save_pretrained(tmp_path)
        decoding_of(spec)
