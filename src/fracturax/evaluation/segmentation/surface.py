"""Distances between the surfaces of two masks, in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fracturax.core.errors import DataError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """How far each surface pixel of one mask lies from the surface of the other.

    Args:
        predicted: Distances in mm of the surface of the prediction from that of the reference,
            shape `(p,)`.
        reference: Distances in mm of the surface of the reference from that of the prediction,
            shape `(r,)`.
    """

    predicted: FloatArray
    reference: FloatArray

    def within(self, tolerance_mm: float) -> int:
        """Return how many surface pixels of both lie within a tolerance of the other surface."""
        # Rounding must not push out what lies at the tolerance: 3 steps of 0.1 mm within 0.3.
        reach = tolerance_mm * (1 + 1e-9)
        return int((self.predicted <= reach).sum() + (self.reference <= reach).sum())

    @property
    def size(self) -> int:
        """How many surface pixels both have."""
        return self.predicted.size + self.reference.size

    @property
    def average_mm(self) -> float:
        """Mean of all distances, both ways: the average symmetric surface distance (ASSD)."""
        return float(np.concatenate([self.predicted, self.reference]).mean())

    def hausdorff_mm(self, share: float = 0.95) -> float:
        """Return the larger of both ways' quantiles of distance: HD95 at 0.95."""
        return float(max(np.quantile(self.predicted, share), np.quantile(self.reference, share)))


def surface_distances(
    predicted: BoolArray, reference: BoolArray, *, spacing_mm: Sequence[float]
) -> SurfaceDistances:
    """Return the distances between the surfaces of two masks that both are not empty.

    The surface of a mask are its pixels that share a side with one outside (or with the border of
    the image); distances run between their centers. Each surface pixel counts the same, also
    where spacing differs between axes.

    Args:
        predicted: Mask, shape `(rows, columns)` or `(slices, rows, columns)`.
        reference: Mask of the same shape.
        spacing_mm: Distance between pixel centers along each axis.

    Raises:
        DataError: If a mask is empty, or shapes or spacing do not fit.

    References:
        Heimann et al., IEEE Trans. Med. Imaging 28:1251-1265, 2009 (ASSD); Huttenlocher et al.,
        IEEE PAMI 15:850-863, 1993 (quantiles of the Hausdorff distance).

    Example:
        >>> line = np.zeros((1, 9), dtype=bool)
        >>> here, there = line.copy(), line.copy()
        >>> here[0, 2], there[0, 5] = True, True
        >>> surface_distances(here, there, spacing_mm=(1.0, 0.5)).hausdorff_mm()
        1.5
    """
    check_masks(predicted, reference, spacing_mm)
    if not (predicted.any() and reference.any()):
        raise DataError("an empty mask has no surface", cure="decide what an empty mask is worth")
    # Everything between both lies in their common bounding box.
    box = ndimage.find_objects((predicted | reference).astype(np.uint8))[0]
    one, other = _surface(predicted[box]), _surface(reference[box])
    spacing = tuple(spacing_mm)
    return SurfaceDistances(
        ndimage.distance_transform_edt(~other, sampling=spacing)[one],
        ndimage.distance_transform_edt(~one, sampling=spacing)[other],
    )


def check_masks(predicted: BoolArray, reference: BoolArray, spacing_mm: Sequence[float]) -> None:
    """Raise DataError unless two masks of bool have one shape, and one spacing an axis."""
    if predicted.dtype != np.bool_ or reference.dtype != np.bool_:
        raise DataError(
            "masks must be of bool",
            got=f"{predicted.dtype} and {reference.dtype}",
            cure="compare labels or threshold probabilities first",
        )
    if predicted.shape != reference.shape or predicted.ndim not in (2, 3) or not predicted.size:
        raise DataError(
            "masks need one shape, of two or three axes",
            got=f"{predicted.shape} and {reference.shape}",
        )
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if spacing.shape != (predicted.ndim,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise DataError(
            "spacing needs one positive number of mm an axis",
            got=f"{tuple(spacing_mm)} for {predicted.ndim} axes",
        )


def _surface(mask: BoolArray) -> BoolArray:
    return np.asarray(mask & ~ndimage.binary_erosion(mask))
