"""Net benefit by counting, its laws, and its interval against a plain bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from fracturax.core.errors import DataError
from fracturax.evaluation.decision_curve import decision_curve, net_benefit


def drawn_rows(n=300):
    generator = np.random.default_rng(0)
    probability = generator.uniform(size=n)
    return (generator.uniform(size=n) < probability).astype(int), probability


def test_it_is_true_less_weighted_false_positives():
    reference, probability = drawn_rows()
    for threshold in (0.1, 0.37, 0.8):
        called = probability >= threshold
        tp, fp = (called & (reference == 1)).sum(), (called & (reference == 0)).sum()
        expected = tp / 300 - fp / 300 * threshold / (1 - threshold)
        assert net_benefit(reference, probability, [threshold])[0] == pytest.approx(expected)


def test_calling_all_is_treating_all_and_knowing_all_gains_the_prevalence():
    reference, probability = drawn_rows()
    curve = decision_curve(reference, probability, generator=np.random.default_rng(0), resamples=20)
    assert net_benefit(reference, np.ones(300), curve.thresholds) == pytest.approx(curve.treat_all)
    perfect = net_benefit(reference, reference.astype(float), curve.thresholds)
    assert perfect == pytest.approx(np.full(99, reference.mean()))
    assert (curve.model <= reference.mean() + 1e-12).all()
    assert curve.gain == pytest.approx(curve.model - np.maximum(curve.treat_all, 0))


def test_the_interval_is_that_of_a_plain_bootstrap():
    reference, probability = drawn_rows()
    curve = decision_curve(
        reference,
        probability,
        generator=np.random.default_rng(0),
        thresholds=[0.4],
        resamples=4000,
    )
    generator = np.random.default_rng(1)
    drawn = []
    for _ in range(2000):
        rows = generator.integers(0, 300, 300)
        drawn.append(net_benefit(reference[rows], probability[rows], [0.4])[0])
    width = curve.high[0] - curve.low[0]
    assert (curve.low[0], curve.high[0]) == pytest.approx(
        tuple(np.quantile(drawn, (0.025, 0.975))), abs=0.06 * width
    )
    grouped = decision_curve(
        np.tile(reference, 2),
        np.tile(probability, 2),
        generator=np.random.default_rng(0),
        thresholds=[0.4],
        groups=np.tile(np.arange(300), 2),
        resamples=4000,
    )
    assert (grouped.low[0], grouped.high[0]) == pytest.approx((curve.low[0], curve.high[0]))
    assert "by groups" in grouped.method


@pytest.mark.parametrize("thresholds", [[0.0], [1.0], [], [[0.5]]])
def test_impossible_thresholds_are_refused(thresholds):
    with pytest.raises(DataError, match="threshold"):
        net_benefit([0, 1], [0.1, 0.2], thresholds)


def test_scores_that_are_no_probabilities_are_refused():
    with pytest.raises(DataError, match=r"1.5 in row 2"):
        net_benefit([0, 1], [0.1, 1.5], [0.2])
