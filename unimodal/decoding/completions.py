"""How a text that is held to a grammar is brought to its end with few more tokens."""

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, final

import numpy as np

from unimodal.vocabulary import Vocabulary

if TYPE_CHECKING:
    from llguidance import LLMatcher

Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
_CLOSING = '}],:ntf0123456789-"[{'
"""What ends a JSON value soonest, outside a string: brackets that close, then the short values."""
MOST_TRIES = 2000
_TRIES_IN_STRINGS = 400
_MOST_SECONDS = 1.0
"""Of a search, whose tries are slow where a pattern counts far."""


@final
@dataclass(frozen=True)
class Quote:
    """Whether a JSON text stands inside a string, and behind a backslash there."""

    is_open: bool = False
    is_escaped: bool = False

    def after(self, text: bytes) -> "Quote":
        """Where it stands some bytes later."""
        is_open, is_escaped = self.is_open, self.is_escaped
        for byte in text:
            if is_escaped:
                is_escaped = False
            elif byte == ord('"'):
                is_open = not is_open
            else:
                is_escaped = is_open and byte == ord("\\")
        return Quote(is_open, is_escaped)


@final
class Completions:
    """Searches for a short way to the end, the end token included; a matcher is asked, nothing of its grammar is known.

    First every value is closed as soon as it may be, a string by the shortest way to its quote; where that leads
    nowhere, all ways are looked at, shorter ones before longer ones, byte by byte, one of those of a length that allow
    the same tokens next.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._pieces, self._end = vocabulary.pieces, vocabulary.space.end
        ids = {vocabulary.pieces.bytes_of(id): id for id in reversed(vocabulary.space.ids("text"))}
        self._of_byte = [ids[bytes([byte])] for byte in range(256)]
        self._quote = ids[b'"']
        self._signs = [self._of_byte[byte] for byte in range(32, 127) if byte != ord("\\")]
        self._closing = np.array([self._of_byte[byte] for byte in dict.fromkeys([*_CLOSING.encode(), *range(256)])])

    def find(self, matcher: "LLMatcher", quote: Quote, most: int, *, tries: int = MOST_TRIES) -> tuple[int, ...] | None:
        """The tokens of a way with `most` at most; None where none was found in so many tries."""
        way = self.close(matcher, quote, most)
        if way is not None:
            return way
        found = self._search(matcher, quote, most - 1, tries, lambda reached, _: bool(reached.is_accepting()))
        return None if found is None else (*found, self._end)

    def close(self, matcher: "LLMatcher", quote: Quote, most: int) -> tuple[int, ...] | None:
        """As `find`, by the first way that comes to mind alone."""
        matcher, way = matcher.deep_copy(), list[int]()
        while len(way) < most:
            if matcher.is_accepting():
                return (*way, self._end)
            ids = self._spell(matcher.compute_ff_bytes()) or list(self._next(matcher, quote, most - len(way)))
            if not ids or not matcher.consume_tokens(ids):
                return None
            way += ids
            quote = quote.after(b"".join(map(self._pieces.bytes_of, ids)))
        return None

    def _next(self, matcher: "LLMatcher", quote: Quote, most: int) -> Sequence[int]:
        """The token that closes most, or those that close a string; none where there are none."""
        is_allowed = allowed_tokens(matcher)
        if not quote.is_open:
            in_order = is_allowed[self._closing]
            return [int(self._closing[in_order.argmax()])] if in_order.any() else []
        if is_allowed[self._quote] and not quote.is_escaped:
            return [self._quote]
        return self._search(matcher, quote, most, _TRIES_IN_STRINGS, lambda _, inside: not inside.is_open) or []

    def _search(
        self, matcher: "LLMatcher", quote: Quote, most: int, tries: int, is_goal: Callable[["LLMatcher", Quote], bool]
    ) -> tuple[int, ...] | None:
        """The tokens of a shortest way to a goal, of `most` at most; `tries` ways are gone on with."""
        order, seen, until = count(), set[tuple[int, bytes]](), time.monotonic() + _MOST_SECONDS
        waiting: list[tuple[int, int, LLMatcher, Quote, tuple[int, ...]]] = [(0, next(order), matcher, quote, ())]
        for _ in range(tries):
            if not waiting or time.monotonic() > until:
                return None
            length, _, reached, inside, way = heapq.heappop(waiting)
            if is_goal(reached, inside):
                return way
            for ids in self._options(reached, inside):
                following, further = reached.deep_copy(), length + len(ids)
                if further > most or time.monotonic() > until or not following.consume_tokens(ids):
                    continue
                key = (further, following.compute_bitmask() + following.compute_ff_bytes())
                if key not in seen:
                    seen.add(key)
                    quoted = inside.after(b"".join(map(self._pieces.bytes_of, ids)))
                    heapq.heappush(waiting, (further, next(order), following, quoted, (*way, *ids)))
        return None

    def _options(self, matcher: "LLMatcher", quote: Quote) -> list[list[int]]:
        """What may come next: all that must, or the quote where a string may end, or one sign or byte."""
        forced, is_allowed = matcher.compute_ff_bytes(), allowed_tokens(matcher)
        if forced:
            # What is forced may go on behind the string, which must be seen to end.
            before, sign, _ = forced.partition(b'"') if quote.is_open else (forced, b"", b"")
            return [self._spell(before + sign)]
        if quote.is_open and not quote.is_escaped and is_allowed[self._quote]:
            return [[self._quote]]
        signs = [[id] for id in self._signs if is_allowed[id]]
        return signs or [[id] for id in self._of_byte if is_allowed[id]]

    def _spell(self, text: bytes) -> list[int]:
        """Tokens of some bytes; one each where they begin or end within a character."""
        try:
            return self._pieces.encode(text.decode())
        except UnicodeDecodeError:
            return [self._of_byte[byte] for byte in text]


def allowed_tokens(matcher: "LLMatcher") -> Flags:
    """Whether each token may come next; the vocabulary's size is rounded up to whole words of 32."""
    return np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little").view(np.bool_)
