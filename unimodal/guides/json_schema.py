"""Holds a decoder to JSON of a schema.

b rows, v vocabulary, r rows that go on
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.decoding.completions import MOST_TRIES, Completions, Flags, Quote, allowed_tokens
from unimodal.decoding.json_schemas import checked_schema, longest_detour, part_alone, subschemas
from unimodal.guides import Guide
from unimodal.vocabulary import TokenSpace, Vocabulary

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

MOST_TOKENS = 2000
"""Of the shortest answer, so that the search for it ends."""
_NUM_TRIED = 16
_OPENERS = b"{[,"


@final
@dataclass(frozen=True, eq=False)
class Reading:
    """How far one row has come."""

    matcher: "LLMatcher | None"
    """None where the row left the grammar, and is free."""
    left: int
    """Tokens that may still be written."""
    way: tuple[int, ...]
    """Tokens that lead to the end, the end token included; none behind the end."""
    quote: Quote = Quote()
    is_over: bool = False


@final
class JsonSchemaGuide(Guide[tuple[Reading, ...]]):
    """Allows the tokens of JSON texts, without space between their parts, that a JSON schema describes.

    In a decoding: `guides: [{class: unimodal.guides.json_schema.JsonSchemaGuide, schema: {type: array, ...}}]`.
    Masks by llguidance (Moskal et al., https://github.com/guidance-ai/llguidance), which refuses keywords that it
    cannot hold a text to. Properties come in the schema's order, the required ones first. With a `limit` each row knows
    a way to the end: as long as there is room for whatever a token may open, all that the grammar allows is allowed;
    when room runs out, of the 16 likeliest tokens those behind which a way was found that still fits, and the next
    token of the known way. A finished row writes padding; a row that left the grammar is no longer guided.
    """

    def __init__(self, vocabulary: Vocabulary, *, schema: object, limit: int | None = None) -> None:
        """Raises ValueError for a schema that is no schema, is too large, or has no answer of `limit` tokens."""
        self._vocabulary, self._limit = vocabulary, limit
        self._completions = Completions(vocabulary)
        self._schema = checked_schema(schema)
        self._first = self._matcher(self._schema)
        way = self._completions.find(self._first, Quote(), MOST_TOKENS)
        if way is None:
            raise ValueError(f"schema: no answer of up to {MOST_TOKENS} tokens was found")
        if limit is not None and len(way) > limit:
            raise ValueError(f"limit: the shortest answer has {len(way)} tokens, so none fits into {limit}")
        self._way = way
        text = vocabulary.space.ids("text")
        self._texts = [vocabulary.pieces.bytes_of(id) if id in text else b"" for id in range(len(vocabulary.space))]
        self._num_opened = np.array([1 + sum(text.count(byte) for byte in _OPENERS) for text in self._texts])

    def start(self, rows: int, device: torch.device | None = None) -> tuple[Reading, ...]:
        left = MOST_TOKENS if self._limit is None else self._limit
        return (Reading(self._first, left, self._way),) * rows

    def adjust(self, logits: Float[Tensor, "b v"], state: tuple[Reading, ...]) -> Float[Tensor, "b v"]:
        allowed = np.stack([self._allowed(row, scores) for row, scores in zip(state, logits, strict=True)])
        return torch.where(torch.from_numpy(allowed).to(logits.device), logits, -torch.inf)

    def advance(self, state: tuple[Reading, ...], tokens: Int[Tensor, " b"]) -> tuple[Reading, ...]:
        return tuple(self._after(row, token) for row, token in zip(state, tokens.tolist(), strict=True))

    def take(self, state: tuple[Reading, ...], rows: Int[Tensor, " r"]) -> tuple[Reading, ...]:
        return tuple(state[row] for row in rows.tolist())

    def _matcher(self, schema: dict[str, Any]) -> "LLMatcher":
        from llguidance import LLMatcher, LLParserLimits

        try:
            grammar = LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_flexible": False})
        except ValueError as error:
            raise ValueError(f"schema: {error}") from error
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0, limits=LLParserLimits(verbose_errors=False))
        if matcher.is_error():
            raise ValueError(f"schema: {matcher.get_error().partition(chr(10))[0]}")
        return matcher

    @cached_property
    def _tokenizer(self) -> "LLTokenizer":
        from llguidance import LLTokenizer, TokenizerWrapper

        # The wrapper's type is not annotated as what it wraps.
        wrapper = TokenizerWrapper(_Tokens(self._vocabulary))
        return LLTokenizer(wrapper, n_vocab=len(self._vocabulary.space))

    @cached_property
    def _rise(self) -> int:
        """A bound on how much farther from the end one byte may lead: what it opens has to be closed again."""
        costs, is_joined = [len(self._way)], False
        parts = list(subschemas(self._schema))
        for pointer, part in parts:
            others = part.keys() - {"$ref", "$defs", "definitions", "title", "description"}
            is_joined |= "allOf" in part or ("$ref" in part and bool(others))
            try:
                alone = self._matcher(part_alone(self._schema, pointer))
                way = self._completions.find(alone, Quote(), MOST_TOKENS, tries=MOST_TRIES // len(parts))
            except ValueError:  # no text at all fits this part, so it is never begun
                continue
            costs.append(MOST_TOKENS if way is None else len(way))
        # Schemas that are joined hold a text to more than each of them does.
        return (sum(costs) if is_joined else max(costs)) + longest_detour(self._schema)

    def _allowed(self, row: Reading, scores: Float[Tensor, " v"]) -> Flags:
        size = len(self._texts)
        if row.matcher is None or row.is_over:
            free: Flags = (np.arange(size) == TokenSpace.pad) | (not row.is_over)
            return free
        allowed = allowed_tokens(row.matcher)[:size]
        if self._limit is None or not row.way:
            return allowed
        free = allowed & (self._num_opened <= (row.left - len(row.way)) // self._rise)
        costly = np.flatnonzero(allowed & ~free)
        if len(costly) > _NUM_TRIED:
            costly = costly[scores.cpu().numpy()[costly].argpartition(-_NUM_TRIED)[-_NUM_TRIED:]]
        for token in costly.tolist():
            free[token] = self._fits(row, row.matcher, token)
        free[row.way[0]] = True
        return free

    def _fits(self, row: Reading, matcher: "LLMatcher", token: int) -> bool:
        following, most = matcher.deep_copy(), row.left - 1
        if not following.consume_token(token):
            return False
        way = self._known_way(following, row.way, token) or self._completions.close(
            following, self._quote(row, token), most
        )
        return way is not None and len(way) <= most

    def _after(self, row: Reading, token: int) -> Reading:
        if row.matcher is None or row.is_over:
            return row
        matcher, left = row.matcher.deep_copy(), row.left - 1
        if not matcher.consume_token(token):
            return replace(row, matcher=None)
        if token == self._vocabulary.space.end:
            return replace(row, is_over=True)
        quote, way = self._quote(row, token), row.way
        if self._limit is not None:
            way = self._known_way(matcher, way, token) or self._completions.find(matcher, quote, left) or ()
        return Reading(matcher, left, way, quote)

    def _known_way(self, matcher: "LLMatcher", way: tuple[int, ...], token: int) -> tuple[int, ...]:
        """What is left of the way that was known before a token; none where it does not lead on from there."""
        if way[:1] == (token,):
            return way[1:]
        for skipped in range(min(len(way), len(self._texts[token]) + 1)):
            rest = way[skipped:]
            if matcher.validate_tokens(list(rest)) == len(rest):
                return rest
        return ()

    def _quote(self, row: Reading, token: int) -> Quote:
        return row.quote.after(self._texts[token])


@final
class _Tokens:
    """A vocabulary as llguidance reads it: the bytes of each token, and which tokens are no text."""

    bos_token_id: int | None = None

    def __init__(self, vocabulary: Vocabulary) -> None:
        space, pieces = vocabulary.space, vocabulary.pieces
        text = space.ids("text")
        self.eos_token_id = space.end
        self.special_token_ids = [id for id in range(len(space)) if id not in text]
        # What is no text needs bytes all the same, different ones; 0xFF occurs in no text.
        self.tokens = [pieces.bytes_of(id) if id in text else b"\xff%d" % id for id in range(len(space))]
        self._pieces = pieces

    def __call__(self, text: bytes | str) -> list[int]:
        return self._pieces.encode(text if isinstance(text, str) else text.decode(errors="replace"))
