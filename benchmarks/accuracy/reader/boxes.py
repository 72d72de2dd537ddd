"""What boxes are worth: the numbers by which ways of finding them are compared here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fracturax.evaluation.localization import (
    Matches,
    average_precision,
    froc_of_matches,
    sensitivity_at_false_positives,
)

FALSE_BOXES = 0.5
"""A film, at which sensitivity is told."""
FOUND = (
    "mAP50, fractured films",
    "mAP50-95, fractured films",
    "mAP50, all films",
    f"sensitivity at {FALSE_BOXES} false boxes a film",
)


def found(matches: Matches, weights: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return what `FOUND` names, in its order.

    Args:
        matches: At the overlaps of COCO.
        weights: How often each film counts, shape `(films,)`.
    """
    fractured = average_precision(matches, weights=weights * matches.is_abnormal)
    at_half = matches.at(0.5)
    curve = froc_of_matches(at_half, weights=weights)
    return np.array(
        [
            fractured[0],
            fractured.mean(),
            average_precision(at_half, weights=weights)[0],
            sensitivity_at_false_positives(curve, [FALSE_BOXES])[0],
        ]
    )
