"""How much of a reference text a prediction shares, in 0..100.

p pairs
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from jaxtyping import Float

from unimodal.tasks.metrics import Mean, Metric, as_texts, paired, require


class Overlap(Metric):
    """N-grams counted by sacrebleu and pooled over the set; abstract.

    sacrebleu keeps the counts of single pairs to itself, with which alone a selection of pairs is scored again at once:
    its two private methods are called here and nowhere else, and a test holds them to its public score.
    """

    higher_is_better = True

    @property
    @abstractmethod
    def counter(self) -> Any:
        """sacrebleu's own metric."""

    @final
    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p counts"]:
        counts = self.counter._extract_corpus_statistics(as_texts(predictions), [as_texts(references)])
        return np.array(counts, dtype=float)

    @final
    def score(self, tally: Float[np.ndarray, "p counts"]) -> float:
        return float(self.counter._compute_score_from_stats(tally.sum(0).tolist()).score)


@final
class ChrF(Overlap):
    """Character n-gram F-score over the whole test set, by sacrebleu's defaults (n = 6, beta = 2; Popović, 2015)."""

    name = "chrF"

    @property
    def counter(self) -> Any:
        return require("sacrebleu", extra="evaluate").CHRF()


@final
class Bleu(Overlap):
    """Word n-gram precision with a brevity penalty, by sacrebleu's defaults (Papineni et al., 2002; Post, 2018).

    Words are cut by sacrebleu's `13a`, the n-grams are of 1 to 4 words, counts of 0 are smoothed exponentially.
    """

    name = "BLEU"

    @property
    def counter(self) -> Any:
        return require("sacrebleu", extra="evaluate").BLEU()


@final
class RougeL(Mean):
    """Mean F-score of the longest common subsequence of words, unstemmed, by rouge-score (Lin, 2004). For English."""

    name = "ROUGE-L"
    higher_is_better = True

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 1"]:
        scorer = require("rouge_score.rouge_scorer", extra="evaluate").RougeScorer(["rougeL"])

        def percent(prediction: str, reference: str) -> float:
            return 100.0 * float(scorer.score(reference, prediction)["rougeL"].fmeasure)

        return paired(percent, as_texts(predictions), as_texts(references))
