"""A random change of place: an affine map and a smooth bending; masks and points follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

ScalarT = TypeVar("ScalarT", bound=np.generic)
Points = npt.NDArray[np.float32]
Field = npt.NDArray[np.float32]

KNOTS = 5
"""Points along each side that a bending is drawn at; it is smooth between them."""
_ROUNDS = 30


@dataclass(frozen=True, eq=False)
class FilmWarp:
    """Where the pixels of a film go.

    Args:
        matrix: Maps `(x, y)` of the film, from pixel centres, into the result; shape (2, 3).
        rows: Rows of the result.
        columns: Columns of the result.
        bending: How far from where the matrix has it a pixel of the result is taken, `(x, y)`
            in pixels of the result, shape `(rows, columns, 2)`; None where nothing is bent.
    """

    matrix: npt.NDArray[np.float64]
    rows: int
    columns: int
    bending: Field | None = None

    def film(self, film: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return a film, shape `(film rows, film columns)`, in its new place, black outside."""
        if self.bending is None:
            size = (self.columns, self.rows)
            warped = cv2.warpAffine(film, self.matrix, size, flags=cv2.INTER_LINEAR)
        else:
            columns, rows = cv2.split(self._sources())
            warped = cv2.remap(film, columns, rows, cv2.INTER_LINEAR)
        return np.asarray(warped, np.uint8)

    def mask(self, labels: npt.NDArray[ScalarT]) -> npt.NDArray[ScalarT]:
        """Return labels of a film in their new place, each pixel the nearest; outside is 0."""
        places = np.floor(self._sources().astype(np.float64) + 0.5).astype(np.int64)
        columns, rows = places[..., 0], places[..., 1]
        inside = (rows >= 0) & (rows < labels.shape[0])
        inside &= (columns >= 0) & (columns < labels.shape[1])
        moved = np.zeros((self.rows, self.columns), labels.dtype)
        moved[inside] = labels[rows[inside], columns[inside]]
        return moved

    def points(self, points: Points) -> Points:
        """Return `(row, column)` points, shape `(n, 2)`, in pixels of the result.

        They count from the edge of the first pixel; a point may come to lie outside.
        """
        xy = points[:, ::-1] - 0.5
        moved = xy @ self.matrix[:, :2].T + self.matrix[:, 2]
        if self.bending is not None:
            straight = moved
            # A pixel at p shows what the matrix has at p + bending(p): solve for p. The bending
            # changes by less than its argument, so the rounds close in on the one answer.
            for _ in range(_ROUNDS):
                moved = straight - _at(self.bending, moved)
        moved = moved + 0.5
        return moved[:, ::-1].astype(np.float32)

    def boxes(self, boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return boxes `(row_min, column_min, row_max, column_max)`, shape `(n, 4)`, around theirs.

        A turned box is the one around its sides, so it grows; outlines fit more closely.
        """
        share = np.linspace(0, 1, 9)
        around = []
        for top, left, bottom, right in np.asarray(boxes, np.float64).reshape(-1, 4).tolist():
            rows = np.concatenate([top + share * (bottom - top)] * 2 + [[top] * 9, [bottom] * 9])
            columns = np.concatenate(
                [[left] * 9, [right] * 9] + [left + share * (right - left)] * 2
            )
            moved = self.points(np.stack([rows, columns], axis=1).astype(np.float32))
            around.append(np.concatenate([moved.min(axis=0), moved.max(axis=0)]))
        return np.array(around, np.float64).reshape(-1, 4)

    def _sources(self) -> Field:
        """Return, for each pixel of the result, `(x, y)` of the film, from pixel centres."""
        grid = np.stack(np.meshgrid(np.arange(self.columns), np.arange(self.rows)), axis=-1)
        there = grid.astype(np.float64)
        if self.bending is not None:
            there = there + self.bending
        back = np.linalg.inv(self.matrix[:, :2])
        found: Field = ((there - self.matrix[:, 2]) @ back.T).astype(np.float32)
        return found


def draw_bending(
    rows: int, columns: int, *, strength: float, generator: np.random.Generator
) -> Field:
    """Draw a smooth bending (Simard, Steinkraus and Platt, ICDAR 2003, on a coarse grid).

    Args:
        rows: Rows of the film.
        columns: Columns of the film.
        strength: Largest shift of a knot, as a share of the sides.
        generator: Source of all chance.
    """
    shifts = generator.uniform(-strength, strength, (KNOTS, KNOTS, 2)) * (columns, rows)
    smooth = cv2.resize(shifts.astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, np.float32)


def _at(field: Field, xy: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Return a field between its pixels, shape `(n, 2)`; beyond the edge it goes on evenly."""
    columns, rows = (np.ascontiguousarray(xy[:, side : side + 1], np.float32) for side in (0, 1))
    found = cv2.remap(field, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32).reshape(-1, 2)
