"""Guaranteed answers: thresholds whose predictive values are proven on labelled cases.

A threshold says *fracture*, another *no fracture*, between them lies doubt. Each is chosen so that
the answers it gives are right at least as often as promised, with a stated confidence over the draw
of the cases it was chosen on: no assumption on the model, cases drawn from where it will be used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from scipy.stats import binom

from fracturax.core.errors import DataError

Values = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

THRESHOLDS: Values = expit(np.arange(-64, 65) / 8)
"""Where a threshold may lie: fixed before any case is seen, an eighth in log-odds apart."""
_STARTS = (-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Log-odds at which proofs begin; each has its share of the error that is allowed."""


@dataclass(frozen=True)
class Promise:
    """What is promised of the answers, and how surely.

    Args:
        ppv: Least share of *fracture* answers that are right.
        npv: Least share of *no fracture* answers that are right.
        confidence: Of both together.

    Raises:
        DataError: If one is not between 0 and 1.

    Example:
        >>> Promise(ppv=0.7, npv=0.95).confidence
        0.9
    """

    ppv: float
    npv: float
    confidence: float = 0.9

    def __post_init__(self) -> None:
        for name in ("ppv", "npv", "confidence"):
            if not 0 < getattr(self, name) < 1:
                raise DataError(
                    f"what is promised as {name} lies between 0 and 1",
                    got=str(getattr(self, name)),
                )


@dataclass(frozen=True)
class Triage:
    """Two thresholds that keep a promise.

    Args:
        low: Below it the answer is *no fracture*; 0 where that could not be proven anywhere.
        high: From it on the answer is *fracture*; 1 where that could not be proven anywhere.
        cases: How many cases they were chosen on.
        abstention: Share of those that get neither answer.
    """

    low: float
    high: float
    cases: int
    abstention: float


def prove_triage(probability: npt.ArrayLike, reference: npt.ArrayLike, promise: Promise) -> Triage:
    """Choose the thresholds that answer most cases and are proven to keep a promise.

    For each threshold of a grid fixed beforehand, an exact binomial test asks whether its answers
    are right less often than promised. The grid is walked from several starts towards more answers,
    each walk with its share of the error and up to the first threshold that is not proven (Learn
    then test: fixed-sequence testing, Bauer 1991). So the error over all is controlled, and no
    proof is spent on each threshold by itself.

    Args:
        probability: Of a fracture, shape `(n,)`.
        reference: 1 where there is one, shape `(n,)`.
        promise: What is promised.

    Returns:
        The thresholds. Where both sides would meet, `low` gives way: no case gets both answers.

    Raises:
        DataError: If the shapes differ, or a value is none.

    References:
        Angelopoulos, Bates, Candès, Jordan & Lei, Learn then Test: calibrating predictive algorithms
        to achieve risk control, Annals of Applied Statistics 19(2), 2025; Bauer, Multiple testing in
        clinical trials, Statistics in Medicine 10:871-890, 1991.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> probability = generator.random(2000)
        >>> reference = generator.random(2000) < probability
        >>> found = prove_triage(probability, reference, Promise(ppv=0.8, npv=0.8))
        >>> round(found.low, 2), round(found.high, 2)
        (0.35, 0.65)
    """
    scores = np.asarray(probability, np.float64)
    labels = np.asarray(reference, np.int64)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise DataError(
            "a triage needs one probability and one reference a case",
            got=f"{scores.shape} and {labels.shape}",
        )
    if not np.isin(labels, (0, 1)).all() or not ((scores >= 0) & (scores <= 1)).all():
        raise DataError("a probability lies in [0, 1] and a reference is 0 or 1")
    error = (1 - promise.confidence) / 2
    high = _proven(scores, labels, promise.ppv, error)
    low = _proven(1 - scores, 1 - labels, promise.npv, error)
    upper = 1.0 if high is None else high
    lower = 0.0 if low is None else min(1 - low, upper)
    doubt = float(((scores >= lower) & (scores < upper)).mean()) if scores.size else 1.0
    return Triage(lower, upper, len(scores), doubt)


def cases_needed(promise: Promise) -> tuple[int, int]:
    """Return how many answers of either kind must be there, all right, to prove a promise.

    The least that can be proven on: so many cases from one threshold on, all fractured, and so
    many below another, all healthy. Where some are wrong it takes more.

    Example:
        >>> cases_needed(Promise(ppv=0.7, npv=0.95))
        (15, 99)
    """
    error = (1 - promise.confidence) / 2 / len(_STARTS)
    needed = [int(np.ceil(np.log(error) / np.log(one))) for one in (promise.ppv, promise.npv)]
    return needed[0], needed[1]


def _proven(scores: Values, labels: Labels, target: float, error: float) -> float | None:
    """Return the least threshold at or above which labels are proven to be 1 often enough."""
    order = np.argsort(scores)
    above = len(scores) - np.searchsorted(scores[order], THRESHOLDS, side="left")
    hits_from = np.concatenate([np.cumsum(labels[order][::-1])[::-1], [0]])
    hits = hits_from[len(scores) - above]
    p_values = binom.sf(hits - 1, above, target)
    best: float | None = None
    for start in _STARTS:
        place = int(np.searchsorted(THRESHOLDS, expit(start) * (1 - 1e-9)))
        while place >= 0 and p_values[place] <= error / len(_STARTS):
            best = float(THRESHOLDS[place]) if best is None else min(best, THRESHOLDS[place])
            place -= 1
    return best
