"""Windows: squares about candidate boxes, enlarged to one size for a closer look."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.transforms.plan import Placement, PreprocessingPlan, fit
from fracturax.transforms.stretch import stretch

Affine = npt.NDArray[np.float64]
"""Maps `(x, y)` of a film, counted from pixel centres, into a window; shape `(2, 3)`."""


Box = npt.NDArray[np.float64]
"""`(row_min, column_min, row_max, column_max)`, shape `(4,)`."""


@dataclass(frozen=True)
class WindowPlan:
    """How windows are cut.

    Args:
        size: Rows and columns of a window, a multiple of 16.
        context: Side of the square, in sides of the candidate box (geometric mean).
        least_input_px: Smallest side, in pixels of the input of the first look.
        detail: Film that windows are cut from, at most this many times the input of the first
            look; larger films are reduced to it first.
        at_most: Candidates of a film that are looked at again.
    """

    size: int = 96
    context: float = 3.0
    least_input_px: float = 48.0
    detail: float = 2.0
    at_most: int = 8

    def side(self, box: Box, *, scale: float) -> float:
        """Return the side of the square about a box.

        Args:
            box: `(row_min, column_min, row_max, column_max)`, in pixels of a film.
            scale: Pixels of that film for one pixel of the first look's input.

        Example:
            >>> WindowPlan().side(np.array([0.0, 0.0, 20.0, 80.0]), scale=1.0)
            120.0
        """
        rows, columns = np.maximum(box[2:] - box[:2], 1e-3)
        return max(self.context * float(np.sqrt(rows * columns)), self.least_input_px * scale)


@dataclass(frozen=True, eq=False)
class Detail:
    """A film in the grey range of the first look, but finer: what windows are cut from.

    Args:
        pixels: Grey values, shape `(rows, columns)`.
        zoom: Its pixels for one pixel of the original.
        scale: Its pixels for one pixel of the first look's input.
    """

    pixels: npt.NDArray[np.uint8]
    zoom: float
    scale: float


def take_detail(
    pixels: npt.NDArray[np.float32], placement: Placement, plan: PreprocessingPlan, detail: float
) -> Detail:
    """Take from an original what windows need, at most `detail` times as fine as the input.

    Args:
        pixels: Display values of the original in [0, 1], shape `(rows, columns)`.
        placement: Where, and in which grey range, `plan` put it.
        plan: Preprocessing of the first look.
        detail: Most pixels for one pixel of the input, along a side.
    """
    zoom = 1.0
    if placement.scale * detail < 1:
        limit = (round(plan.rows * detail), round(plan.columns * detail))
        pixels, zoom = fit(pixels, rows=limit[0], columns=limit[1])
    values = stretch(pixels, black=placement.black, white=placement.white)
    eight_bit = np.asarray(cv2.convertScaleAbs(values, alpha=255.0), np.uint8)
    return Detail(eight_bit, zoom, zoom / placement.scale)


def cut_window(
    film: npt.NDArray[np.uint8],
    center: tuple[float, float],
    *,
    side: float,
    size: int,
    degrees: float = 0.0,
    is_mirrored: bool = False,
) -> tuple[npt.NDArray[np.uint8], Affine]:
    """Cut a square out of a film and bring it to `size`, black where it reaches over the edge.

    Args:
        film: Grey values, shape `(rows, columns)`.
        center: Row and column of the square's centre.
        side: Side of the square, in pixels of the film.
        size: Rows and columns of the window.
        degrees: Rotation of the square about its centre.
        is_mirrored: Whether to mirror it left to right.

    Returns:
        The window, shape `(size, size)`, and the map from film to window.

    Example:
        >>> film = np.zeros((100, 100), np.uint8)
        >>> film[40:60, 40:60] = 255
        >>> window, _ = cut_window(film, (50, 50), side=40, size=8)
        >>> int(window[3:5, 3:5].min()), int(window[0].max())
        (255, 0)
    """
    zoom = size / side
    angle = np.deg2rad(degrees)
    mirror = -1.0 if is_mirrored else 1.0
    turn = zoom * np.array(
        [[mirror * np.cos(angle), -np.sin(angle)], [mirror * np.sin(angle), np.cos(angle)]]
    )
    # Corner coordinates count from the edge of the first pixel, OpenCV's from its centre.
    middle = np.array([center[1], center[0]]) - 0.5
    matrix = np.hstack([turn, ((size - 1) / 2 - turn @ middle)[:, None]])
    part, corner = _around(film, middle, side)
    if zoom < 1:
        # Bilinear sampling sees two pixels: smooth what it would step over.
        part = np.asarray(cv2.GaussianBlur(part, (0, 0), 0.4 / zoom), np.uint8)
    local = matrix.copy()
    local[:, 2] += turn @ corner
    window = cv2.warpAffine(part, local, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(window, np.uint8), matrix


def _around(
    film: npt.NDArray[np.uint8], middle: npt.NDArray[np.float64], side: float
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Return the part of a film that a turned square can reach, and its first pixel `(x, y)`."""
    reach = side * 0.75 + 4
    low = np.floor(middle - reach).astype(int)
    high = np.ceil(middle + reach).astype(int)
    limit = np.array(film.shape[::-1])
    low = np.clip(low, 0, limit - 1)
    high = np.clip(high, low + 1, limit)
    return film[low[1] : high[1], low[0] : high[0]], low.astype(np.float64)


def to_window(
    points: npt.NDArray[np.float32] | npt.NDArray[np.float64], matrix: Affine
) -> npt.NDArray[np.float32]:
    """Move `(row, column)` points, shape `(n, 2)`, from the film into the window."""
    xy = points[:, ::-1] - 0.5
    moved = xy @ matrix[:, :2].T + matrix[:, 2] + 0.5
    return moved[:, ::-1].astype(np.float32)


def boxes_from_window(boxes: npt.NDArray[np.float64], matrix: Affine) -> npt.NDArray[np.float64]:
    """Move boxes of an upright window, shape `(n, 4)`, back into the film.

    Example:
        >>> _, matrix = cut_window(np.zeros((64, 64), np.uint8), (32, 32), side=16, size=32)
        >>> boxes_from_window(np.array([[0.0, 0.0, 32.0, 16.0]]), matrix).tolist()
        [[24.0, 24.0, 40.0, 32.0]]
    """
    zoom = matrix[0, 0]
    shift = (matrix[::-1, 2] + 0.5) / zoom - 0.5
    moved: npt.NDArray[np.float64] = boxes / zoom - np.tile(shift, 2)
    return moved
