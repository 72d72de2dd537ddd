"""Lays one film over another: how the one came from the other, and how well their detail agrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.datasets.fingerprints import MIRRORED, NEGATIVE, Fingerprint

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]
_Flags = npt.NDArray[np.uint8]
_AnyPixels = TypeVar("_AnyPixels", npt.NDArray[np.float32], npt.NDArray[np.uint8])

FEWEST_CORNERS = 10
_COST_OF_A_PIXEL, _USUAL_MISS_PX, _NEAR_PX = 0.1, 0.4, 4.0
_LIKE_DESCRIPTORS = 70.0
_MOST_MATCHES = 150
_TOLERANCE, _INNER_TOLERANCE = 0.025, 0.016
_DETAIL_PX = 2.5
_PATCH_PX = 16
_PLAIN_PX, _PLAIN_RANGE, _QUIET_RANGE = 9, 2, 10
_FAINT = 0.5
_FEWEST_PATCHES = 12
_STRONG_SHARE = 0.5
_CLEAR, _GAIN_OF_STRETCH = 0.97, 0.02
_HOPELESS = 0.3
_FARTHEST_SCALE = 6.0
_LONGEST_STEP_PX, _STILL_PX = 3.0, 0.03


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
    is_swapped = _scale(met.matrix) > 1
    moving, fixed = (second, first) if is_swapped else (first, second)
    start = _inverse(met.matrix) if is_swapped else met.matrix
    pair = _Pair.of(np.ascontiguousarray(moving), np.ascontiguousarray(fixed), _scale(start))
    matrix = _meet(pair, start)
    compared = None if matrix is None else pair.compare(matrix)
    if matrix is None or compared is None:
        return None
    blank_before, blank, foreign = compared.lost_before, compared.lost, compared.only_fixed
    if is_swapped:
        matrix = _inverse(matrix)
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


def _meet(pair: _Pair, matrix: Matrix) -> Matrix | None:
    """Refine a transform on the pixels, at half size first; None if the detail never meets.

    Only where it clearly helps may the film be stretched: on a single straight bone a stretch
    along it hardly shows, and would be made up. A copy is never sheared.
    """
    half = pair.halved()
    coarse, likeness = half.refine(_resized(matrix, 0.5), rounds=5)
    if likeness < _HOPELESS:
        return None
    if likeness < _CLEAR:
        stretched, better = half.refine(coarse, rounds=5, may_stretch=True)
        if better > likeness + _GAIN_OF_STRETCH:
            fine, _ = pair.refine(_resized(stretched, 2.0), rounds=5, may_stretch=True)
            return fine
    fine, _ = pair.refine(_resized(coarse, 2.0), rounds=4)
    return fine


# ── transforms: 2 x 3, from (x, y) to (x, y), pixel centres at whole numbers ──────────────────


def _scale(matrix: Matrix) -> float:
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def _inverse(matrix: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(np.vstack([matrix, [0.0, 0.0, 1.0]]))[:2], np.float64)


def _after(second: Matrix, first: Matrix) -> Matrix:
    return np.asarray(second @ np.vstack([first, [0.0, 0.0, 1.0]]), np.float64)


def _rescaling(x: float, y: float, left: float = 0.0, top: float = 0.0) -> Matrix:
    """From pixels of a picture to those of one `x` times as wide and `y` times as high."""
    return np.array([[x, 0.0, 0.5 * x - 0.5 + left], [0.0, y, 0.5 * y - 0.5 + top]])


def _resized(matrix: Matrix, scale: float) -> Matrix:
    """The same transform between two pictures both resized by `scale`."""
    there = _rescaling(scale, scale)
    return _after(there, _after(matrix, _inverse(there)))


def _between_films(
    matrix: Matrix, one: Fingerprint, other: Fingerprint, *, mirrored: bool
) -> Matrix:
    """From a transform between (mirrored) pictures to one between the films themselves."""
    if mirrored:
        flip = np.array([[-1.0, 0.0, one.picture.shape[1] - 1.0], [0.0, 1.0, 0.0]])
        matrix = _after(matrix, flip)
    return _after(to_film(other), _after(matrix, _inverse(to_film(one))))


def to_film(print_: Fingerprint) -> Matrix:
    """Return the transform from pixels of a fingerprint's picture to those of its film."""
    top, left, bottom, right = print_.inside
    rows, columns = print_.picture.shape
    return _rescaling((right - left) / columns, (bottom - top) / rows, left, top)


# ── corners ────────────────────────────────────────────────────────────────────────────────────


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
        apart = np.abs(across + 1j * down - self.there) / max(1.0, _scale(matrix))
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
    if len(first) < FEWEST_CORNERS:
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
        if len(np.unique(first[inliers])) < FEWEST_CORNERS:
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


# ── pixels ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Compared:
    """What the patches of two aligned pictures say."""

    agreement: float
    lost_before: float
    lost: float
    tone_change: float
    only_moving: float
    only_fixed: float


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two pictures, of which one is moved onto the other; and where each of them shows nothing.

    `plain` marks what is blanked out or burnt out, `quiet` what at most noise is seen in: only
    what is plain here and not quiet there counts as lost.
    """

    moving: Pixels
    fixed: Pixels
    plain: tuple[_Flags, _Flags]
    quiet: tuple[_Flags, _Flags]

    @classmethod
    def of(cls, moving: npt.NDArray[np.uint8], fixed: npt.NDArray[np.uint8], scale: float) -> _Pair:
        values = moving.astype(np.float32)
        if scale < 0.9:
            # What shrinks must first lose the detail that the smaller picture cannot hold.
            blur = 0.5 * (scale**-2 - 1) ** 0.5
            values = np.asarray(cv2.GaussianBlur(values, (0, 0), blur), np.float32)
        return cls(
            moving=values,
            fixed=fixed.astype(np.float32),
            plain=(_flat(moving, _PLAIN_RANGE), _flat(fixed, _PLAIN_RANGE)),
            quiet=(quiet_parts(moving), quiet_parts(fixed)),
        )

    def halved(self) -> _Pair:
        """Return both at half the size."""
        return _Pair(
            moving=_half(self.moving, cv2.INTER_AREA),
            fixed=_half(self.fixed, cv2.INTER_AREA),
            plain=(_half(self.plain[0]), _half(self.plain[1])),
            quiet=(_half(self.quiet[0]), _half(self.quiet[1])),
        )

    def move(self, picture: Pixels, matrix: Matrix) -> Pixels:
        """Move a picture onto the fixed one."""
        size = self.fixed.shape[::-1]
        return np.asarray(cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR))

    def masks(self, matrix: Matrix) -> _Masks:
        """Say which part of the fixed picture can be compared."""
        size = self.fixed.shape[::-1]
        stacked = np.dstack([np.ones_like(self.plain[0]), self.plain[0], self.quiet[0]])
        warped = np.asarray(
            cv2.warpAffine(stacked, matrix, size, flags=cv2.INTER_NEAREST), np.uint8
        )
        common, plain, quiet = warped[:, :, 0], warped[:, :, 1], warped[:, :, 2]
        five, around = np.ones((5, 5), np.uint8), np.ones((11, 11), np.uint8)
        lost = [
            np.asarray(cv2.morphologyEx(part, cv2.MORPH_OPEN, five), np.uint8)
            for part in (plain & (1 - self.quiet[1]), self.plain[1] & (common - quiet))
        ]
        near = np.asarray(cv2.dilate(lost[0] | lost[1], around), np.uint8)
        usable = cv2.erode(common & (1 - near), np.ones((3, 3), np.uint8))
        inner = cv2.erode(common, np.ones((3, 3), np.uint8))
        area = max(1, int(common.sum()))
        return _Masks(
            common=inner > 0,
            usable=usable > 0,
            lost_before=float(lost[0].sum()) / area,
            lost=float(lost[1].sum()) / area,
        )

    def refine(
        self, matrix: Matrix, *, rounds: int, may_stretch: bool = False
    ) -> tuple[Matrix, float]:
        """Move, turn and scale until the detail meets (Gauss-Newton).

        Returns:
            The transform, and the correlation of the detail on the strongest edges.
        """
        height, width = self.fixed.shape
        radius = max(height, width) / 2
        target = _detail(self.fixed)
        source = _detail(self.moving, _DETAIL_PX / _scale(matrix))
        strength = _strength(target) * _strength(self.move(source, matrix))
        chosen = _strongest(strength * self.masks(matrix).usable, self.fixed.size // 6)
        if len(chosen) < 100:
            return matrix, 0.0
        values = target.ravel()[chosen]
        x = ((chosen % width - width / 2) / radius).astype(np.float32)
        y = ((chosen // width - height / 2) / radius).astype(np.float32)
        best, best_value = matrix, -1.0
        for number in range(rounds + 1):
            moved = self.move(source, matrix)
            here = moved.ravel()[chosen]
            value = float((here * values).sum() / (_length(here) * _length(values) + 1e-6))
            if value > best_value:
                best, best_value = matrix, value
            if number == rounds or value < best_value - 0.01:
                break
            step = _step(moved, chosen, x, y, values, may_stretch=may_stretch)
            if float(np.abs(step).max()) < _STILL_PX:
                break
            matrix = _moved_by(matrix, step, np.array([width, height]) / 2, radius)
        return best, best_value

    def compare(self, matrix: Matrix) -> _Compared | None:
        """Compare patch by patch; None if too few patches hold any detail."""
        masks = self.masks(matrix)
        moved = self.move(self.moving, matrix)
        correlation, a, b = _patches(_detail(moved), _detail(self.fixed), masks.common)
        weak = np.minimum(a, b)
        if (weak > _FAINT).sum() < _FEWEST_PATCHES:
            return None
        clear = weak >= np.median(weak[weak > _FAINT])
        gain = float(np.median(b[clear] / a[clear]))
        # Strong in both comes first, then strong in one alone, then weak in both.
        strength = np.sqrt((a * gain + _FAINT) * (b + _FAINT))
        held = np.maximum(a * gain, b) > _FAINT
        strong = held & (strength >= np.quantile(strength[held], 1 - _STRONG_SHARE))
        loud = 3 * float(np.median(strength[strong]))
        return _Compared(
            agreement=float(np.median(correlation[strong])),
            lost_before=masks.lost_before,
            lost=masks.lost,
            tone_change=float(np.abs(moved - self.fixed)[masks.common].mean()),
            only_moving=float(((a * gain > loud) & (b < a * gain / 3)).mean()),
            only_fixed=float(((b > loud) & (a * gain < b / 3)).mean()),
        )


@dataclass(frozen=True, eq=False)
class _Masks:
    """What can be compared, and the shares of the common area that one of both has lost."""

    common: Mask
    usable: Mask
    lost_before: float
    lost: float


def quiet_parts(picture: npt.NDArray[np.uint8]) -> _Flags:
    """Mark the larger parts in which at most noise is seen."""
    return _flat(np.asarray(cv2.blur(picture, (3, 3))), _QUIET_RANGE)


def _flat(picture: npt.NDArray[np.uint8], most: int) -> _Flags:
    """Mark larger parts in which neighbouring grey values differ by `most` at most."""
    three, wide = np.ones((3, 3), np.uint8), np.ones((_PLAIN_PX, _PLAIN_PX), np.uint8)
    spread = cv2.dilate(picture, three) - cv2.erode(picture, three)
    return np.asarray(cv2.morphologyEx((spread <= most).astype(np.uint8), cv2.MORPH_OPEN, wide))


def _half(picture: _AnyPixels, how: int = cv2.INTER_NEAREST) -> _AnyPixels:
    rows, columns = (max(1, round(length / 2)) for length in picture.shape)
    return cast("_AnyPixels", cv2.resize(picture, (columns, rows), interpolation=how))


def _detail(picture: Pixels, sigma: float = _DETAIL_PX) -> Pixels:
    return picture - cv2.GaussianBlur(picture, (0, 0), sigma)


def _length(values: Pixels) -> float:
    return float(np.sqrt((values * values).sum()))


def _strength(detail: Pixels) -> Pixels:
    """Return how strong the edges are hereabouts."""
    across, down = _slopes(detail)
    return np.asarray(cv2.blur(cv2.magnitude(across, down), (5, 5)))


def _strongest(strength: Pixels, most: int) -> npt.NDArray[np.intp]:
    """Return the flat indices of the strongest pixels, in order."""
    values = strength.ravel()
    order = (
        np.argpartition(values, -most)[-most:]
        if 0 < most < len(values)
        else (np.arange(len(values)))
    )
    return np.sort(order[values[order] > 0])


def _slopes(picture: Pixels) -> tuple[Pixels, Pixels]:
    return (
        np.asarray(cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=0.125), np.float32),
        np.asarray(cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=0.125), np.float32),
    )


def _step(
    moved: Pixels,
    chosen: npt.NDArray[np.intp],
    x: Pixels,
    y: Pixels,
    target: Pixels,
    *,
    may_stretch: bool,
) -> npt.NDArray[np.float64]:
    """Return shift x and y, growth, turn and stretch, each in pixels at the edge."""
    across, down = (slope.ravel()[chosen] for slope in _slopes(moved))
    here = moved.ravel()[chosen]
    columns = (
        across, down,
        across * x + down * y, down * x - across * y,
        across * x - down * y,
        here,
    )  # fmt: skip
    slopes = np.stack(columns, axis=1)
    gain = float((here * target).sum() / max(float((here * here).sum()), 1e-6))
    misses = target - gain * here
    # What is in one film alone (text, a mark) must not pull.
    usual = 3 * (1.5 * float(np.median(np.abs(misses))) + 0.5)
    weighted = slopes / (1 + (misses / usual) ** 2)[:, None]
    square = (weighted.T @ slopes).astype(np.float64)
    kept = [0, 1, 2, 3, *([4] if may_stretch else []), 5]
    square = square[np.ix_(kept, kept)]
    ridge = 1e-3 * np.diag(np.diag(square)) + 1e-6 * np.eye(len(kept))
    towards = (weighted[:, kept].T @ target).astype(np.float64)
    answer = np.linalg.solve(square + ridge, towards)
    step = np.zeros(5)
    step[kept[:-1]] = answer[:-1] / max(float(answer[-1]), 0.1)
    return np.asarray(step * min(1.0, _LONGEST_STEP_PX / max(1e-6, float(np.abs(step).max()))))


def _moved_by(
    matrix: Matrix, step: npt.NDArray[np.float64], centre: npt.NDArray[np.float64], radius: float
) -> Matrix:
    grow, turn, stretch = step[2:] / radius
    linear = np.array([[1 + grow + stretch, -turn], [turn, 1 + grow - stretch]])
    correction = np.column_stack([linear, centre + step[:2] - linear @ centre])
    return _inverse(_after(_inverse(matrix), correction))


def _patches(one: Pixels, other: Pixels, usable: Mask) -> tuple[Pixels, Pixels, Pixels]:
    """Return correlation and both spreads of the patches that lie in the usable area."""
    weight = usable.astype(np.float32)
    start, stride = _PATCH_PX // 4, _PATCH_PX // 2

    def mean(values: Pixels) -> Pixels:
        size = (_PATCH_PX, _PATCH_PX)
        boxed = cv2.boxFilter(values, cv2.CV_32F, size, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(boxed[start::stride, start::stride])

    a, b = one * weight, other * weight
    share = mean(weight)
    whole = share > 0.6
    full = np.maximum(share, 1e-6)
    mean_a, mean_b = mean(a) / full, mean(b) / full
    spread_a = np.sqrt(np.maximum(mean(a * a) / full - mean_a**2, 1e-4))
    spread_b = np.sqrt(np.maximum(mean(b * b) / full - mean_b**2, 1e-4))
    together = mean(a * b) / full - mean_a * mean_b
    return (together / (spread_a * spread_b))[whole], spread_a[whole], spread_b[whole]
