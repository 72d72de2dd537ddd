"""Registration of films and of slices: mutual information, then features; judged before use."""

from __future__ import annotations

import cv2
import numpy as np

from fracturax.core.errors import ImageError
from fracturax.core.image import Image, Volume
from fracturax.transforms.register_correlation import polish
from fracturax.transforms.register_features import match_features
from fracturax.transforms.register_information import View, find_starts, refine
from fracturax.transforms.registration import (
    USABLE,
    Freedom,
    Matrix,
    Method,
    Registration,
    in_pixels,
    resample,
)
from fracturax.transforms.stretch import stretch
from fracturax.transforms.transform import Values

_MIDDLE_PX, _WORKING_PX = 192, 768
_ROUNDS = 60
_NEAR = 0.02
_LEAST_SIDE = 16
_LEAST_OVERLAP, _GOOD_OVERLAP = 0.15, 0.3
_MOST_STRETCH = 2.0
_BLANK = 1e-3
_GRAIN_PX = 1.0
_NO_STRUCTURE = 1e-5
_BONE_WINDOW_HU = (-200.0, 1300.0)


def register(
    moving: Image,
    fixed: Image,
    *,
    freedom: Freedom = "affine",
    moving_slice: int | None = None,
    fixed_slice: int | None = None,
    seed: int = 0,
) -> Registration:
    """Find where the pixels of one film or slice lie on another.

    Mutual information (SimpleITK) finds the movement from any turn. SIFT features with RANSAC and
    correlation (OpenCV) refine it where features agree and grey values correlate; of these
    movements the one is returned under which the images agree best. A failed registration is
    returned with its reason and must not be used.

    Where both images say their spacing, a rigid movement keeps millimetres, else pixels.

    Args:
        moving: Film, or volume of which one slice is taken.
        fixed: Film or volume; what it shows stays.
        freedom: `rigid` (turn and shift) or `affine` (scale and shear as well).
        moving_slice: Which slice of the moving volume, from 0; the middle one if not given.
        fixed_slice: The same of the fixed volume.
        seed: Of all random samples; the same seed gives the same result.

    Returns:
        The matrix, its quality, and the reason where it is not usable.

    Raises:
        ImageError: If a pixel is no number, or there is no such slice.
        MissingExtraError: If SimpleITK is not installed.

    References:
        Mattes et al., IEEE TMI 22 (2003) 120. Lowe, IJCV 60 (2004) 91. Fischler and Bolles, Comm
        ACM 24 (1981) 381. Evangelidis and Psarakis, IEEE TPAMI 30 (2008) 1858.

    Example:
        A blank film cannot be registered, and the answer says so:

        >>> from fracturax.core.image import Radiograph
        >>> blank = Radiograph(np.zeros((64, 64), np.float32))
        >>> register(blank, blank).reason
        'the moving image is blank'
    """
    pair = plane_of(moving, moving_slice), plane_of(fixed, fixed_slice)
    shapes = [(int(plane.shape[0]), int(plane.shape[1])) for plane in pair]
    for plane, name in zip(pair, ("moving", "fixed"), strict=True):
        reason = _unfit(plane)
        if reason:
            return Registration(
                _rows(np.eye(3)), shapes[0], shapes[1], freedom, reason=f"the {name} image {reason}"
            )
    units = _spacings(moving, fixed)
    there, here = (
        View(plane, unit).shrunk(_WORKING_PX) for plane, unit in zip(pair, units, strict=True)
    )
    method, matrix, inliers = _search(there, here, freedom=freedom, seed=seed)
    quality, overlap = _agreement(there, here, matrix)
    return Registration(
        _rows(in_pixels(matrix, *units)),
        shapes[0],
        shapes[1],
        freedom=freedom,
        method=method,
        quality=quality,
        overlap=overlap,
        inliers=inliers,
        reason=_fault(matrix, quality, overlap),
    )


def _search(
    moving: View, fixed: View, *, freedom: Freedom, seed: int
) -> tuple[Method, Matrix, int]:
    """Return what found the movement under which the images agree best, and the movement."""

    def agreement(matrix: Matrix) -> float:
        quality, overlap = _agreement(moving, fixed, matrix)
        return quality * min(1.0, overlap / _GOOD_OVERLAP)

    starts = find_starts(moving, fixed, seed=seed)
    agreed = match_features(moving, fixed, freedom=freedom, seed=seed)
    if agreed is not None:
        starts.append(agreed.matrix)
    middle = moving.shrunk(_MIDDLE_PX), fixed.shrunk(_MIDDLE_PX)
    tried = [refine(*middle, start, freedom=freedom, rounds=_ROUNDS, seed=seed) for start in starts]
    best = max(tried, key=agreement)
    matrix = refine(moving, fixed, best, freedom=freedom, rounds=_ROUNDS, seed=seed)
    found: list[tuple[Method, Matrix, int]] = [("mutual_information", matrix, 0)]
    if agreed is not None:
        found.append(("features", agreed.matrix, agreed.inliers))
    polished = polish(
        moving, fixed, max(found, key=lambda one: agreement(one[1]))[1], freedom=freedom
    )
    if polished is not None:
        found.append(("correlation", polished, 0))
    return max(found, key=lambda one: agreement(one[1]))


def plane_of(image: Image, index: int | None = None) -> Values:
    """Return a film, or a slice of a volume, as values that can be registered, in [0, 1].

    HU go through a bone window (-200 to 1300); other values from their 0.5th to their 99.5th
    percentile.

    Args:
        image: Film or volume.
        index: Slice of a volume, from 0; the middle one if not given.

    Returns:
        Shape `(rows, columns)`.

    Raises:
        ImageError: If a pixel is no number, or there is no such slice.
    """
    pixels = image.pixels
    if pixels.ndim == 3:
        count = len(pixels)
        if index is not None and not 0 <= index < count:
            raise ImageError(
                "the volume has no such slice",
                got=f"slice {index} of {count}",
                cure=f"give one from 0 to {count - 1}",
            )
        pixels = pixels[count // 2 if index is None else index]
    elif index is not None:
        raise ImageError("a film has no slices", got=f"slice {index}", cure="leave it out")
    values = pixels.astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        raise ImageError(
            "some pixels are no numbers", got="NaN or infinity", cure="replace them first"
        )
    black, white = _BONE_WINDOW_HU
    if not isinstance(image, Volume) or image.unit != "HU":
        black, white = np.percentile(values, (0.5, 99.5)).tolist()
    return stretch(values, black=black, white=white)


def _spacings(moving: Image, fixed: Image) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the spacings of both planes, in mm where both are known, else in pixels."""
    both = moving.geometry.spacing_mm, fixed.geometry.spacing_mm
    if both[0] is None or both[1] is None:
        return (1.0, 1.0), (1.0, 1.0)
    return (both[0][-2], both[0][-1]), (both[1][-2], both[1][-1])


def _unfit(plane: Values) -> str:
    """Return why nothing can be registered with an image; empty where it can."""
    if min(plane.shape) < _LEAST_SIDE:
        return f"is too small: {plane.shape[0]} x {plane.shape[1]} pixels"
    return "is blank" if float(np.ptp(plane)) < _BLANK else ""


def _agreement(moving: View, fixed: View, matrix: Matrix) -> tuple[float, float]:
    """Return how well structure agrees where two images overlap, and how much of them does.

    The square of the local correlation, weighted by the structure of either image; what is in one
    image alone counts against it, and a change of contrast, brightness or sign does not.
    """
    placed = in_pixels(matrix, moving.spacing_mm, fixed.spacing_mm)
    shape = (int(fixed.pixels.shape[0]), int(fixed.pixels.shape[1]))
    there = resample(np.ones_like(moving.pixels), placed, shape) > 0.999
    size = min(fixed.pixels.size, moving.pixels.size * abs(float(np.linalg.det(placed))))
    overlap = min(1.0, float(there.sum()) / max(size, 1.0))
    if not there.any():
        return 0.0, 0.0
    moved = resample(moving.pixels, placed, shape)
    one, other = (
        np.asarray(cv2.GaussianBlur(each, (0, 0), _GRAIN_PX), np.float32)
        for each in (fixed.pixels, moved)
    )
    weight = there.astype(np.float32)
    sigma = _NEAR * max(shape)

    def near(values: Values) -> Values:
        return np.asarray(cv2.GaussianBlur(values * weight, (0, 0), sigma), np.float32)

    mass = np.maximum(near(np.ones_like(weight)), 1e-3)
    mean, other_mean = near(one) / mass, near(other) / mass
    spread = np.maximum(near(one * one) / mass - mean**2, _NO_STRUCTURE)
    other_spread = np.maximum(near(other * other) / mass - other_mean**2, _NO_STRUCTURE)
    common = near(one * other) / mass - mean * other_mean
    explained = np.clip(common**2 / (spread * other_spread), 0, 1)
    structure = np.sqrt(spread / spread[there].mean())
    structure += np.sqrt(other_spread / other_spread[there].mean())
    structure *= there
    return float((explained * structure).sum() / structure.sum()), overlap


def _fault(matrix: Matrix, quality: float, overlap: float) -> str:
    """Return why a registration must not be used; empty where it may."""
    stretches = np.linalg.svd(matrix[:2, :2], compute_uv=False)
    if overlap < _LEAST_OVERLAP:
        return f"the images overlap by {overlap:.0%} only"
    if stretches.max() > _MOST_STRETCH or stretches.min() < 1 / _MOST_STRETCH:
        return f"one image would be stretched by {stretches.max():.2f} and {stretches.min():.2f}"
    if np.linalg.det(matrix[:2, :2]) < 0:
        return "one image would be mirrored"
    if quality < USABLE:
        return f"the structure of the images does not agree: quality {quality:.2f} of {USABLE}"
    return ""


def _rows(matrix: Matrix) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in matrix)
