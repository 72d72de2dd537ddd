"""Lays one film over another: how the one came from the other, and how well their detail agrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.datasets.detail import PicturePair
from fracturax.datasets.fingerprints import MIRRORED, NEGATIVE, Fingerprint
from fracturax.datasets.plane import Matrix, after, inverse, rescaling, scale_of

_FEWEST_CORNERS = 10
_COST_OF_A_PIXEL, _USUAL_MISS_PX, _NEAR_PX = 0.1, 0.4, 4.0
_LIKE_DESCRIPTORS = 70.0
_MOST_MATCHES = 150
_TOLERANCE, _INNER_TOLERANCE = 0.025, 0.016
_FARTHEST_SCALE = 6.0


@dataclass(frozen=True, eq=False)
class Overlay:
    """One film laid over another.

    Args:
        agreement: Median correlation of fine detail, over the patches with the strongest detail;
            1 in an exact copy.
        corners: How many corners of the one meet their like in the other within a pixel.
        miss_px: By how much like corners miss each other in the median, in pixels of pictures of
            256. Films of one patient in one pose agree in general, and their corners are off.
        transform: From pixels (x, y) of the one film to those of the other, shape (2, 3).
        is_negative: Whether bright is dark in the other.
        blank: Share of the common area that is plain in the other and is not in the one.
        blank_before: The same, the other way round.
        tone_change: Mean difference of the grey values, in steps of 256.
        foreign: Share of the patches that only the other has strong detail in: text, marks.
    """

    agreement: float
    corners: int
    miss_px: float
    transform: Matrix
    is_negative: bool = False
    blank: float = 0.0
    blank_before: float = 0.0
    tone_change: float = 0.0
    foreign: float = 0.0

    @property
    def similarity(self) -> float:
        """The agreement, less what corners miss each other by beyond what compression does."""
        return self.agreement - _COST_OF_A_PIXEL * max(0.0, self.miss_px - _USUAL_MISS_PX)


def lay_over(
    one: Fingerprint, other: Fingerprint, *, mirrored: bool, negative: bool
) -> Overlay | None:
    """Lay one film over another, or return None where no transform makes them meet.

    The corners vote for a transform (turn, scale, shift), and the pixels refine it. Then the fine
    detail of both is compared patch by patch, where either has most of it: films of one patient in
    one pose agree in the coarse and not in the fine, and a label or a cassette edge that two films
    share fills few of the patches.
    """
    met = _agree_on_transform(one, other, mirrored=mirrored, negative=negative)
    if met is None:
        return None
    first, second = one.picture, other.picture
    if mirrored:
        first = first[:, ::-1]
    if negative:
        first = 255 - first
    # Compare where less is known: the finer picture is brought down to the coarser.
    is_swapped = scale_of(met.matrix) > 1
    moving, fixed = (second, first) if is_swapped else (first, second)
    start = inverse(met.matrix) if is_swapped else met.matrix
    pair = PicturePair.of(
        np.ascontiguousarray(moving), np.ascontiguousarray(fixed), scale=scale_of(start)
    )
    matrix = pair.meet(start)
    compared = None if matrix is None else pair.compare(matrix)
    if matrix is None or compared is None:
        return None
    blank_before, blank, foreign = compared.lost_before, compared.lost, compared.only_fixed
    if is_swapped:
        matrix = inverse(matrix)
        blank_before, blank, foreign = blank, blank_before, compared.only_moving
    corners, miss_px = met.misses(matrix)
    return Overlay(
        agreement=compared.agreement,
        corners=corners,
        miss_px=miss_px,
        transform=_between_films(matrix, one, other, mirrored=mirrored),
        is_negative=negative,
        blank=blank,
        blank_before=blank_before,
        tone_change=compared.tone_change,
        foreign=foreign,
    )


def _between_films(
    matrix: Matrix, one: Fingerprint, other: Fingerprint, *, mirrored: bool
) -> Matrix:
    """From a transform between (mirrored) pictures to one between the films themselves."""
    if mirrored:
        flip = np.array([[-1.0, 0.0, one.picture.shape[1] - 1.0], [0.0, 1.0, 0.0]])
        matrix = after(matrix, flip)
    return after(to_film(other), after(matrix, inverse(to_film(one))))


def to_film(print_: Fingerprint) -> Matrix:
    """Return the transform from pixels of a fingerprint's picture to those of its film."""
    top, left, bottom, right = print_.inside
    rows, columns = print_.picture.shape
    return rescaling((right - left) / columns, (bottom - top) / rows, left, top)


@dataclass(frozen=True, eq=False)
class _Met:
    """The transform that like corners agree on, and these corners: their numbers and places.

    Places are complex numbers, x + iy: a turn with a scale is a factor, and a shift a sum.
    """

    matrix: Matrix
    first: npt.NDArray[np.intp]
    here: npt.NDArray[np.complex128]
    there: npt.NDArray[np.complex128]

    def misses(self, matrix: Matrix) -> tuple[int, float]:
        """Return how many corners meet within a pixel, and the median miss of those near."""
        x, y = self.here.real, self.here.imag
        across = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
        down = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
        apart = np.abs(across + 1j * down - self.there) / max(1.0, scale_of(matrix))
        near = apart < _NEAR_PX
        if not near.any():
            return 0, float("inf")
        return len(np.unique(self.first[apart < 1])), float(np.median(apart[near]))


def _agree_on_transform(
    one: Fingerprint, other: Fingerprint, *, mirrored: bool, negative: bool
) -> _Met | None:
    """Find the turn, scale and shift that most pairs of like corners agree on.

    Each pair of corners proposes the transform that takes the one to the other, size and angle
    included; so all proposals are tried, and chance has no say.
    """
    places, codes = _seen(one, mirrored=mirrored, negative=negative)
    first, second = _like_corners(codes, other.descriptors)
    if len(first) < _FEWEST_CORNERS:
        return None
    source, target = places[first].astype(np.float64), other.places[second].astype(np.float64)
    turn = np.radians(target[:, 3] - source[:, 3])
    factor = target[:, 2] / source[:, 2] * np.exp(1j * turn)
    here = source[:, 0] + 1j * source[:, 1]
    there = target[:, 0] + 1j * target[:, 1]
    side = max(other.picture.shape)
    misses = np.abs(factor[:, None] * (here - here[:, None]) + there[:, None] - there)
    agree = (misses < _TOLERANCE * side).sum(axis=1)
    inliers = misses[int(agree.argmax())] < _TOLERANCE * side
    for _ in range(3):
        a, b = here[inliers], there[inliers]
        spread = a - a.mean()
        length = float((np.abs(spread) ** 2).sum())
        if length < 1e-6:
            return None
        slope = complex(((b - b.mean()) * spread.conj()).sum() / length)
        shift = complex(b.mean() - slope * a.mean())
        inliers = np.abs(slope * here + shift - there) < _INNER_TOLERANCE * side
        if len(np.unique(first[inliers])) < _FEWEST_CORNERS:
            return None
    if not 1 / _FARTHEST_SCALE < abs(slope) < _FARTHEST_SCALE:
        return None
    matrix = np.array([[slope.real, -slope.imag, shift.real], [slope.imag, slope.real, shift.imag]])
    return _Met(matrix, first, here, there)


def _seen(
    print_: Fingerprint, *, mirrored: bool, negative: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """Return places and descriptors of the corners as they are in the mirrored or negative film."""
    places, codes = print_.places.copy(), print_.descriptors
    if mirrored:
        places[:, 0] = print_.picture.shape[1] - 1 - places[:, 0]
        places[:, 3] = 180 - places[:, 3]
        codes = codes * MIRRORED
    if negative:
        places[:, 3] += 180
        codes = codes * NEGATIVE
    return places, codes


def _like_corners(
    one: npt.NDArray[np.int8], other: npt.NDArray[np.int8]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    a, b = one.astype(np.float32), other.astype(np.float32)
    apart = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    first, second = np.nonzero(apart < _LIKE_DESCRIPTORS**2)
    if len(first) > _MOST_MATCHES:
        closest = np.argsort(apart[first, second], kind="stable")[:_MOST_MATCHES]
        first, second = first[closest], second[closest]
    return first, second
