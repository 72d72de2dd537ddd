"""A promise is kept over the draw of the cases, and not made where it cannot be proven."""

import numpy as np
import pytest
from scipy.stats import binomtest

from fracturax.core.errors import DataError
from fracturax.evaluation.guarantee import Promise, cases_needed, prove_triage

PROMISE = Promise(ppv=0.7, npv=0.9)


def _draw(generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cases whose probability is calibrated: the truth of any threshold is an integral."""
    probability = generator.beta(0.5, 1.5, count)
    return probability, (generator.random(count) < probability).astype(int)


def test_the_promise_is_broken_in_few_draws() -> None:
    generator = np.random.default_rng(0)
    population = np.sort(generator.beta(0.5, 1.5, 400_000))
    broken, proven = 0, 0
    for _ in range(400):
        triage = prove_triage(*_draw(generator, 400), PROMISE)
        above, below = population[population >= triage.high], population[population < triage.low]
        broken += bool(
            (above.size and above.mean() < PROMISE.ppv)
            or (below.size and 1 - below.mean() < PROMISE.npv)
        )
        proven += triage.low > 0 and triage.high < 1
    assert binomtest(broken, 400, 0.1, alternative="greater").pvalue > 0.01
    assert proven > 40


def test_more_cases_leave_less_in_doubt() -> None:
    doubt = [prove_triage(*_draw(np.random.default_rng(1), count), PROMISE).abstention
             for count in (200, 1000, 20_000)]  # fmt: skip
    assert doubt[0] > doubt[1] > doubt[2]


def test_as_many_right_answers_as_are_needed_and_not_one_fewer() -> None:
    ill, well = cases_needed(PROMISE)
    for short_ill, short_well in ((0, 0), (1, 0), (0, 1)):
        probability = np.repeat([0.99, 0.001], [ill - short_ill, well - short_well])
        triage = prove_triage(probability, probability > 0.5, PROMISE)
        assert (triage.high < 1, triage.low > 0) == (not short_ill, not short_well)


def test_nothing_is_answered_without_cases_or_without_skill() -> None:
    nothing = prove_triage([], [], PROMISE)
    assert (nothing.low, nothing.high, nothing.abstention) == (0, 1, 1)
    generator = np.random.default_rng(2)
    triage = prove_triage(generator.random(2000), generator.integers(0, 2, 2000), PROMISE)
    assert (triage.low, triage.high, triage.abstention) == (0, 1, 1)


def test_sides_that_meet_leave_no_doubt_and_do_not_overlap() -> None:
    probability = np.repeat([0.9, 0.1], 500)
    triage = prove_triage(probability, probability > 0.5, PROMISE)
    assert triage.low == triage.high
    assert triage.abstention == 0


@pytest.mark.parametrize(
    ("probability", "reference", "words"),
    [
        ([0.1, 0.2], [0], "one probability and one reference"),
        ([1.1], [0], "lies in"),
        ([float("nan")], [0], "lies in"),
        ([0.5], [2], "0 or 1"),
    ],
)
def test_what_is_no_case_is_refused(probability, reference, words) -> None:
    with pytest.raises(DataError, match=words):
        prove_triage(probability, reference, PROMISE)
    with pytest.raises(DataError, match="between 0 and 1"):
        Promise(ppv=1.0, npv=0.9)
