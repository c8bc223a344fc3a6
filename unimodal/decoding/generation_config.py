"""transformers' generation config, read: its fields -> a Decoding and the special tokens around the answers.

b rows, t tokens that the decoder begins with, s tokens of the source
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, final

import torch
from jaxtyping import Int
from torch import Tensor
from transformers import GenerationConfig

from unimodal.decoding.generate import Decoding
from unimodal.guides import Guide
from unimodal.guides.banned import BannedGuide
from unimodal.guides.chain import ChainGuide
from unimodal.guides.forced import ForcedGuide
from unimodal.guides.ngrams import NgramGuide
from unimodal.guides.normalised import NormalisedGuide
from unimodal.guides.prompt import PromptGuide
from unimodal.guides.repetition import RepetitionGuide
from unimodal.guides.source_ngrams import SourceNgramGuide
from unimodal.guides.source_repetition import SourceRepetitionGuide
from unimodal.guides.suppression import SuppressionGuide
from unimodal.samplers import Sampler
from unimodal.samplers.beam import Beam
from unimodal.samplers.cuts import Cut, Epsilon, Eta, Share, Typical
from unimodal.samplers.greedy import Greedy
from unimodal.samplers.patience import NoPatience, Patience, WhileBetter, WhilePossible
from unimodal.samplers.sampling import Sampling

FIELDS = frozenset(vars(GenerationConfig()))
"""What a generation config has; a checkpoint's own may hold more, which its family reads."""

LOSSLESS_CACHES = ("dynamic", "hybrid", "offloaded", "offloaded_static", "sliding_window", "static")
"""transformers' caches that do not round what they keep; ours does the work of all of them."""

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "assistant_early_exit": (None,),
    "cache_implementation": (None, *LOSSLESS_CACHES),
    "constraints": (None,),
    "diversity_penalty": (None, 0),
    "dola_layers": (None,),
    "exponential_decay_length_penalty": (None,),
    "force_words_ids": (None,),
    "guidance_scale": (None, 1),
    "low_memory": (None, False),
    "max_time": (None,),
    "num_beam_groups": (None, 1),
    "penalty_alpha": (None, 0),
    "prompt_lookup_num_tokens": (None,),
    "remove_invalid_values": (None, False),
    "return_dict_in_generate": (None, False),
    "sequence_bias": (None,),
    "stop_strings": (None,),
    "token_healing": (None, False),
    "top_h": (None,),
    "use_mtp": (None, False),
    "watermarking_config": (None,),
}
"""Fields that would change what is written in ways that we do not offer: the values at which they do nothing."""

DRAWN_FROM = 50
"""transformers' `top_k` where nothing is said."""
THEIR_LIMIT = 20
"""transformers' longest answer in tokens where nothing is said."""


@final
@dataclass(frozen=True, eq=False)
class Told:
    """The tokens that are known when an answer begins."""

    prompt: Int[Tensor, "b t"]
    """What the decoder reads first, `NOTHING` before a shorter row."""
    source: Int[Tensor, "b s"] | None
    """Tokens that the answer is made from, padding among them as in transformers; None where they are no tokens."""
    num_tokens: int
    """Size of the vocabulary."""


@final
class GenerationRequest:
    """What one call of `generate` asks for: the model's own config, under one that was given, under single options.

    `defaults` stand below them all. Raises ValueError for an option that is no field.
    """

    def __init__(
        self,
        config: GenerationConfig,
        *,
        given: GenerationConfig | None = None,
        options: Mapping[str, Any] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        asked = {} if options is None else dict(options)
        for name in sorted(asked.keys() - FIELDS):
            raise ValueError(f"{name}: is no field of a generation config, and no input of the model")
        layers = [
            {"top_k": DRAWN_FROM},
            {} if defaults is None else defaults,
            _set(config),
            {} if given is None else _set(given),
            asked,
        ]
        self._fields: dict[str, Any] = dict.fromkeys(FIELDS)
        for layer in layers:
            self._fields |= layer

    def _read(self, name: str, default: Any) -> Any:
        value = self._fields[name]
        return default if value is None else value

    @property
    def start(self) -> list[int]:
        """The token that a decoder reads first, for all rows or for each; empty where none is named."""
        return _listed(self._read("decoder_start_token_id", self._fields["bos_token_id"]))

    @property
    def ends(self) -> tuple[int, ...]:
        """The tokens that end an answer; empty where none is named."""
        return tuple(_listed(self._fields["eos_token_id"]))

    @property
    def num_answers(self) -> int:
        """Answers to each row."""
        number, width = self._read("num_return_sequences", 1), self._read("num_beams", 1)
        if number > 1 and width == 1 and not self._fields["do_sample"]:
            raise ValueError(f"num_return_sequences: greedy decoding finds one answer, not {number}")
        if number < 1 or number > width > 1:
            raise ValueError(f"num_return_sequences: {width} beams give 1 to {width} answers, not {number}")
        return int(number)

    @property
    def fill(self) -> int:
        """What stands behind shorter answers.

        The padding token, or the first end token where there is none, or where beams find that it is 0: transformers'
        beams take 0 for none.
        """
        pad, ends = self._fields["pad_token_id"], self.ends
        if ends and (pad is None or (pad == 0 and self._read("num_beams", 1) > 1)):
            return ends[0]
        return 0 if pad is None else int(pad)

    def decoding(self, told: Told, *, limit: int) -> Decoding:
        """The Decoding that gives transformers' ids. `limit`: the most new tokens where nothing is said.

        Raises ValueError for a field that asks for what we do not offer, or cannot be.
        """
        for name, values in NEUTRAL.items():
            if self._fields[name] not in values:
                raise ValueError(f"{name}: {self._fields[name]!r} is not offered here")
        self._check(told.num_tokens)
        limit = self._limit(told, limit)
        guides = self._guides(told, limit)
        guided = [PromptGuide(ChainGuide(guides), told.prompt)] if guides else []
        return Decoding(self._sampler(guided=bool(guides)), guides=guided, limit=limit)

    def _check(self, num_tokens: int) -> None:
        for name in ("repetition_penalty", "encoder_repetition_penalty"):
            if self._read(name, 1) <= 0:
                raise ValueError(f"{name}: must be above 0, not {self._fields[name]}")
        if self._read("num_beams", 1) < 1:
            raise ValueError(f"num_beams: must be at least 1, not {self._fields['num_beams']}")
        banned = self._read("bad_words_ids", [])
        if not all(banned):
            raise ValueError("bad_words_ids: one of them has no token")
        written = {name: _listed(self._fields[name]) for name in ("forced_bos_token_id", "forced_eos_token_id")}
        for name, tokens in {**written, "bad_words_ids": chain.from_iterable(banned)}.items():
            for token in tokens:
                if not 0 <= token < num_tokens:
                    raise ValueError(f"{name}: {token} is outside the vocabulary's {num_tokens}")

    def _limit(self, told: Told, default: int) -> int:
        begun = told.prompt.shape[1]
        longest = self._fields["max_length"]
        limit = self._read("max_new_tokens", default if longest is None else longest - begun)
        if limit < 1:
            name = "max_length" if self._fields["max_new_tokens"] is None else "max_new_tokens"
            raise ValueError(
                f"{name}: {self._fields[name]} leaves no room for an answer (the decoder begins with {begun})"
            )
        return int(limit)

    def _sampler(self, *, guided: bool) -> Sampler:
        width, number = self._read("num_beams", 1), self.num_answers
        if not self._fields["do_sample"]:
            return Greedy() if width == 1 else self._beam(width, guided=guided)
        if width > 1:
            raise ValueError("do_sample, num_beams: sampling within beams is not offered; choose one of them")
        return Sampling(
            temperature=self._read("temperature", 1.0),
            top_k=self._read("top_k", 0),
            top_p=self._read("top_p", 1.0),
            cuts=self._cuts(),
            seed=int(torch.randint(torch.iinfo(torch.long).max, ())),  # so that torch.manual_seed decides
            num_answers=number,
        )

    def _cuts(self) -> list[Cut]:
        """In transformers' order. It takes epsilon and eta from 0 or to 1 for none."""
        least, mass = self._read("min_p", 0), self._read("typical_p", 1)
        epsilon, eta = self._read("epsilon_cutoff", 0), self._read("eta_cutoff", 0)
        return [
            *([Share(least)] if least else []),
            *([Typical(mass)] if mass < 1 else []),
            *([Epsilon(epsilon)] if 0 < epsilon < 1 else []),
            *([Eta(eta)] if 0 < eta < 1 else []),
        ]

    def _beam(self, width: int, *, guided: bool) -> Beam:
        early: dict[Any, Patience] = {False: WhileBetter(), True: NoPatience(), "never": WhilePossible()}
        asked = self._read("early_stopping", False)
        if asked not in early:
            raise ValueError(f"early_stopping: expected true, false or 'never', not {asked!r}")
        return Beam(
            width,
            length_penalty=self._read("length_penalty", 1.0),
            patience=early[asked],
            renormalised=not guided or self._read("renormalize_logits", False),
        )

    def _guides(self, told: Told, limit: int) -> list[Guide[Any]]:
        """In transformers' order. Its beams give their processors log-probabilities, its other searches logits."""
        begun, ends = told.prompt.shape[1], self.ends
        first, last = _listed(self._fields["forced_bos_token_id"]), _listed(self._fields["forced_eos_token_id"])
        least = self._fields["min_new_tokens"]
        shortest = self._read("min_length", 0) if least is None else begun + least
        banned = [word for word in self._read("bad_words_ids", []) if tuple(word) not in {(end,) for end in ends}]
        after = begun + 1 if begun == 1 and first else begun
        suppressed, not_first = self._read("suppress_tokens", []), self._read("begin_suppress_tokens", [])
        guides: list[Guide[Any]] = [
            *self._penalties(told),
            *([BannedGuide(banned)] if banned else []),
            *([SuppressionGuide(ends, until=shortest)] if ends and shortest > 0 else []),
            *([ForcedGuide(first, place=1)] if first else []),
            *([ForcedGuide(last, place=begun + limit - 1)] if last else []),
            *([SuppressionGuide(suppressed)] if suppressed else []),
            *([SuppressionGuide(not_first, since=after, until=after + 1)] if not_first else []),
        ]
        return [NormalisedGuide(), *guides] if guides and self._read("num_beams", 1) > 1 else guides

    def _penalties(self, told: Told) -> list[Guide[Any]]:
        guides: list[Guide[Any]] = []
        if (penalty := self._read("encoder_repetition_penalty", 1.0)) != 1:
            source = self._source(told, "encoder_repetition_penalty")
            guides.append(SourceRepetitionGuide(source, strength=1 / penalty - 1))
        if (penalty := self._read("repetition_penalty", 1.0)) != 1:
            guides.append(RepetitionGuide(strength=penalty - 1))
        if (length := self._read("no_repeat_ngram_size", 0)) > 0:
            guides.append(NgramGuide(length=length, spared=()))
        if (length := self._read("encoder_no_repeat_ngram_size", 0)) > 0:
            guides.append(SourceNgramGuide(self._source(told, "encoder_no_repeat_ngram_size"), length=length))
        return guides

    def _source(self, told: Told, name: str) -> Int[Tensor, "b s"]:
        if told.source is None:
            raise ValueError(f"{name}: needs input_ids, and the model reads something else")
        return told.source


def _set(config: GenerationConfig) -> dict[str, Any]:
    return {name: value for name, value in vars(config).items() if name in FIELDS and value is not None}


def _listed(tokens: Any) -> list[int]:
    if tokens is None:
        return []
    return [int(token) for token in torch.as_tensor(tokens).reshape(-1)]
