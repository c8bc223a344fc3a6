"""`generate` as users of transformers know it: the same keywords, the same ids."""

from typing import Any, final

import pytest
import torch
from torch import Tensor
from transformers import T5ForConditionalGeneration

from tests.laws.tiny import model_of, model_spec
from tests.parity.cases.t5 import t5
from tests.parity.test_parity import converted
from unimodal.decoding.generate import Decoding, decoding_of
from unimodal.heads import Head
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.samplers.beam import Beam
from unimodal.samplers.greedy import Greedy
from unimodal.samplers.sampling import Sampling

END, PAD = 1, 0
LENGTHS = [9, 3, 14, 1, 6, 8]


def asked(vocabulary: int) -> tuple[Tensor, Tensor]:
    """Ragged ids [b, s] with padding on the right, and their mask."""
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    return torch.randint(4, vocabulary, mask.shape) * mask, mask


def pair(end: float, seed: int) -> tuple[T5ForConditionalGeneration, UnimodalForConditionalGeneration]:
    """transformers' T5 and ours with the same weights; `end` scales the vector of the end token."""
    torch.manual_seed(seed)
    theirs, config = t5(tied=False, num_layers=2, feed_forward_proj="gated-gelu")()
    with torch.no_grad():
        theirs.lm_head.weight *= 0.5  # several tokens are near each other, so that beams differ
        theirs.lm_head.weight[END] *= end
    theirs = theirs.double()
    ours = converted(theirs.state_dict(), config).double()
    ours.generation_config.decoder_start_token_id = PAD
    theirs.generation_config.update(decoder_start_token_id=PAD, eos_token_id=END, pad_token_id=PAD)
    return theirs, ours


def agree(first: Tensor, second: Tensor) -> None:
    """The same ids up to the end token; behind it stands nothing else but what fills a batch."""
    for ids, others in zip(first.tolist(), second.tolist(), strict=True):
        ended = ids.index(END) + 1 if END in ids else max(len(ids), len(others))
        assert ids[:ended] == others[:ended]
        assert set(ids[ended:]) <= {PAD, END} and set(others[ended:]) <= {PAD, END}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("end", [0.0, 2.0, 4.0])
@pytest.mark.parametrize(
    "how",
    [
        {"num_beams": 1},
        *({"num_beams": width, "length_penalty": penalty} for width in (2, 4) for penalty in (0.0, 1.0, 2.0)),
    ],
    ids=str,
)
def test_ids_are_those_of_transformers(how: dict[str, Any], end: float, seed: int) -> None:
    theirs, ours = pair(end, seed)
    ids, mask = asked(61)
    for limit in (1, 5, 12):
        expected = theirs.generate(ids, attention_mask=mask, max_new_tokens=limit, do_sample=False, **how)
        assert torch.equal(ours.generate(ids, mask, max_new_tokens=limit, **how), expected)


def test_answers_end_at_different_lengths_there() -> None:
    """The test above compares answers that end by themselves and answers that are cut off."""
    lengths = set()
    for seed in range(3):
        for end in (2.0, 4.0):
            _, ours = pair(end, seed)
            found = ours.generate(*asked(61), max_new_tokens=12, num_beams=4)
            lengths |= {row.index(END) if END in row else 13 for row in found.tolist()}
    assert len(lengths) > 4 and 13 in lengths


@final
class Ending(Head):
    """Scores the end token highest, always."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.scores = (torch.arange(tokens) == END).double()

    def forward(self, hidden: Tensor, embedding: Tensor) -> Tensor:
        return self.scores.expand(*hidden.shape[:-1], -1)


@pytest.fixture
def encoder_decoder() -> UnimodalForConditionalGeneration:
    return model_of(model_spec("encoder_decoder")).double()


@pytest.fixture
def decoder_only() -> UnimodalForConditionalGeneration:
    return model_of(model_spec("causal_decoder", position="unimodal.positions.rotary.Rotary", tied=False)).double()


def left(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The same rows with their padding on the left."""
    turned = [torch.stack([row.roll(-int(kept.sum())) for row, kept in zip(x, mask, strict=True)]) for x in (ids, mask)]
    return turned[0], turned[1]


@pytest.mark.parametrize("how", [{}, {"num_beams": 3}, {"do_sample": True, "top_k": 1}], ids=str)
@pytest.mark.parametrize("name", ["encoder_decoder", "decoder_only"])
def test_a_row_is_answered_as_alone_wherever_its_padding_stands(
    name: str, how: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    model = request.getfixturevalue(name)
    ids, mask = asked(40)
    begun = 1 if name == "encoder_decoder" else ids.shape[1]
    found = model.generate(ids, mask, max_new_tokens=7, **how)
    agree(model.generate(*left(ids, mask), max_new_tokens=7, **how)[:, begun:], found[:, begun:])
    for row, length in enumerate(LENGTHS):
        alone = model.generate(ids[row : row + 1, :length], max_new_tokens=7, **how)
        agree(alone[:, 1 if begun == 1 else length :], found[row : row + 1, begun:])


def test_a_decoder_alone_continues_its_prompt(decoder_only: UnimodalForConditionalGeneration) -> None:
    ids = torch.randint(4, 40, (2, 5))
    found = decoder_only.generate(ids, max_new_tokens=6)
    assert torch.equal(found[:, :5], ids)
    for row in found:
        answer = row[5:].tolist()
        for place in range(len(answer) if END not in answer else answer.index(END) + 1):
            logits = decoder_only(input_ids=row[None, : 5 + place]).logits
            assert int(logits[0, -1].argmax()) == answer[place]


def test_an_encoder_decoder_gives_the_start_token_then_the_answer(
    encoder_decoder: UnimodalForConditionalGeneration,
) -> None:
    ids, mask = asked(40)
    found = encoder_decoder.generate(ids, mask, max_new_tokens=5)
    assert (found[:, 0] == encoder_decoder.vocabulary.start).all() and found.shape[1] <= 6
    for step in range(1, found.shape[1]):
        logits = encoder_decoder(input_ids=ids, attention_mask=mask, decoder_input_ids=found[:, :step]).logits
        running = ~(found[:, 1:step] == END).any(1)
        assert torch.equal(logits[:, -1].argmax(-1)[running], found[running, step])


def test_generation_leaves_the_model_as_it_was(encoder_decoder: UnimodalForConditionalGeneration) -> None:
    encoder_decoder.train()
    encoder_decoder.generate(torch.tensor([[5, 6]]), max_new_tokens=2)
    assert encoder_decoder.training
    encoder_decoder(input_ids=torch.tensor([[5, 6]]), labels=torch.tensor([[7, 1]])).loss.backward()


def test_a_decoding_may_be_a_name_a_mapping_or_itself(encoder_decoder: UnimodalForConditionalGeneration) -> None:
    ids = torch.tensor([[5, 6, 7]])
    expected = encoder_decoder.generate(ids, num_beams=4, max_new_tokens=20)
    beam = {"sampler": {"class": "unimodal.samplers.beam.Beam", "width": 4}, "limit": 20}
    assert torch.equal(encoder_decoder.generate(ids, decoding=beam), expected)
    assert torch.equal(encoder_decoder.generate(ids, decoding=Decoding(Beam(4), limit=20)), expected)
    encoder_decoder.head = Ending(len(encoder_decoder.vocabulary))
    assert encoder_decoder.generate(ids, decoding="greedy").tolist() == [[encoder_decoder.vocabulary.start, END]]


def test_a_mapping_may_name_guides_and_a_cache(encoder_decoder: UnimodalForConditionalGeneration) -> None:
    spec = {
        "sampler": "unimodal.samplers.greedy.Greedy",
        "guides": [{"class": "unimodal.guides.ngrams.NgramGuide", "length": 1}],
        "cache": {"class": "unimodal.caches.dense.Dense"},
        "limit": 20,
    }
    ((_, *answer),) = encoder_decoder.generate(torch.tensor([[5, 6, 7]]), decoding=spec).tolist()
    assert len(set(answer)) == len(answer) > 10


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"decoding": "greddy"}, "^decoding: there is no 'greddy' among beam, compiled, greedy, joint"),
    ({"decoding": {"sampler": "os.path.join"}}, "^decoding.sampler: 'os.path.join' is not below"),
    ({"decoding": {"smapler": "unimodal.samplers.greedy.Greedy"}}, "^decoding.smapler: .*did you mean 'sampler'"),
    ({"decoding": "beam", "num_beams": 3}, "^decoding, num_beams: a decoding says all of it"),
    ({"decoding": "beam", "max_new_tokens": 3, "top_k": 1}, "^decoding, max_new_tokens, top_k: "),
    ({"do_sample": True, "num_beams": 2}, "^do_sample, num_beams: "),
    ({"do_sample": True, "temperature": 0.0}, "^temperature: must be above 0"),
    ({"do_sample": True, "top_p": 1.5}, r"^top_p: must lie in \(0, 1\]"),
    ({"max_new_tokens": 0}, "^max_new_tokens: 0 leaves no room for an answer"),
    ({"attention_mask": torch.tensor([[1, 1], [0, 0]])}, "^attention_mask: row 1 has no entry"),
    ({"input_ids": torch.tensor([[5, 6], [5, 40]])}, "^input_ids: row 1 has ids outside the vocabulary's 40"),
    ({"input_ids": torch.tensor([[-1, 6]])}, "^input_ids: row 0 has ids outside"),
]


@pytest.mark.parametrize(("how", "message"), MISTAKES, ids=[str(list(how)) for how, _ in MISTAKES])
def test_a_mistake_is_one_line(
    encoder_decoder: UnimodalForConditionalGeneration, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        encoder_decoder.generate(**{"input_ids": torch.tensor([[5, 6], [7, 8]]), **how})
    assert "\n" not in str(caught.value)


def test_every_shipped_decoding_is_built() -> None:
    assert type(decoding_of(None).sampler) is Greedy
    for name, sampler in {"greedy": Greedy, "beam": Beam, "sample": Sampling}.items():
        assert type(decoding_of(name).sampler) is sampler
