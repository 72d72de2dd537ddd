"""The numbers of calibration that a report shows, each with its interval."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fracturax.evaluation.bootstrap import group_bootstrap
from fracturax.evaluation.brier import brier_interval, brier_parts
from fracturax.evaluation.calibration_error import calibration_error
from fracturax.evaluation.calibration_line import calibration_line
from fracturax.evaluation.result import Row

FloatArray = npt.NDArray[np.float64]

_BINNED = (
    ("ece", "mean gap, 10 bins of equal count"),
    ("ece_equal_width", "mean gap, 10 bins of equal width"),
    ("ece_debiased", "mean gap less that of chance, 10 bins of equal count"),
    ("brier_reliability", "Murphy, 10 bins of equal count"),
    ("brier_resolution", "Murphy, 10 bins of equal count"),
)


def calibration_numbers(
    reference: npt.NDArray[np.int64],
    probability: FloatArray,
    groups: npt.NDArray[np.str_],
    *,
    generator: np.random.Generator,
    resamples: int,
) -> dict[str, Callable[[], tuple[Row, ...]]]:
    """Return, by what it is called, how each part of the calibration is computed.

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        probability: Probabilities, shape `(n,)`.
        groups: Which patient each row belongs to, shape `(n,)`.
        generator: Source of randomness.
        resamples: Bootstrap resamples of the patients.

    Example:
        >>> parts = calibration_numbers(np.array([0, 1] * 20), np.array([0.3, 0.6] * 20),
        ...     np.arange(40).astype(str), generator=np.random.default_rng(0), resamples=50)
        >>> [row.metric for row in parts["Brier score"]()]
        ['brier']
    """

    def brier() -> tuple[Row, ...]:
        return (brier_interval(reference, probability, groups=groups),)

    def line() -> tuple[Row, ...]:
        return calibration_line(reference, probability, groups=groups).rows

    def measure(rows: npt.NDArray[np.intp]) -> FloatArray:
        truth, said = reference[rows], probability[rows]
        if truth.min() == truth.max():
            return np.full(len(_BINNED), np.nan)
        parts = brier_parts(truth, said)
        return np.array(
            [
                calibration_error(truth, said),
                calibration_error(truth, said, binning="equal_width"),
                calibration_error(truth, said, is_debiased=True),
                parts.reliability,
                parts.resolution,
            ]
        )

    def binned() -> tuple[Row, ...]:
        drawn = group_bootstrap(groups, measure, generator=generator, resamples=resamples)
        values = measure(np.arange(reference.size))
        rows = []
        for place, ((name, words), value) in enumerate(zip(_BINNED, values.tolist(), strict=True)):
            low, high = drawn.interval(place)
            how = f"{words}; {drawn.method} by groups, {resamples} resamples, 95%"
            rows.append(Row(name, value, low, high, reference.size, how))
        return tuple(rows)

    return {
        "Brier score": brier,
        "calibration slope and intercept": line,
        "calibration error in bins": binned,
    }
