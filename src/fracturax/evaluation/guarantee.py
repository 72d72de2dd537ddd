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


_MARGIN = 5
CURVE_PPV, CURVE_NPV = (0.6, 0.7, 0.8, 0.9), (0.93, 0.95, 0.97)
"""Promises that a card tells the price of."""


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

    At each threshold of a grid fixed beforehand, an exact binomial test asks whether its answers
    are right less often than promised. The grid is walked from the strictest threshold that gives
    enough answers (`cases_needed`) towards more, up to the first that is not proven: fixed-sequence
    testing, which spends no error on each threshold by itself (Bauer 1991; Learn then Test). The
    proof is exact where a stricter threshold is never right less often, as with any score that
    means something.

    Args:
        probability: Of a fracture, shape `(n,)`.
        reference: 1 where there is one, shape `(n,)`.
        promise: What is promised.

    Returns:
        The thresholds. Where both sides would meet, `low` gives way: no case gets both answers.

    Raises:
        DataError: If the shapes differ, or a value is none.

    References:
        Angelopoulos, Bates, Candès, Jordan & Lei, Learn then Test: calibrating predictive
        algorithms to achieve risk control, Annals of Applied Statistics 19(2), 2025; Bauer,
        Multiple testing in clinical trials, Statistics in Medicine 10:871-890, 1991.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> probability = generator.random(2000)
        >>> reference = generator.random(2000) < probability
        >>> found = prove_triage(probability, reference, Promise(ppv=0.8, npv=0.8))
        >>> round(found.low, 2), round(found.high, 2)
        (0.32, 0.65)
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
    ill = np.searchsorted(np.sort(scores[labels == 1]), THRESHOLDS, side="left")
    below = np.searchsorted(np.sort(scores), THRESHOLDS, side="left")
    # Above a threshold, fractured answers are right; below it, healthy ones.
    high = _walk(len(scores) - below, labels.sum() - ill, promise.ppv, promise, step=-1)
    low = _walk(below, below - ill, promise.npv, promise, step=1)
    upper = 1.0 if high is None else high
    lower = 0.0 if low is None else min(low, upper)
    doubt = float(((scores >= lower) & (scores < upper)).mean()) if scores.size else 1.0
    return Triage(lower, upper, len(scores), doubt)


def doubt_curve(
    probability: npt.ArrayLike, reference: npt.ArrayLike
) -> tuple[tuple[Promise, Triage], ...]:
    """Return what is proven, and how many cases stay in doubt, for promises from lax to strict.

    Args:
        probability: Of a fracture, shape `(n,)`.
        reference: 1 where there is one, shape `(n,)`.

    Returns:
        One pair each of the NPV in `CURVE_NPV` and PPV in `CURVE_PPV`, PPV fastest.

    Raises:
        DataError: If the shapes differ, or a value is none.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> probability = generator.random(2000)
        >>> curve = doubt_curve(probability, generator.random(2000) < probability)
        >>> promise, found = curve[-1]
        >>> promise.npv, promise.ppv, round(found.abstention, 2)
        (0.97, 0.9, 0.81)
    """
    promises = [Promise(ppv, npv) for npv in CURVE_NPV for ppv in CURVE_PPV]
    return tuple((one, prove_triage(probability, reference, one)) for one in promises)


def cases_needed(promise: Promise) -> tuple[int, int]:
    """Return how many answers of either kind, *fracture* and *no fracture*, a proof begins with.

    Five times as many as would prove it if all were right: a walk that begins with fewer is too
    often ended by one wrong answer among the surest.

    Example:
        >>> cases_needed(Promise(ppv=0.7, npv=0.95))
        (45, 295)
    """
    return _fewest(promise.ppv, promise), _fewest(promise.npv, promise)


def _fewest(target: float, promise: Promise) -> int:
    return _MARGIN * int(np.ceil(np.log(_error(promise)) / np.log(target)))


def _error(promise: Promise) -> float:
    """Return the probability of a wrong proof that each side may have."""
    return (1 - promise.confidence) / 2


def _walk(
    answers: npt.NDArray[np.int_],
    right: npt.NDArray[np.int_],
    target: float,
    promise: Promise,
    *,
    step: int,
) -> float | None:
    """Return the last threshold, in steps towards more answers, up to which all are proven.

    Args:
        answers: How many cases are answered at each threshold of the grid.
        right: How many of them rightly.
        target: Share that has to be right.
        promise: What is promised, and how surely.
        step: -1 where a lower threshold answers more, else 1.
    """
    p_values = np.asarray(binom.sf(right - 1, answers, target), np.float64)
    places = np.arange(len(THRESHOLDS))[::step]
    walked = places[answers[places] >= _fewest(target, promise)]
    is_proven = p_values[walked] <= _error(promise)
    passed = len(walked) if is_proven.all() else int(is_proven.argmin())
    return float(THRESHOLDS[walked[passed - 1]]) if passed else None
