"""A registration: where the pixels of one film or slice lie on another, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ImageError
from fracturax.transforms.transform import Values

# OpenCV has (x, y) and counts from the middle of the first pixel.
_MIDDLE = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
_SWAP = np.ix_([1, 0, 2], [1, 0, 2])

ScalarT = TypeVar("ScalarT", bound=np.generic)
Coordinates = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
Freedom = Literal["rigid", "affine"]
Method = Literal["mutual_information", "features", "correlation", "none"]

USABLE = 0.7
"""Quality from which a registration is worth using; see `benchmarks/accuracy/registration`."""


@dataclass(frozen=True)
class Registration:
    """Where the pixels of a moving image lie on a fixed one.

    Args:
        matrix: Maps `(row, column, 1)` of the moving image to the fixed one, in pixels that count
            from the outer edge of the first, as those of a `Box` do; shape (3, 3).
        moving_shape: Rows and columns of the moving image.
        fixed_shape: Rows and columns of the fixed image.
        freedom: What could move: `rigid` (turn and shift) or `affine` (scale and shear as well).
        method: What found it in the end; `none` where nothing did.
        quality: 0 to 1: how much of the structure of either image is explained by the other where
            they overlap. A score of agreement, not a probability.
        overlap: Share of the smaller image that lies on the other.
        inliers: Features that agree on the matrix; 0 where features did not.
        reason: Why it is not usable; empty where it is.

    Raises:
        ImageError: If the matrix is not affine, not finite or cannot be inverted.

    Example:
        >>> shifted = Registration(((1, 0, 5), (0, 1, -2), (0, 0, 1)), (9, 9), (9, 9))
        >>> shifted.points_to_fixed([[1.0, 3.0]]).tolist()
        [[6.0, 1.0]]
        >>> shifted.points_to_moving([[6.0, 1.0]]).tolist()
        [[1.0, 3.0]]
    """

    matrix: tuple[tuple[float, ...], ...]
    moving_shape: tuple[int, int]
    fixed_shape: tuple[int, int]
    freedom: Freedom = "affine"
    method: Method = "none"
    quality: float = 0.0
    overlap: float = 0.0
    inliers: int = 0
    reason: str = ""

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, float)
        is_affine = matrix.shape == (3, 3) and bool(np.isfinite(matrix).all())
        if not is_affine or tuple(matrix[2].tolist()) != (0, 0, 1):
            raise ImageError("a registration is an affine matrix", got=str(self.matrix))
        if abs(float(np.linalg.det(matrix))) < 1e-9:
            raise ImageError("a registration cannot be inverted", got=str(self.matrix))

    @property
    def is_usable(self) -> bool:
        """Whether it is worth using."""
        return not self.reason

    @property
    def inverse(self) -> Matrix:
        """The matrix from the fixed image to the moving one, shape (3, 3)."""
        inverse: Matrix = np.linalg.inv(np.asarray(self.matrix, float))
        return inverse

    def points_to_fixed(self, points: npt.ArrayLike) -> Coordinates:
        """Return `(row, column)` points of the moving image, shape `(n, 2)`, on the fixed one."""
        return map_points(np.asarray(self.matrix, float), points)

    def points_to_moving(self, points: npt.ArrayLike) -> Coordinates:
        """Return `(row, column)` points of the fixed image, shape `(n, 2)`, on the moving one."""
        return map_points(self.inverse, points)

    def move(self, pixels: Values, *, outside: float = 0.0) -> Values:
        """Return the moving image's pixels on the grid of the fixed one, interpolated linearly.

        Args:
            pixels: Shape `moving_shape`.
            outside: Value where the moving image does not reach.

        Raises:
            ImageError: If the pixels do not have the moving image's shape.
        """
        self._check(pixels.shape)
        return resample(pixels, np.asarray(self.matrix, float), self.fixed_shape, outside=outside)

    def move_mask(self, labels: npt.NDArray[ScalarT]) -> npt.NDArray[ScalarT]:
        """Return labels of the moving image on the fixed one; each keeps its value, outside is 0.

        Raises:
            ImageError: If the labels do not have the moving image's shape.
        """
        self._check(labels.shape)
        grid = np.indices(self.fixed_shape).reshape(2, -1).T + 0.5
        places = np.floor(self.points_to_moving(grid)).astype(np.int64)
        inside = ((places >= 0) & (places < self.moving_shape)).all(axis=1)
        moved = np.zeros(len(grid), labels.dtype)
        moved[inside] = labels[tuple(places[inside].T)]
        return moved.reshape(self.fixed_shape)

    def _check(self, shape: tuple[int, ...]) -> None:
        if shape != self.moving_shape:
            raise ImageError(
                "an image or mask does not fit the registration",
                got=f"shape {shape} for a moving image of shape {self.moving_shape}",
            )

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON-able data, with the inverse."""
        return {
            "matrix": [list(row) for row in self.matrix],
            "inverse": self.inverse.tolist(),
            "coordinates": "(row, column, 1) in pixels from the outer edge of the first pixel",
            "moving_shape": list(self.moving_shape),
            "fixed_shape": list(self.fixed_shape),
            "freedom": self.freedom,
            "method": self.method,
            "quality": self.quality,
            "overlap": self.overlap,
            "inliers": self.inliers,
            "is_usable": self.is_usable,
            "reason": self.reason or None,
        }


def map_points(matrix: Matrix, points: npt.ArrayLike) -> Coordinates:
    """Return points, shape `(n, 2)`, through a matrix, shape (3, 3)."""
    given: Coordinates = np.asarray(points, np.float64).reshape(-1, 2)
    mapped: Coordinates = given @ matrix[:2, :2].T + matrix[:2, 2]
    return mapped


def in_pixels(
    matrix: Matrix, moving_mm: tuple[float, float], fixed_mm: tuple[float, float]
) -> Matrix:
    """Return a matrix between millimetres as one between pixels of the given spacings."""
    to_pixels = np.diag([1 / fixed_mm[0], 1 / fixed_mm[1], 1.0])
    moved: Matrix = to_pixels @ matrix @ np.diag([*moving_mm, 1.0])
    return moved


def to_opencv(matrix: Matrix) -> Matrix:
    """Return a matrix of `(row, column)` from edges as OpenCV has it; shape (2, 3)."""
    there: Matrix = (np.linalg.inv(_MIDDLE) @ matrix @ _MIDDLE)[_SWAP]
    return there[:2]


def from_opencv(matrix: npt.ArrayLike) -> Matrix:
    """Return a matrix of OpenCV, shape (2, 3), as one of `(row, column)` from edges.

    Example:
        >>> shift = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, -2.0]])
        >>> from_opencv(shift)[:2, 2].tolist(), np.array_equal(to_opencv(from_opencv(shift)), shift)
        ([-2.0, 3.0], True)
    """
    there = np.vstack([np.asarray(matrix, np.float64), [0.0, 0.0, 1.0]])[_SWAP]
    found: Matrix = _MIDDLE @ there @ np.linalg.inv(_MIDDLE)
    return found


def resample(
    pixels: Values, matrix: Matrix, shape: tuple[int, int], *, outside: float = 0.0
) -> Values:
    """Return pixels moved by a matrix onto a grid of the given shape, interpolated linearly."""
    moved = cv2.warpAffine(
        np.ascontiguousarray(pixels, np.float32),
        to_opencv(matrix),
        shape[::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=outside,
    )
    return np.asarray(moved, np.float32).reshape(shape)
