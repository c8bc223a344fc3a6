"""Answers that need no model, for tasks to choose from: the bar that a model has to pass."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from unimodal.task import Baseline, Example, Metric

MOST_COUNTED = 2000
MOST_CANDIDATES = 100
MOST_REFERENCES = 200


def answers(examples: Sequence[Example], most: int) -> list[str]:
    """The answers of all examples, or of `most` of them, always the same ones."""
    chosen = Random(0).sample(range(len(examples)), min(most, len(examples)))
    return [str(examples[i].answer) for i in chosen]


def constant(answer: object) -> Baseline:
    """The same answer to everything."""
    return lambda example: answer


def majority(train: Sequence[Example], most: int = MOST_COUNTED) -> Baseline:
    """The most frequent answer."""
    return constant(Counter(answers(train, most)).most_common(1)[0][0])


def best_constant(train: Sequence[Example], metric: Metric) -> Baseline:
    """The training answer that scores best against other training answers: the strongest answer of them all.

    Candidates are the most frequent answers and random ones, references a random sample.
    """
    known = answers(train, MOST_COUNTED)
    frequent = [answer for answer, _ in Counter(known).most_common(MOST_CANDIDATES // 2)]
    random = Random(1)
    candidates = list(dict.fromkeys([*frequent, *random.choices(known, k=MOST_CANDIDATES // 2)]))
    references = random.choices(known, k=MOST_REFERENCES)
    scores = {answer: metric([answer] * len(references), references) for answer in candidates}
    best = max if metric.higher_is_better else min
    return constant(best(scores, key=scores.__getitem__))


def majority_by(train: Sequence[Example], group: Callable[[Example], str], most: int = MOST_COUNTED) -> Baseline:
    """The most frequent answer among the training examples of the same group; of all where the group is new."""
    seen: dict[str, Counter[str]] = {}
    for i in range(min(len(train), most)):
        seen.setdefault(group(train[i]), Counter())[str(train[i].answer)] += 1
    best = {name: counts.most_common(1)[0][0] for name, counts in seen.items()}
    fallback = sum(seen.values(), Counter[str]()).most_common(1)[0][0]
    return lambda example: best.get(group(example), fallback)
