"""Decoding: cached passes are full passes, rows stand alone, every sampler of the folder finds what it says.

b rows, n nodes of a tree, v vocabulary
"""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.laws.decoding import (
    END,
    SPECS,
    TOKENS,
    chances,
    every_model,
    full_pass,
    items,
    lively,
    model_and_items,
    noisy,
    random_model,
    scores,
)
from tests.laws.parts import final_classes, randomised
from tests.laws.test_codecs import CASES, made
from tests.laws.tiny import model_of
from unimodal.batching import Item
from unimodal.decoding.generate import Decoding, Prompt, stream_tokens, write_frames, write_tokens
from unimodal.guides.grammar import GrammarGuide
from unimodal.samplers import Hypothesis, Sampler
from unimodal.samplers.beam import Beam
from unimodal.samplers.cuts import Cut, Epsilon, Eta, Share, Typical
from unimodal.samplers.greedy import Greedy
from unimodal.samplers.patience import NoPatience, WhileBetter, WhilePossible
from unimodal.samplers.sampling import Sampling
from unimodal.writers.frames import Pace

# Samplers that draw nothing by chance; the others are held to their distributions.
CERTAIN = [
    Greedy(),
    Sampling(top_k=1),
    *(Beam(width) for width in (1, 2, 3, 4)),
    Beam(3, length_penalty=0.0),
    Beam(3, patience=NoPatience()),
    Beam(3, length_penalty=2.0, patience=WhilePossible()),
]
every_certain_sampler = pytest.mark.parametrize(
    "sampler", CERTAIN, ids=lambda s: f"{type(s).__name__}{getattr(s, 'width', '')}"
)


def test_every_sampler_of_the_folder_is_tried_here() -> None:
    tried = {f"{type(s).__module__}.{type(s).__name__}" for s in CERTAIN}
    assert set(final_classes("unimodal.samplers", Sampler)) == tried


@every_model
def test_greedy_takes_the_likeliest_token_of_a_full_pass(name: str) -> None:
    tiny, asked = model_and_items(name)
    found = write_tokens(tiny, Prompt.of(tiny, asked), noisy(Greedy()))
    answers: list[list[int]] = [[] for _ in asked]
    for _ in range(9):
        for answer, row in zip(answers, chances(tiny, asked, [[*answer, 0] for answer in answers]), strict=True):
            answer.extend([] if END in answer else [int(row[-1].argmax())])
    assert [best.tokens for (best,) in found] == [tuple(answer) for answer in answers]
    assert [best.score for (best,) in found] == pytest.approx(scores(tiny, asked, answers))


@every_model
@every_certain_sampler
def test_a_row_gets_what_it_gets_alone(name: str, sampler: Sampler) -> None:
    (tiny, asked), decoding = model_and_items(name), noisy(sampler)
    together = write_tokens(tiny, Prompt.of(tiny, asked), decoding)
    for item, found in zip(asked, together, strict=True):
        (alone,) = write_tokens(tiny, Prompt.of(tiny, [item]), decoding)
        assert [h.tokens for h in found] == [h.tokens for h in alone]
        assert [h.score for h in found] == pytest.approx([h.score for h in alone])


@every_model
def test_a_beam_of_one_and_the_likeliest_draw_are_greedy(name: str) -> None:
    tiny, asked = model_and_items(name)
    greedy = write_tokens(tiny, Prompt.of(tiny, asked), noisy(Greedy()))
    for sampler in (Beam(1, length_penalty=0.0), Sampling(top_k=1), Sampling(top_p=1e-6), Sampling(temperature=1e-4)):
        found = write_tokens(tiny, Prompt.of(tiny, asked), noisy(sampler))
        assert [best.tokens for best, *_ in found] == [best.tokens for best, *_ in greedy]
        assert [best.score for best, *_ in found] == pytest.approx([best.score for best, *_ in greedy], rel=1e-5)


@every_model
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
def test_a_beams_scores_are_true_and_in_order(name: str, length_penalty: float) -> None:
    tiny, asked = model_and_items(name)
    beam = Beam(4, length_penalty=length_penalty)
    for item, found in zip(asked, write_tokens(tiny, Prompt.of(tiny, asked), noisy(beam, 7)), strict=True):
        assert len({h.tokens for h in found}) == len(found) == 4
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        answers = [list(hypothesis.tokens) for hypothesis in found]
        true = zip(scores(tiny, [item] * 4, answers), answers, strict=True)
        assert [h.score for h in found] == pytest.approx([sum / len(a) ** length_penalty for sum, a in true])


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_finds_the_best_answer_of_all(length_penalty: float, seed: int) -> None:
    tiny, limit = random_model("t5", seed), 3
    asked = items(tiny, 4, 2)
    going = [token for token in range(TOKENS) if token != END]
    every = [
        [*prefix, *last]
        for length in range(limit)
        for prefix in itertools.product(going, repeat=length)
        for last in ([[END]] if length < limit - 1 else [[token] for token in range(TOKENS)])
    ]
    found = write_tokens(tiny, Prompt.of(tiny, asked), noisy(Beam(len(every), length_penalty=length_penalty), limit))
    for item, hypotheses in zip(asked, found, strict=True):
        sums = zip(every, scores(tiny, [item] * len(every), every), strict=True)
        expected = {tuple(answer): sum / len(answer) ** length_penalty for answer, sum in sums}
        assert hypotheses[0].tokens == max(expected, key=expected.__getitem__)
        assert {h.tokens: h.score for h in hypotheses} == pytest.approx(expected)


def chance(counts: Tensor, probabilities: Tensor) -> float:
    """Pearson's chi-square test: how likely counts at least as far off are, if the probabilities are true."""
    assert counts[probabilities == 0].sum() == 0, "a token without probability was drawn"
    expected = probabilities[probabilities > 0] * counts.sum()
    statistic = ((counts[probabilities > 0] - expected) ** 2 / expected).sum()
    return torch.special.gammaincc(torch.tensor((len(expected) - 1) / 2).double(), statistic / 2).item()


@pytest.mark.parametrize(
    ("sampler", "wrong"),
    [
        (Sampling(), Sampling(temperature=0.8)),
        (Sampling(temperature=2.0), Sampling(temperature=1.5)),
        (Sampling(top_k=3), Sampling(top_k=3, temperature=1.3)),
        (Sampling(top_p=0.7), Sampling(top_p=0.7, temperature=1.4)),
        (Sampling(temperature=1.5, top_k=5, top_p=0.9), Sampling(temperature=1.2, top_k=5, top_p=0.9)),
    ],
)
def test_drawn_tokens_follow_the_warped_distribution_and_a_wrong_sampler_is_found_out(
    sampler: Sampling, wrong: Sampling
) -> None:
    tiny = random_model("rotary_decoder", 0)
    (item,), draws = items(tiny, 6), 3000
    tiny.head.project.weight.data *= 0.6  # flat enough that no token is nearly certain
    drawn, drawn_wrongly = (
        [h.tokens for (h,) in write_tokens(tiny, Prompt.of(tiny, [item] * draws), Decoding(s, limit=2))]
        for s in (sampler, wrong)
    )
    first = sampler.warp(full_pass(tiny, [item], [[0]])[0]).softmax(-1)[0]
    common = int(first.argmax())
    assert common != END
    second = sampler.warp(full_pass(tiny, [item], [[common, 0]])[0][1:]).softmax(-1)[0]

    def counted(tokens: list[int]) -> Tensor:
        return torch.bincount(torch.tensor(tokens), minlength=TOKENS).double()

    assert chance(counted([answer[0] for answer in drawn]), first.double()) > 1e-3
    assert chance(counted([answer[1] for answer in drawn if answer[0] == common]), second.double()) > 1e-3
    assert chance(counted([answer[0] for answer in drawn_wrongly]), first.double()) < 1e-3


def test_what_is_cut_is_what_transformers_cuts() -> None:
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(50, 30) * 3
    sampler = Sampling(temperature=0.7, top_k=9, top_p=0.8)
    expected = TemperatureLogitsWarper(0.7)(None, logits)
    expected = TopPLogitsWarper(0.8)(None, TopKLogitsWarper(9)(None, expected))
    assert torch.equal(sampler.warp(logits), expected)


@pytest.mark.parametrize("cut", [Share(0.2), Typical(0.5), Epsilon(0.05), Eta(0.1)], ids=lambda cut: type(cut).__name__)
def test_a_cut_keeps_a_token_of_every_row_and_looks_at_no_other(cut: Cut) -> None:
    logits = torch.randn(50, 30) * 3
    logits[:, 7] = -torch.inf
    kept = cut.kept(logits)
    assert kept.any(-1).all() and not kept.all(-1).any() and not kept[:, 7].any()
    assert torch.equal(cut.kept(logits[[3, 3, 40]]), kept[[3, 3, 40]])
    assert torch.equal(cut.kept(logits + 5), kept)


@pytest.mark.parametrize("cut", [Share, Typical, Epsilon, Eta])
@pytest.mark.parametrize("value", [0.0, 1.0, -0.5])
def test_a_cut_at_an_impossible_place_is_refused(cut: type[Cut], value: float) -> None:
    with pytest.raises(ValueError, match=f"must lie between 0 and 1, not {value}"):
        cut(value)


@every_model
def test_several_answers_to_a_row_are_drawn_apart(name: str) -> None:
    tiny, asked = model_and_items(name)
    found = write_tokens(tiny, Prompt.of(tiny, asked), noisy(Sampling(temperature=2.0, num_answers=4)))
    assert [len(answers) for answers in found] == [4] * len(asked)
    assert any(len({answer.tokens for answer in answers}) > 2 for answers in found)
    for item, answers in zip(asked, found, strict=True):
        true = scores(tiny, [item] * 4, [list(answer.tokens) for answer in answers])
        assert [answer.score for answer in answers] == pytest.approx(true)


@every_model
def test_more_patience_finds_no_worse_answers(name: str) -> None:
    tiny, asked = model_and_items(name)
    none, some, all_there_is = (
        [
            [answer.score for answer in answers]
            for answers in write_tokens(
                tiny, Prompt.of(tiny, asked), noisy(Beam(3, length_penalty=1.0, patience=patience))
            )
        ]
        for patience in (NoPatience(), WhileBetter(), WhilePossible())
    )
    for first, second, third in zip(none, some, all_there_is, strict=True):
        pairs = [*zip(first, second, strict=True), *zip(second, third, strict=True)]
        assert all(less <= more + 1e-9 for less, more in pairs)


@every_certain_sampler
def test_any_of_several_tokens_ends_an_answer(sampler: Sampler) -> None:
    tiny, asked = model_and_items("t5")
    ends = {END, 4, 5}
    found = write_tokens(tiny, Prompt.of(tiny, asked), noisy(sampler), ends=ends)
    tokens = [hypothesis.tokens for hypotheses in found for hypothesis in hypotheses]
    assert {answer[-1] for answer in tokens} & {4, 5}
    assert all((answer[-1] in ends or len(answer) == 9) and not ends & {*answer[:-1]} for answer in tokens)


def test_a_seed_draws_the_same_again() -> None:
    tiny, asked = model_and_items("t5")

    def drawn(seed: int) -> list[tuple[int, ...]]:
        return [best.tokens for best, *_ in write_tokens(tiny, Prompt.of(tiny, asked), noisy(Sampling(seed=seed)))]

    first = drawn(7)
    torch.rand(5)  # the global state is neither read nor moved
    state = torch.get_rng_state()
    assert drawn(7) == first != drawn(8)
    assert torch.equal(torch.get_rng_state(), state)


@every_model
@pytest.mark.parametrize("sampler", [Greedy(), Beam(3)])
def test_finished_rows_leave_the_batch(name: str, sampler: Sampler) -> None:
    """At every step behind the prompts, counted in entries that run."""
    (tiny, asked), entries = model_and_items(name), list[int]()

    def counted(items: list[Item]) -> list[int]:
        entries.clear()
        write_tokens(tiny, Prompt.of(tiny, items), noisy(sampler))
        return entries[1:]

    hook = tiny.backbone.decoder.register_forward_pre_hook(lambda _, given: entries.append(given[0][..., 0].numel()))
    alone = itertools.zip_longest(*(counted([item]) for item in asked), fillvalue=0)
    expected = [sum(step) for step in alone]
    found = counted(asked)
    hook.remove()
    assert found == expected


@pytest.mark.parametrize("sampler", [Greedy(), Sampling(temperature=1.5, seed=1), Sampling(seed=2), Beam(3)])
@pytest.mark.parametrize("case", list(itertools.chain(*CASES.values())), ids=lambda case: repr(case[1])[:30])
def test_an_untrained_model_writes_only_valid_answers(vocabulary: Any, case: Any, sampler: Sampler) -> None:
    """Under a codec's grammar every hypothesis is whole, however short the limit is that lets one be whole at all."""
    codec, (_, _, is_legal, _) = made(case, vocabulary), case
    spec = {**SPECS["t5"], "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": vocabulary.space.ranges}}
    grammar, tiny = codec.grammar(), randomised(model_of(spec))
    shortest = int(grammar.distance(grammar.start(1)))
    asked = items(tiny, 5, 2, 11, 4)
    for limit in (shortest, shortest + 3, shortest + 12):
        guide = GrammarGuide(grammar, limit=limit)
        for hypotheses in write_tokens(tiny, Prompt.of(tiny, asked), Decoding(sampler, limit=limit), guide=guide):
            for answer in (list(hypothesis.tokens) for hypothesis in hypotheses):
                assert len(answer) <= limit and is_legal(vocabulary, answer), answer
                assert codec.decode(codec.encode(codec.decode(answer))) == codec.decode(answer)
    with pytest.raises(ValueError, match=f"^limit: the shortest answer has {shortest} tokens"):
        GrammarGuide(grammar, limit=shortest - 1)


@every_certain_sampler
def test_an_answer_ends_with_the_end_token_or_was_cut_at_the_limit(sampler: Sampler) -> None:
    tiny, asked = model_and_items("t5")
    for limit in (1, 2, 6):
        for hypotheses in write_tokens(tiny, Prompt.of(tiny, asked), noisy(sampler, limit)):
            assert hypotheses
            for tokens in (hypothesis.tokens for hypothesis in hypotheses):
                assert (tokens[-1] == END or len(tokens) == limit) and END not in tokens[:-1]


@every_model
@pytest.mark.parametrize("sampler", [Greedy(), Sampling(seed=3)])
def test_a_stream_is_the_answer_token_by_token(name: str, sampler: Sampler) -> None:
    (tiny, asked), decoding = model_and_items(name), noisy(sampler)
    whole = [best for best, *_ in write_tokens(tiny, Prompt.of(tiny, asked), decoding)]
    seen = [Hypothesis((), 0.0) for _ in asked]
    for more in stream_tokens(tiny, Prompt.of(tiny, asked), decoding):
        assert len(more.tokens) == 1
        before = seen[more.example]
        seen[more.example] = so_far = Hypothesis(before.tokens + more.tokens, before.score + more.score)
        assert so_far.score == pytest.approx(scores(tiny, [asked[more.example]], [list(so_far.tokens)])[0])
    assert [answer.tokens for answer in seen] == [best.tokens for best in whole]


def test_a_stream_that_is_left_early_leaves_the_model_as_it_was() -> None:
    tiny, asked = random_model("t5", 0).train(), model_and_items("t5")[1]
    stream = stream_tokens(tiny, Prompt.of(tiny, asked), noisy(Greedy()))
    next(stream)
    assert not tiny.training
    stream.close()
    assert tiny.training
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_a_beam_does_not_stream() -> None:
    tiny, asked = model_and_items("t5")
    with pytest.raises(ValueError, match="^decoding: Beam does not stream"):
        stream_tokens(tiny, Prompt.of(tiny, asked), Decoding(Beam(2)))


def test_nothing_asked_is_nothing_answered() -> None:
    tiny, _ = model_and_items("t5")
    assert all(write_tokens(tiny, Prompt.of(tiny, []), Decoding(sampler)) == [] for sampler in CERTAIN)


NO_DROPOUT = {"class": "unimodal.prenets.dropouts.training.TrainingDropout", "rate": 0.5}


@pytest.mark.parametrize("seed", [1, 4, 6])  # weights with which rows end at different steps
def test_frames_of_a_row_are_those_it_gets_alone(seed: int) -> None:
    torch.manual_seed(seed)
    net = {"frames": {"class": "unimodal.prenets.frames.FramePrenet", "dropout": NO_DROPOUT}}
    vocoder = {"class": "unimodal.prenets.vocoders.griffin_lim.GriffinLim", "num_steps": 2}
    refinement = "unimodal.prenets.refinement.Refinement"
    post = {"frames": {"class": "unimodal.prenets.frames.FramePostnet", "refinement": refinement, "vocoder": vocoder}}
    spec = SPECS["post_norm_learned"]
    spec = {**spec, "prenets": {**spec["prenets"], **net}, "postnets": post}
    tiny = lively(model_of(spec))
    torch.nn.init.constant_(tiny.get_parameter("postnets.frames.stop.bias"), -3)  # four chances a step to end
    torch.manual_seed(99)
    asked = items(tiny, 5, 2, 11, 1)
    decoding = Decoding(Greedy(), limit=9)
    together = write_frames(tiny, asked, "frames", decoding)
    assert len({len(found["stop"]) for found in together}) > 1
    for item, found in zip(asked, together, strict=True):
        (alone,) = write_frames(tiny, [item], "frames", decoding)
        for name, value in alone.items():
            torch.testing.assert_close(found[name], value)
        assert len(found["stop"]) <= 9 and not found["stop"].isnan().any()
    paced = write_frames(tiny, asked, "frames", decoding, pace=Pace(least=1.0, most=1.0))
    assert [len(found["stop"]) for found in paced] == [5, 2, 9, 1], "as many steps as entries, within the limit"
