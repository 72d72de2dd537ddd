"""Transforms of the plane: 2 x 3 matrices from (x, y) to (x, y), pixel centres at whole numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def scale_of(matrix: Matrix) -> float:
    """Return by how much lengths grow.

    Example:
        >>> scale_of(np.array([[0.0, -2.0, 5.0], [2.0, 0.0, 1.0]]))
        2.0
    """
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def inverse(matrix: Matrix) -> Matrix:
    """Return the way back."""
    return np.asarray(np.linalg.inv(np.vstack([matrix, [0.0, 0.0, 1.0]]))[:2], np.float64)


def after(second: Matrix, first: Matrix) -> Matrix:
    """Return the transform that does the first, then the second."""
    return np.asarray(second @ np.vstack([first, [0.0, 0.0, 1.0]]), np.float64)


def moved(matrix: Matrix, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return where points (x, y) come to lie, shape (points, 2)."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)


def rescaling(x: float, y: float, left: float = 0.0, top: float = 0.0) -> Matrix:
    """From pixels of a picture to those of one `x` times as wide and `y` times as high.

    Example:
        The corner of the first pixel stays where it is, its centre does not:

        >>> rescaling(2, 2)
        array([[2. , 0. , 0.5],
               [0. , 2. , 0.5]])
    """
    return np.array([[x, 0.0, 0.5 * x - 0.5 + left], [0.0, y, 0.5 * y - 0.5 + top]])


def between_resized(matrix: Matrix, scale: float) -> Matrix:
    """Return the same transform between the two pictures both resized by `scale`."""
    there = rescaling(scale, scale)
    return after(there, after(matrix, inverse(there)))
