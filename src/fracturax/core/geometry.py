"""Where pixels lie: boxes in an image, and the place of an image in millimetres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import GeometryError

Extent = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Least and greatest corner of a box in the patient: left, posterior, superior (LPS), mm."""

SpacingMeaning = Literal["imager_plane", "calibrated", "patient", "unspecified"]


@dataclass(frozen=True, order=True)
class Box:
    """A half-open rectangle in pixels of the original image; edges lie between pixels.

    Raises:
        GeometryError: If a side is not finite or the box is empty.

    Example:
        >>> Box(10, 20, 30, 60).area
        800.0
        >>> round(Box(0, 0, 10, 10).iou(Box(0, 5, 10, 15)), 3)
        0.333
    """

    row_min: float
    column_min: float
    row_max: float
    column_max: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(side) for side in self.as_tuple()):
            raise GeometryError("a box has a side that is no number", got=str(self.as_tuple()))
        if self.row_max <= self.row_min or self.column_max <= self.column_min:
            raise GeometryError(
                "a box is empty",
                got=str(self.as_tuple()),
                cure="give (row_min, column_min, row_max, column_max), minimum below maximum",
            )

    def as_tuple(self) -> tuple[float, float, float, float]:
        """Return `(row_min, column_min, row_max, column_max)`."""
        return (self.row_min, self.column_min, self.row_max, self.column_max)

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return float((self.row_max - self.row_min) * (self.column_max - self.column_min))

    def iou(self, other: Box) -> float:
        """Return intersection over union with another box, in [0, 1]."""
        rows = min(self.row_max, other.row_max) - max(self.row_min, other.row_min)
        columns = min(self.column_max, other.column_max) - max(self.column_min, other.column_min)
        shared = max(rows, 0.0) * max(columns, 0.0)
        return shared / (self.area + other.area - shared)

    def clipped(self, *, rows: int, columns: int) -> Box | None:
        """Return the part inside an image of the given shape, or None if there is none."""
        sides = (
            max(self.row_min, 0.0),
            max(self.column_min, 0.0),
            min(self.row_max, float(rows)),
            min(self.column_max, float(columns)),
        )
        return Box(*sides) if sides[2] > sides[0] and sides[3] > sides[1] else None


@dataclass(frozen=True)
class Geometry:
    """Spacing of an image in millimetres, and its place in the patient where that is known.

    Args:
        spacing_mm: Distance between pixel centres along each array axis
            (`(rows, columns)` or `(slices, rows, columns)`), or None if the file does not say.
        spacing_meaning: `imager_plane` (at the detector, so the body is smaller),
            `calibrated` (corrected for magnification or by a fiducial), `patient`
            (cross-sectional: true millimetres), `unspecified`.
        affine: Maps `(slice, row, column, 1)` to DICOM patient coordinates (LPS, mm),
            shape (4, 4); None for a radiograph or a file without a position.

    Raises:
        GeometryError: If a spacing is not a positive number or the affine is singular.

    References:
        DICOM PS3.3, C.7.6.2 "Image Plane Module" and 10.7.1.3 "Pixel Spacing Value Order".
    """

    spacing_mm: tuple[float, ...] | None = None
    spacing_meaning: SpacingMeaning = "unspecified"
    affine: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        if self.spacing_mm is not None and not all(
            math.isfinite(value) and value > 0 for value in self.spacing_mm
        ):
            raise GeometryError(
                "the pixel spacing must be positive millimetres",
                got=str(self.spacing_mm),
                cure="correct the spacing in the file, or remove it if it is unknown",
            )
        if self.affine is not None:
            matrix = np.asarray(self.affine, dtype=float)
            usable = matrix.shape == (4, 4) and bool(np.isfinite(matrix).all())
            if not usable or abs(np.linalg.det(matrix[:3, :3])) < 1e-9:
                raise GeometryError("the position of the image is impossible", got=str(self.affine))

    @classmethod
    def from_affine(cls, affine: npt.ArrayLike) -> Geometry:
        """Build the geometry of a volume from its index-to-patient matrix (LPS, mm).

        Example:
            >>> Geometry.from_affine(np.diag([3.0, 0.5, 0.5, 1.0])).spacing_mm
            (3.0, 0.5, 0.5)
        """
        matrix = np.asarray(affine, dtype=float)
        spacing: Sequence[float] = np.linalg.norm(matrix[:3, :3], axis=0).tolist()
        rows = tuple(tuple(float(value) for value in row) for row in matrix)
        return cls(tuple(spacing), "patient", rows)

    def extent_mm(self, box: Box, slices: tuple[float, float]) -> Extent | None:
        """Return where a box of a volume lies in the patient, or None if that is not known.

        Args:
            box: Rows and columns, in pixels of the volume.
            slices: Half-open range of slices.

        Returns:
            The box along the patient's own axes that holds all its corners.

        Example:
            >>> geometry = Geometry.from_affine(
            ...     [[0, 0, 0.5, 10], [0, 0.5, 0, 20], [3, 0, 0, 30], [0, 0, 0, 1]]
            ... )
            >>> geometry.extent_mm(Box(0, 0, 2, 4), (0, 1))
            ((9.75, 19.75, 28.5), (11.75, 20.75, 31.5))
        """
        if self.affine is None:
            return None
        corners = np.array(
            [
                (slice_, row, column, 1.0)
                for slice_ in slices
                for row in (box.row_min, box.row_max)
                for column in (box.column_min, box.column_max)
            ]
        )
        # An index names the middle of a voxel, an edge lies half a voxel before it.
        corners[:, :3] -= 0.5
        placed = (corners @ np.asarray(self.affine, float).T)[:, :3]
        low, high = placed.min(axis=0).tolist(), placed.max(axis=0).tolist()
        return (low[0], low[1], low[2]), (high[0], high[1], high[2])
