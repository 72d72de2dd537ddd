"""Average precision of detections, as COCO defines it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.evaluation.localization.detections import Detections, FloatArray
from fracturax.evaluation.localization.matching import (
    COCO_THRESHOLDS,
    Matches,
    image_counts,
    match_images,
    threshold_position,
)

_RECALL_POINTS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision at each overlap.

    Args:
        thresholds: Overlaps.
        values: Average precision at each of them.
    """

    thresholds: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, threshold: float) -> float:
        """Return the average precision at one overlap (mAP50 at 0.5)."""
        return self.values[threshold_position(self.thresholds, threshold)]

    @property
    def mean(self) -> float:
        """Mean over the overlaps (mAP50-95 over `COCO_THRESHOLDS`)."""
        return math.fsum(self.values) / len(self.values)


def average_precision(matches: Matches, *, weights: npt.ArrayLike | None = None) -> FloatArray:
    """Return the average precision at each overlap, interpolated at COCO's 101 recalls.

    Equal to COCOeval for one category, no crowd, all areas and no limit of detections: a box in
    an image without reference is a false positive.

    Args:
        matches: From `match_images`.
        weights: How often each image counts, shape `(images,)`; what a bootstrap draws.

    Returns:
        Average precision, shape `(thresholds,)`; NaN if the weights leave no reference box.

    Raises:
        DataError: If no image has a reference box or the weights are not valid.

    References:
        Lin et al., Microsoft COCO, ECCV 2014; `COCOeval.accumulate` of pycocotools.

    Example:
        >>> from fracturax.evaluation.localization import ImageDetections
        >>> box = np.array([[0.0, 0, 10, 10]])
        >>> found = ImageDetections("a", "1", box, np.array([0.8]), box)
        >>> healthy = ImageDetections("b", "1", box, np.array([0.9]), np.empty((0, 4)))
        >>> average_precision(match_images([found, healthy], thresholds=[0.5])).round(3)
        array([0.5])
    """
    counts, total = image_counts(matches, weights)
    if total == 0:
        return np.full(len(matches.thresholds), np.nan)
    weight = counts[matches.image]
    shown = np.cumsum(weight)
    has_repeats = not matches.counted.all()
    values = np.zeros(len(matches.thresholds))
    for row, hit in enumerate(matches.hits):
        if has_repeats:
            shown = np.cumsum(weight * matches.counted[row])
        # Between two hits precision only falls, so the hits alone make the envelope.
        at = np.flatnonzero(hit)
        if at.size == 0:
            continue
        found = np.cumsum(weight[at])
        precision = found / np.maximum(shown[at], np.spacing(1))
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        reached = np.searchsorted(found / total, _RECALL_POINTS, side="left")
        values[row] = np.append(envelope, 0.0)[reached].mean()
    return values


def mean_average_precision(
    images: Sequence[Detections], *, thresholds: Sequence[float] = COCO_THRESHOLDS
) -> AveragePrecision:
    """Return average precision at each overlap: `.at(0.5)` is mAP50, `.mean` mAP50-95.

    Args:
        images: All images to be judged, healthy ones included if their false boxes shall count.
        thresholds: Overlaps.

    Raises:
        DataError: If no image has a reference box.

    Example:
        >>> from fracturax.evaluation.localization import ImageDetections
        >>> box = np.array([[0.0, 0, 10, 10]])
        >>> shifted = ImageDetections("a", "1", box + [0, 2, 0, 2], np.array([0.8]), box)
        >>> result = mean_average_precision([shifted])
        >>> result.at(0.5), round(result.mean, 3)
        (1.0, 0.4)
    """
    values = average_precision(match_images(images, thresholds=thresholds))
    return AveragePrecision(tuple(thresholds), tuple(values.tolist()))
