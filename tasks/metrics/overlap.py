"""How much of a reference text a prediction shares, in 0..100."""

from collections.abc import Sequence
from typing import final

from unimodal.tasks.metrics import Metric, as_texts


@final
class ChrF(Metric):
    """Character n-gram F-score over the whole test set, by sacrebleu's defaults (n = 6, beta = 2; Popović, 2015)."""

    name = "chrF"
    higher_is_better = True

    def __call__(self, predictions: Sequence[object], references: Sequence[object]) -> float:
        import sacrebleu

        return float(sacrebleu.corpus_chrf(as_texts(predictions), [as_texts(references)]).score)


@final
class RougeL(Metric):
    """Mean F-score of the longest common subsequence of words, unstemmed, by rouge-score (Lin, 2004). For English."""

    name = "ROUGE-L"
    higher_is_better = True

    def __call__(self, predictions: Sequence[object], references: Sequence[object]) -> float:
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(["rougeL"])
        pairs = zip(as_texts(predictions), as_texts(references), strict=True)
        scores = [float(scorer.score(reference, prediction)["rougeL"].fmeasure) for prediction, reference in pairs]
        return 100.0 * sum(scores) / len(scores)
