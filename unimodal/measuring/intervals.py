"""How far a score may be off for the examples that it happens to be measured on.

p pairs
"""

import numpy as np
from jaxtyping import Float

from unimodal.task import Metric

DRAWS = 1000


def bootstrap_interval(
    metric: Metric, tally: Float[np.ndarray, "p counts"], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """95 % limits of a metric's score: the percentiles of the scores of as many pairs, drawn again (Efron 1979).

    Pairs are drawn one by one, as if none had anything to do with another; draws that have no score (an equal error
    rate without strangers) are left out. It says nothing of another seed's training.
    """
    generator = np.random.default_rng(seed)
    pairs = len(tally)
    scores = [metric.score(tally[generator.integers(pairs, size=pairs)]) for _ in range(draws)]
    low, high = np.nanquantile(scores, [0.025, 0.975])
    return float(low), float(high)
