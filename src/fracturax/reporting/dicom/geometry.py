"""From our boxes to DICOM's coordinates.

Our boxes are half-open and their edges lie between pixels: row 0, column 0 is the top left corner
of the first pixel. DICOM's image-relative coordinates, in structured reports (SCOORD) and in
presentation states (PIXEL), are `column, row` from that same corner: 0.0, 0.0 is the corner of
the first pixel, 1.0, 1.0 its opposite one. So a box is written as it is, with its axes swapped.
Patient coordinates count from the centre of a pixel, half a pixel further in.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import GeometryError
from fracturax.core.geometry import Box, Geometry

Points = npt.NDArray[np.float64]


def corners(box: Box, *, rows: int, columns: int) -> Points:
    """Return the closed outline of a box, clockwise from its top left corner.

    Args:
        box: In pixels of the original image.
        rows: Of that image.
        columns: Of that image.

    Returns:
        `(column, row)` of five points, the last one the first, inside the image; shape `(5, 2)`.

    Raises:
        GeometryError: If the box lies outside the image.

    References:
        DICOM PS3.3, C.18.6.1.2 "Graphic Data" and C.10.5.1.2.

    Example:
        >>> corners(Box(10, 20, 30, 60), rows=100, columns=100).tolist()
        [[20.0, 10.0], [60.0, 10.0], [60.0, 30.0], [20.0, 30.0], [20.0, 10.0]]
    """
    inside = clipped(box, rows=rows, columns=columns)
    top, left, bottom, right = inside.as_tuple()
    return np.array(
        [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], np.float64
    )


def clipped(box: Box, *, rows: int, columns: int) -> Box:
    """Return the part of a box inside its image.

    Raises:
        GeometryError: If there is none.
    """
    inside = box.clipped(rows=rows, columns=columns)
    if inside is None:
        raise GeometryError(
            "a finding lies outside its image", got=f"{box.as_tuple()} in {rows} x {columns}"
        )
    return inside


def patient_points(geometry: Geometry, points: Points, *, plane: int) -> Points:
    """Return where points of one slice lie in the patient.

    Args:
        geometry: Of the volume, with its affine.
        points: `(column, row)` from the corner of the first pixel, shape `(n, 2)`.
        plane: Position of the slice.

    Returns:
        DICOM patient coordinates (LPS, mm), shape `(n, 3)`.

    Raises:
        GeometryError: If the place of the volume is not known.

    Example:
        >>> where = Geometry.from_affine(np.diag([3.0, 0.5, 0.5, 1.0]))
        >>> patient_points(where, np.array([[0.5, 0.5]]), plane=2).tolist()
        [[6.0, 0.0, 0.0]]
    """
    if geometry.affine is None:
        raise GeometryError(
            "the place of the volume in the patient is not known",
            got="no position in the file",
            cure="give the original series",
        )
    count = len(points)
    # Centres of pixels are whole numbers in the affine, and halves from the corner.
    indices = np.column_stack(
        (np.full(count, float(plane)), points[:, 1] - 0.5, points[:, 0] - 0.5, np.ones(count))
    )
    placed: Points = indices @ np.asarray(geometry.affine, float).T
    return placed[:, :3]


def pixel_range(box: Box, *, rows: int, columns: int) -> tuple[slice, slice]:
    """Return the whole pixels that stand for a box: those whose centre lies in it, at least one.

    Example:
        >>> pixel_range(Box(9.6, 20, 30.4, 60.5), rows=100, columns=100)
        (slice(10, 30, None), slice(20, 60, None))
    """
    inside = clipped(box, rows=rows, columns=columns)
    return (
        _nearest(inside.row_min, inside.row_max, rows),
        _nearest(inside.column_min, inside.column_max, columns),
    )


def _nearest(low: float, high: float, size: int) -> slice:
    # A centre on the edge belongs to the box above, as its edges are half-open.
    first, last = int(np.ceil(low - 0.5)), int(np.ceil(high - 0.5))
    if last <= first:
        first = min(max(int((low + high) / 2), 0), size - 1)
        last = first + 1
    return slice(first, last)
