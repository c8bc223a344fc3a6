"""Edit distances as shares of the reference, pooled over the whole test set (jiwer).

p pairs
"""

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from jaxtyping import Float

from unimodal.tasks.metrics import Metric, require


def scored_form(text: str) -> str:
    """The one form in which transcripts are compared, whatever they were written like.

    Unicode's NFKC, lower case, words parted by single blanks; all but letters, marks, digits and apostrophes within a
    word is left out. Figures stay figures, and no spelling is made another's.
    `scored_form("Don't  wait – PRESS “1”!")` is `"don't wait press 1"`.
    """
    text = unicodedata.normalize("NFKC", text).replace("’", "'").lower()
    words = "".join(sign if sign == "'" or unicodedata.category(sign)[0] in "LMN" else " " for sign in text).split()
    return " ".join(bare for word in words if (bare := word.strip("'")))


class ErrorRate(Metric):
    """Edits per unit of the reference, in `scored_form`; abstract. 0 is perfect, more than 1 is possible."""

    higher_is_better = False

    @final
    def score(self, tally: Float[np.ndarray, "p 2"]) -> float:
        edits, units = tally.sum(0)
        return float(edits / max(units, 1))


@final
class CharacterErrorRate(ErrorRate):
    """Character edits per reference character, blanks between words included."""

    name = "character error rate"

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 2"]:
        return _edits(require("jiwer", extra="evaluate").process_characters, predictions, references)


@final
class WordErrorRate(ErrorRate):
    """Word edits per reference word."""

    name = "word error rate"

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 2"]:
        return _edits(require("jiwer", extra="evaluate").process_words, predictions, references)


def _edits(
    process: Callable[..., Any], predictions: Sequence[object], references: Sequence[object]
) -> Float[np.ndarray, "p 2"]:
    """(edits, units of the reference) of each pair, from jiwer's alignment."""
    forms = [[scored_form(str(value)) for value in values] for values in (references, predictions)]
    aligned = process(*forms)
    edits = [
        sum(
            max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
            for chunk in chunks
            if chunk.type != "equal"
        )
        for chunks in aligned.alignments
    ]
    units = map(len, aligned.references)
    return np.array(list(zip(edits, units, strict=True)), dtype=float)
