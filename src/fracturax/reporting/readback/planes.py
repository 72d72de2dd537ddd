"""Where a stored image lies in the patient, read from its header alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plane:
    """An image in the patient.

    Args:
        position: Centre of the first pixel (LPS, mm).
        along_row: Unit vector from one column to the next.
        along_column: Unit vector from one row to the next.
        spacing_mm: Between rows and between columns.

    References:
        DICOM PS3.3, C.7.6.2.1.1 "Image Position And Image Orientation".
    """

    position: Matrix
    along_row: Matrix
    along_column: Matrix
    spacing_mm: tuple[float, float]

    def points_of(self, points_mm: Matrix) -> tuple[Matrix, Matrix]:
        """Return points of the patient in this image, and how far off its plane they lie.

        Args:
            points_mm: Shape `(n, 3)`.

        Returns:
            Column and row from the top left corner of the first pixel, shape `(n, 2)`; distance
            from the plane in mm, shape `(n,)`.

        Example:
            >>> plane = Plane(np.zeros(3), np.array([1.0, 0, 0]), np.array([0.0, 1, 0]), (2.0, 0.5))
            >>> points, distance = plane.points_of(np.array([[0.0, 0, 0], [1.0, 4, 3]]))
            >>> points.tolist(), distance.tolist()
            ([[0.5, 0.5], [2.5, 2.5]], [0.0, 3.0])
        """
        way = points_mm - self.position
        columns = way @ self.along_row / self.spacing_mm[1] + 0.5
        rows = way @ self.along_column / self.spacing_mm[0] + 0.5
        normal = np.cross(self.along_row, self.along_column)
        return np.stack([columns, rows], axis=1), np.abs(way @ normal)

    def corners_mm(self, rows: int, columns: int) -> Matrix:
        """Return the centres of the first pixel, of the first row's last and the column's last."""
        right = self.position + self.along_row * self.spacing_mm[1] * (columns - 1)
        down = self.position + self.along_column * self.spacing_mm[0] * (rows - 1)
        return np.stack([self.position, right, down])


def plane_of(dataset: Dataset, frame: int = 1) -> Plane | None:
    """Return where a frame lies in the patient; None if its header does not say.

    Args:
        dataset: The header of a CT slice, an enhanced CT or a segmentation.
        frame: Number of the frame, from 1.
    """
    groups: list[Any] = [dataset]
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    if 0 < frame <= len(per_frame):
        groups.insert(0, per_frame[frame - 1])
    groups += list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]
    position = _numbers(groups, "PlanePositionSequence", "ImagePositionPatient", 3)
    orientation = _numbers(groups, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    spacing = _numbers(groups, "PixelMeasuresSequence", "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None or min(spacing) <= 0:
        return None
    return Plane(position, orientation[:3], orientation[3:], (float(spacing[0]), float(spacing[1])))


def _numbers(groups: Sequence[Any], sequence: str, keyword: str, count: int) -> Matrix | None:
    for group in groups:
        for holder in (*(group.get(sequence) or ())[:1], group):
            value = holder.get(keyword)
            if value is not None and len(value) == count:
                numbers = np.array([float(one) for one in value])
                return numbers if np.isfinite(numbers).all() else None
    return None
