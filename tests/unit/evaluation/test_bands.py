"""Curves with bands: the curve is scikit-learn's, the band holds it and narrows with patients."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from fracturax.core.errors import DataError
from fracturax.evaluation.bands import precision_recall_band, roc_band
from fracturax.evaluation.classification import auroc


def _sample(count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    reference = np.arange(count) % 3 == 0
    return reference.astype(int), (reference + generator.normal(size=count)).round(1)


def _generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_roc_curve_is_that_of_scikit_learn() -> None:
    reference, score = _sample(300)
    curve = roc_band(reference, score, np.arange(300), generator=_generator(), resamples=50)
    rate, sensitivity, _ = roc_curve(reference, score, drop_intermediate=False)
    for x, y in zip(curve.x, curve.y, strict=True):
        here = np.flatnonzero(rate <= x + 1e-12)[-1]
        wanted = sensitivity[here]
        if here + 1 < rate.size:
            slope = (sensitivity[here + 1] - wanted) / (rate[here + 1] - rate[here])
            wanted += slope * (x - rate[here])
        assert y == pytest.approx(wanted)


def test_the_area_below_the_curve_is_the_auroc() -> None:
    reference, score = _sample(300)
    curve = roc_band(
        reference, score, np.arange(300), generator=_generator(), points=4001, resamples=2
    )
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(auroc(reference, score), abs=1e-3)


def test_precision_is_that_of_the_strictest_threshold_that_reaches_the_recall() -> None:
    reference, score = _sample(300)
    curve = precision_recall_band(
        reference, score, np.arange(300), generator=_generator(), resamples=50
    )
    precision, recall, _ = precision_recall_curve(reference, score)
    for x, y in zip(curve.x, curve.y, strict=True):
        reached = np.flatnonzero(recall >= x - 1e-12)
        assert y == pytest.approx(precision[reached[-1]])


@pytest.mark.parametrize("band", [roc_band, precision_recall_band])
def test_the_band_holds_the_curve_and_narrows_with_patients(band: object) -> None:
    width = []
    for count in (90, 900):
        reference, score = _sample(count)
        curve = band(  # type: ignore[operator]
            reference, score, np.arange(count), generator=_generator(), resamples=100
        )
        assert (curve.low <= curve.y).all()
        assert (curve.y <= curve.high).all()
        assert curve.low.min() >= 0
        assert curve.high.max() <= 1
        width.append(float((curve.high - curve.low).mean()))
    assert width[1] < 0.6 * width[0]


def test_an_increasing_transform_changes_nothing() -> None:
    reference, score = _sample(120)
    plain, turned = (
        roc_band(reference, one, np.arange(120), generator=_generator(), resamples=50)
        for one in (score, np.exp(score))
    )
    assert np.array_equal(plain.low, turned.low)
    assert np.array_equal(plain.y, turned.y)


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="both classes"):
        roc_band([1, 1], [0.1, 0.2], [0, 1], generator=_generator())
