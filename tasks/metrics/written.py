"""Edit distances of texts as they are written (jiwer).

p pairs
"""

from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Float

from unimodal.tasks.metrics import Metric, require


@final
class WrittenErrorRate(Metric):
    """Character edits per reference character, pooled over the test set; case, figures and punctuation count."""

    name = "written character error rate"
    higher_is_better = False

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 2"]:
        process = require("jiwer", extra="evaluate").process_characters
        forms = [[" ".join(str(value).split()) for value in values] for values in (references, predictions)]
        aligned = process(*forms)
        edits = [
            sum(
                max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
                for chunk in chunks
                if chunk.type != "equal"
            )
            for chunks in aligned.alignments
        ]
        return np.array(list(zip(edits, map(len, aligned.references), strict=True)), dtype=float)

    def score(self, tally: Float[np.ndarray, "p 2"]) -> float:
        edits, units = tally.sum(0)
        return float(edits / max(units, 1))
