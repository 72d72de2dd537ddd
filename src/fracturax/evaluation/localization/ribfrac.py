"""The rule of the RibFrac challenge: mean sensitivity at five rates of false positives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.evaluation.bootstrap import group_bootstrap_weighted
from fracturax.evaluation.localization.detections import Detections, FloatArray
from fracturax.evaluation.localization.froc import FrocCurve, froc_of_matches
from fracturax.evaluation.localization.matching import Matches, match_images
from fracturax.evaluation.result import Row

RIBFRAC_LEVELS: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives a scan at which RibFrac reads the sensitivity."""

_MORE_THAN = 0.2


@dataclass(frozen=True)
class RibFracScore:
    """Sensitivity at RibFrac's rates of false positives.

    Args:
        levels: False positives a scan.
        sensitivity: Sensitivity at each of them; NaN where it is not defined.
    """

    levels: tuple[float, ...]
    sensitivity: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean sensitivity, by which the challenge ranks."""
        return math.fsum(self.sensitivity) / len(self.sensitivity)


def ribfrac_matches(images: Sequence[Detections]) -> Matches:
    """Match detections as RibFrac does.

    A detection belongs to the fracture it overlaps most and finds it if their IoU is above 0.2
    (not equal); further detections of that fracture count neither way.

    Args:
        images: Masks of scans, `MaskDetections`; boxes are matched alike.

    Raises:
        DataError: If there is no image, or nobody marked one.

    References:
        Yang et al., Deep Rib Fracture Instance Segmentation and Classification from CT on the
        RibFrac Challenge, arXiv:2402.09372, 2024. The challenge's own script takes a connected
        piece of intersection over the connected piece of union around it, which is the IoU of
        two masks where each is in one piece and touches no third.
    """
    least = float(np.nextafter(_MORE_THAN, 1.0))
    return match_images(images, thresholds=(least,), repeats="ignored")


def ribfrac_score(
    matches: Matches,
    *,
    levels: Sequence[float] = RIBFRAC_LEVELS,
    weights: npt.ArrayLike | None = None,
) -> RibFracScore:
    """Return the sensitivity at RibFrac's rates of false positives a scan.

    Between two thresholds the curve is a straight line, as in the challenge; left of its first
    point it is 0, right of its last one it stays. Every distinct score is a threshold, where the
    challenge has a hundred.

    Args:
        matches: From `ribfrac_matches`.
        levels: False positives a scan.
        weights: How often each image counts, shape `(images,)`.

    Raises:
        DataError: If no image has a fracture or the weights are not valid.

    References:
        Jin et al., EBioMedicine 62:103106, 2020 (FracNet); `ribfrac/evaluation.py` of the
        repository M3DV/RibFrac-Challenge.

    Example:
        >>> from fracturax.evaluation.localization import MaskDetections
        >>> there = np.array([[1, 1, 1, 0, 2, 2]])
        >>> seen = np.array([[1, 1, 0, 2, 0, 0]])
        >>> scan = MaskDetections.from_labels("a", "1", seen, [0.9, 0.4], there)
        >>> score = ribfrac_score(ribfrac_matches([scan]))
        >>> score.sensitivity, score.mean
        ((0.5, 0.5, 0.5, 0.5, 0.5), 0.5)
    """
    curve = froc_of_matches(matches, weights=weights)
    return RibFracScore(tuple(levels), tuple(_interpolated(curve, levels).tolist()))


def ribfrac_rows(
    matches: Matches,
    groups: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    resamples: int = 1000,
    level: float = 0.95,
) -> tuple[Row, ...]:
    """Return RibFrac's mean sensitivity and that at each rate, with intervals over patients.

    Args:
        matches: From `ribfrac_matches`.
        groups: Whose scan each is (`patient_key`), shape `(images,)`.
        generator: Source of randomness.
        resamples: Bootstrap resamples.
        level: Coverage of the intervals.

    Raises:
        DataError: As `ribfrac_score`, or if most resamples have no fracture.

    Example:
        >>> from fracturax.evaluation.localization import MaskDetections
        >>> label = np.array([[1, 1, 0]])
        >>> scans = [MaskDetections.from_labels(name, "1", label if name != "c" else label * 0,
        ...                                     [0.9] if name != "c" else [], label)
        ...          for name in "abcd"]
        >>> rows = ribfrac_rows(ribfrac_matches(scans), list("abcd"),
        ...                     generator=np.random.default_rng(0), resamples=100)
        >>> rows[0].metric, rows[0].value, rows[0].low, rows[0].high
        ('ribfrac_sensitivity', 0.75, 0.25, 1.0)
    """

    def measure(weights: npt.ArrayLike | None) -> FloatArray:
        score = ribfrac_score(matches, weights=weights)
        return np.array([score.mean, *score.sensitivity])

    drawn = group_bootstrap_weighted(
        groups, measure, generator=generator, resamples=resamples, level=level
    )
    names = ["ribfrac_sensitivity", *(f"ribfrac_sensitivity@{at:g}" for at in RIBFRAC_LEVELS)]
    method = (
        f"IoU > {_MORE_THAN:g}, {int(matches.references.sum())} fractures, percentile bootstrap, "
        f"{resamples} resamples of {drawn.groups} groups"
    )
    return tuple(
        Row(name, float(value), *drawn.interval(position), matches.references.size, method)
        for position, (name, value) in enumerate(zip(names, measure(None), strict=True))
    )


def _interpolated(curve: FrocCurve, levels: Sequence[float]) -> FloatArray:
    wanted = np.asarray(levels, dtype=np.float64)
    x, y = curve.false_positives, curve.sensitivity
    if x.size == 0:
        return np.zeros(wanted.size)
    if np.isnan(y).any():
        return np.full(wanted.size, np.nan)
    # Of several points above each other the highest stands left of a stretch, the lowest right.
    after = np.searchsorted(x, wanted, side="right")
    left, right = np.maximum(after - 1, 0), np.minimum(after, x.size - 1)
    width = np.where(right > left, x[right] - x[left], 1.0)
    values = y[left] + (y[right] - y[left]) * np.where(
        right > left, (wanted - x[left]) / width, 0.0
    )
    return np.where(after == 0, 0.0, values)
