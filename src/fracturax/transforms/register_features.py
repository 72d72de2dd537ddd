"""Registration by features: places of two films that look alike, and what most of them agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.transforms.register_information import View
from fracturax.transforms.registration import Freedom, Matrix, map_points
from fracturax.transforms.transform import Values

_LEAST_INLIERS = 12
_LEAST_SHARE = 0.15
_TOLERANCE_PX = 2.0
_RATIO = 0.8
_MOST_FEATURES = 3000
_SCALE_TOLERANCE = 0.03
_LEAST_SPREAD = 0.1

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Agreement:
    """What the features of two images agree on.

    Args:
        matrix: From `(row, column, 1)` of the moving image to the fixed one, in mm from the outer
            edges; shape (3, 3).
        inliers: How many agree.
    """

    matrix: Matrix
    inliers: int


def match_features(moving: View, fixed: View, *, freedom: Freedom, seed: int) -> Agreement | None:
    """Return the matrix that SIFT features agree on, or None where they do not.

    Args:
        moving: What is moved.
        fixed: What stays.
        freedom: `rigid` or `affine`.
        seed: Of the random samples.

    Returns:
        The matrix, fitted to all that agree, and how many do.

    References:
        Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60 (2004) 91.
        Fischler and Bolles, "Random sample consensus", Comm ACM 24 (1981) 381.
    """
    there, here = _pairs(moving.pixels, fixed.pixels)
    if len(there) < _LEAST_INLIERS:
        return None
    there, here = there * moving.spacing_mm, here * fixed.spacing_mm
    cv2.setRNGSeed(seed)
    fit = cv2.estimateAffine2D if freedom == "affine" else cv2.estimateAffinePartial2D
    fitted: tuple[Any, Any] = fit(
        there,
        here,
        method=cv2.RANSAC,
        ransacReprojThreshold=_TOLERANCE_PX * max(fixed.spacing_mm),
        maxIters=5000,
        confidence=0.999,
        refineIters=20,
    )
    found, flags = fitted
    if found is None:
        return None
    agree = np.asarray(flags, bool).reshape(-1)
    inliers = int(agree.sum())
    if inliers < max(_LEAST_INLIERS, _LEAST_SHARE * len(agree)):
        return None
    spread = np.ptp(here[agree], axis=0) / np.multiply(fixed.pixels.shape, fixed.spacing_mm)
    if spread.min() < _LEAST_SPREAD:
        return None
    matrix: Matrix = np.vstack([found, [0.0, 0.0, 1.0]])
    if freedom == "rigid":
        scale = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
        if abs(scale - 1) > _SCALE_TOLERANCE:
            return None
        matrix = fit_rigid(there[agree], here[agree])
    return Agreement(matrix, inliers)


def fit_rigid(there: Points, here: Points) -> Matrix:
    """Return the turn and shift that bring points nearest to others.

    Args:
        there: Points, shape `(n, 2)`.
        here: Where they are to come, shape `(n, 2)`.

    References:
        Kabsch, Acta Cryst A 32 (1976) 922.

    Example:
        >>> corners = np.array([[0.0, 0.0], [0.0, 4.0], [3.0, 0.0]])
        >>> fit_rigid(corners, corners + (2, 5)).round(6)[:2, 2].tolist()
        [2.0, 5.0]
    """
    middle_there, middle_here = there.mean(axis=0), here.mean(axis=0)
    left, _, right = np.linalg.svd((there - middle_there).T @ (here - middle_here))
    mirror = np.sign(np.linalg.det(right.T @ left.T))
    turn = right.T @ np.diag([1.0, mirror]) @ left.T
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = middle_here - map_points(matrix, middle_there)[0]
    return matrix


def _pairs(moving: Values, fixed: Values) -> tuple[Points, Points]:
    """Return `(row, column)` of features that look alike, from pixel edges, shape `(n, 2)` each."""
    (places, looks), (other_places, other_looks) = _features(moving), _features(fixed)
    if min(len(places), len(other_places)) < _LEAST_INLIERS:
        return places[:0], other_places[:0]
    matches = cv2.BFMatcher(cv2.NORM_L2).knnMatch(looks, other_looks, k=2)
    kept = [first for first, second in matches if first.distance < _RATIO * second.distance]
    # A place of the fixed image is one of the moving image at most: the likest.
    kept.sort(key=lambda match: match.distance)
    taken: dict[int, int] = {}
    for match in kept:
        taken.setdefault(match.trainIdx, match.queryIdx)
    return places[list(taken.values())], other_places[list(taken)]


def _features(pixels: Values) -> tuple[Points, Values]:
    """Return places, shape `(n, 2)`, and what they look like, shape `(n, 128)`."""
    grey = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    even = np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(grey))
    library: Any = cv2
    detector = library.SIFT_create(nfeatures=_MOST_FEATURES, contrastThreshold=0.02)
    found, looks = detector.detectAndCompute(even, None)
    places = np.array([one.pt[::-1] for one in found], np.float64).reshape(-1, 2) + 0.5
    return places, np.asarray(looks if len(found) else np.zeros((0, 128)), np.float32)
