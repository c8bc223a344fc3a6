"""Reads an input whole, and writes one answer to it or several."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Int
from torch import Tensor

from unimodal.decoding.begun import Begun
from unimodal.decoding.generate import LIMIT, decoding_of, write_tokens
from unimodal.decoding.generation_config import THEIR_LIMIT, GenerationRequest
from unimodal.generators import Asked, Generator
from unimodal.layout import stack_ragged
from unimodal.outputs import check_single
from unimodal.samplers import Hypothesis

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@dataclass(frozen=True, eq=False)
class Written:
    """What the decoder began with, and what it wrote behind it."""

    begun: Begun
    answers: list[list[Hypothesis]]
    """Of each row, the best first."""
    fill: int
    """What stands behind the shorter ones."""


@final
class Whole(Generator):
    """What most models do: the tokens that the decoder began with, then those of the answer."""

    def generate(self, model: "UnimodalForConditionalGeneration", asked: Asked) -> Int[Tensor, "b t"]:
        written = write_whole(model, asked, scored=False)
        number = max(map(len, written.answers), default=1)
        answers = [torch.tensor(answer.tokens) for hypotheses in written.answers for answer in hypotheses]
        begun = written.begun.ids.to(model.device).repeat_interleave(number, dim=0)
        return torch.cat([begun, stack_ragged(answers, fill=written.fill).to(model.device)], dim=1)


def write_whole(model: "UnimodalForConditionalGeneration", asked: Asked, *, scored: bool = True) -> Written:
    """As many answers to each row as are asked for; `scored` as Sampler.search.

    Raises ValueError that names what cannot be.
    """
    check_single(model)
    if model.backbone.decoder is None:
        raise ValueError("generate: the model has no decoder, so it writes nothing")
    if asked.decoding is not None and asked.options:
        names = ", ".join(asked.options)
        raise ValueError(f"decoding, {names}: a decoding says all of it; give one or the other")
    request = GenerationRequest(
        model.generation_config, given=asked.config, options=asked.options, defaults=model.boundaries.defaults
    )
    if model.backbone.encoder is None:
        begun = Begun.alone(model, asked.inputs["input_ids"], asked.inputs["attention_mask"])
    else:
        begun = Begun.answering(model, asked.inputs, asked.decoder_input_ids, request.start)
    if asked.decoding is None:
        limit = LIMIT if model.config.origin is None else THEIR_LIMIT
        chosen, number, fill = request.decoding(begun.told, limit=limit), request.num_answers, request.fill
    else:
        chosen, number, fill = decoding_of(asked.decoding), 1, model.boundaries.pad
    found = write_tokens(model, begun.prompt, chosen, ends=request.ends, scored=scored)
    return Written(begun, [hypotheses[:number] for hypotheses in found], fill)
