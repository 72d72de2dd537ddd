"""Operating points of places and of whole bones, where a few patients are all there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.core.prediction import OperatingPoints
from fracturax.evaluation import threshold_for_sensitivity, threshold_for_specificity

_SENSITIVITY, _SPECIFICITY = 0.95, 0.9
_LEAST_BROKEN = 0.1
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bones:
    """Whole bones, each by its most suspicious place.

    Args:
        names: Patient and bone, sorted.
        highest: Highest value among a bone's places, shape `(n,)`.
        broken: Whether a fracture lies in every tenth of its places or more, shape `(n,)`.
    """

    names: tuple[tuple[str, str], ...]
    highest: Floats
    broken: npt.NDArray[np.bool_]

    @property
    def operating_points(self) -> OperatingPoints:
        """Below the one lies no broken bone, from the other on no unbroken one.

        Raises:
            DataError: If all bones are broken, or none is.
        """
        if not 0 < self.broken.sum() < len(self.broken):
            raise DataError(
                "operating points need broken and unbroken bones",
                got=f"{int(self.broken.sum())} of {len(self.broken)} broken",
            )
        sensitive = float(self.highest[self.broken].min())
        specific = max(sensitive, float(np.nextafter(self.highest[~self.broken].max(), 2)))
        return OperatingPoints(sensitive, min(specific, 1.0))


def by_bone(
    names: Sequence[tuple[str, str]], values: Floats, reference: npt.NDArray[np.int_]
) -> Bones:
    """Return the bones of places.

    Args:
        names: Patient and bone of each place.
        values: How suspicious each place is, shape `(n,)`.
        reference: 1 where a fracture lies in it, shape `(n,)`.

    Example:
        >>> names = [("a", "left"), ("a", "left"), ("a", "right")]
        >>> bones = by_bone(names, np.array([0.2, 0.9, 0.4]), np.array([0, 1, 0]))
        >>> bones.highest.tolist(), bones.broken.tolist()
        ([0.9, 0.4], [True, False])
    """
    found = sorted(set(names))
    inside = [np.array([name == bone for name in names]) for bone in found]
    return Bones(
        tuple(found),
        np.array([values[chosen].max() for chosen in inside]),
        # A fracture of the bone beside reaches into a place or two of an unbroken one.
        np.array([bool(reference[chosen].mean() >= _LEAST_BROKEN) for chosen in inside]),
    )


def place_points(reference: npt.NDArray[np.int_], probability: Floats) -> OperatingPoints:
    """Return the points at sensitivity 0.95 and specificity 0.9 of places, in this order."""
    sensitive = threshold_for_sensitivity(reference, probability, _SENSITIVITY)
    specific = min(threshold_for_specificity(reference, probability, _SPECIFICITY), 1.0)
    return OperatingPoints(min(sensitive, specific), specific)
