"""Free-response curves: sensitivity for fractures against false positives an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.localization.detections import Criterion, Detections, FloatArray
from fracturax.evaluation.localization.matching import (
    Matches,
    Repeats,
    image_counts,
    match_images,
)

ImageKind = Literal["all", "normal", "abnormal"]


@dataclass(frozen=True, eq=False)
class FrocCurve:
    """Free-response curve: one point for each distinct score, strictest first.

    Args:
        thresholds: A box is shown from this score on, shape `(points,)`.
        false_positives: Mean number of false positives an image, shape `(points,)`.
        sensitivity: Share of fractures found, shape `(points,)`.
    """

    thresholds: FloatArray
    false_positives: FloatArray
    sensitivity: FloatArray


def froc(
    images: Sequence[Detections],
    *,
    iou: float = 0.5,
    criterion: Criterion = "iou",
    repeats: Repeats = "false",
    over: ImageKind = "all",
) -> FrocCurve:
    """Return sensitivity for fractures against false positives an image.

    Args:
        images: All images, healthy ones too.
        iou: Least overlap of a match.
        criterion: `iou`, or `center`: the center of the prediction lies in the reference.
        repeats: What becomes of a second detection of one fracture; as in `match_images`.
        over: Which images' false positives are counted; as in `froc_of_matches`.

    Raises:
        DataError: If no image has a reference box.

    References:
        Bunch et al., Proc. SPIE 127:124-135, 1977; Chakraborty, Medical Physics 16:561-568, 1989.

    Example:
        >>> from fracturax.evaluation.localization import ImageDetections
        >>> box = np.array([[0.0, 0, 10, 10]])
        >>> found = ImageDetections("a", "1", box, np.array([0.8]), box)
        >>> healthy = ImageDetections("b", "1", box, np.array([0.9]), np.empty((0, 4)))
        >>> curve = froc([found, healthy])
        >>> curve.false_positives, curve.sensitivity
        (array([0.5, 0.5]), array([0., 1.]))
    """
    matches = match_images(images, thresholds=(iou,), criterion=criterion, repeats=repeats)
    return froc_of_matches(matches, over=over)


def froc_of_matches(
    matches: Matches, *, weights: npt.ArrayLike | None = None, over: ImageKind = "all"
) -> FrocCurve:
    """Return the FROC curve of boxes matched at one overlap.

    Args:
        matches: From `match_images`, with one threshold.
        weights: How often each image counts, shape `(images,)`.
        over: Which images' false positives are counted, an image of that kind: `all`, `normal`
            (those without a fracture), or `abnormal`. Sensitivity is the same for all three.

    Returns:
        The curve; NaN if the weights leave no reference box or no such image.

    Raises:
        DataError: If there is more than one threshold, no image has a reference box, or the
            weights are not valid.
    """
    matches = matches.only
    counts, total = image_counts(matches, weights)
    weight = counts[matches.image]
    scores = matches.scores
    judged = {
        "all": matches.references >= 0,
        "normal": ~matches.is_abnormal,
        "abnormal": matches.is_abnormal,
    }
    if over not in judged:
        raise DataError("false positives are over 'all', 'normal' or 'abnormal'", got=repr(over))
    images = counts * judged[over]
    is_false = matches.counted[0] & ~matches.hits[0]
    # Boxes of one score are shown together or not at all.
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: scores.size])
    found = np.cumsum(weight * matches.hits[0])[ends]
    false = np.cumsum(images[matches.image] * is_false)[ends]
    sensitivity = found / total if total else np.full(ends.size, np.nan)
    if not images.sum():
        return FrocCurve(scores[ends], np.full(ends.size, np.nan), np.full(ends.size, np.nan))
    return FrocCurve(scores[ends], false / images.sum(), sensitivity)


def sensitivity_at_false_positives(
    curve: FrocCurve, levels: Sequence[float] = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
) -> FloatArray:
    """Return the best sensitivity that keeps false positives an image at or below each level.

    No interpolation: every value belongs to a threshold one can set.

    Args:
        curve: From `froc`.
        levels: False positives an image; the default is that of LUNA16.

    Returns:
        Sensitivities, shape `(levels,)`; 0 where no threshold keeps the level, NaN where the
        curve is not defined.

    References:
        Setio et al., Medical Image Analysis 42:1-13, 2017 (the levels).

    Example:
        >>> curve = FrocCurve(np.array([0.9, 0.5, 0.1]), np.array([0.0, 0.5, 3.0]),
        ...                   np.array([0.4, 0.7, 0.9]))
        >>> sensitivity_at_false_positives(curve, [0.125, 1.0, 4.0])
        array([0.4, 0.7, 0.9])
    """
    reached = np.searchsorted(curve.false_positives, np.asarray(levels), side="right")
    if np.isnan(curve.sensitivity).any():
        return np.full(len(levels), np.nan)
    return np.asarray(np.append(0.0, curve.sensitivity)[reached])


def froc_area(curve: FrocCurve, *, up_to: float = 1.0) -> float:
    """Return the mean sensitivity between 0 and a number of false positives an image.

    The area below the curve, as a staircase, divided by its width; in [0, 1].

    Raises:
        DataError: If `up_to` is not positive.

    Example:
        >>> curve = FrocCurve(np.array([0.9, 0.5]), np.array([0.0, 0.5]), np.array([0.4, 0.8]))
        >>> round(froc_area(curve, up_to=1.0), 3)
        0.6
    """
    if not up_to > 0:
        raise DataError("the area of a FROC curve needs a positive width", got=str(up_to))
    edges = np.concatenate([[0.0], np.minimum(curve.false_positives, up_to), [up_to]])
    return float((np.diff(edges) * np.append(0.0, curve.sensitivity)).sum() / up_to)
