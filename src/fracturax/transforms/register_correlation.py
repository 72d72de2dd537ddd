"""Registration by correlation: the last fraction of a pixel, where grey values go together."""

from __future__ import annotations

import cv2
import numpy as np

from fracturax.transforms.register_information import View
from fracturax.transforms.registration import Freedom, Matrix, from_opencv, in_pixels, resample

_ROUNDS = 100
_LEAST_GAIN = 1e-6
_BLUR_PX = 5
_SQUARE = 1e-3


def polish(moving: View, fixed: View, start: Matrix, *, freedom: Freedom) -> Matrix | None:
    """Return the movement near a start with the most correlation, or None where there is none.

    Args:
        moving: What is moved.
        fixed: What stays.
        start: From `(row, column, 1)` of the moving image to the fixed one, in mm from the outer
            edges; shape (3, 3); right within a few pixels.
        freedom: `rigid` or `affine`; a rigid movement needs square pixels.

    Returns:
        A matrix like `start`.

    References:
        Evangelidis and Psarakis, "Parametric image alignment using enhanced correlation
        coefficient maximization", IEEE TPAMI 30 (2008) 1858.
    """
    rows_mm, columns_mm = fixed.spacing_mm
    if freedom == "rigid" and abs(rows_mm / columns_mm - 1) > _SQUARE:
        return None
    shape = (int(fixed.pixels.shape[0]), int(fixed.pixels.shape[1]))
    matrix = in_pixels(start, moving.spacing_mm, fixed.spacing_mm)
    moved = resample(moving.pixels, matrix, shape)
    there = resample(np.ones_like(moving.pixels), matrix, shape) > 0.999
    motion = cv2.MOTION_EUCLIDEAN if freedom == "rigid" else cv2.MOTION_AFFINE
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _ROUNDS, _LEAST_GAIN)
    try:
        _, rest = cv2.findTransformECC(
            np.ascontiguousarray(fixed.pixels),
            moved,
            np.eye(2, 3, dtype=np.float32),
            motion,
            criteria,
            there.astype(np.uint8),
            _BLUR_PX,
        )
    except cv2.error:
        # It did not converge: the images do not correlate.
        return None
    # The rest leads from the fixed image to the moved one.
    back = from_opencv(rest)
    if not np.isfinite(back).all() or abs(float(np.linalg.det(back))) < _SQUARE:
        return None
    to_mm = np.diag([rows_mm, columns_mm, 1.0])
    polished: Matrix = to_mm @ np.linalg.inv(back) @ np.linalg.inv(to_mm) @ start
    return polished
