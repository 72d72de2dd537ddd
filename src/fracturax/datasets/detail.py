"""Moves one picture onto another until their detail meets, and says how well it agrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.datasets.plane import Matrix, after, between_resized, inverse, scale_of

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Flags = npt.NDArray[np.uint8]
_AnyPixels = TypeVar("_AnyPixels", npt.NDArray[np.float32], npt.NDArray[np.uint8])

_DETAIL_PX = 2.5
_PATCH_PX = 16
_PLAIN_PX, _PLAIN_RANGE, _QUIET_RANGE = 9, 2, 10
_FAINT = 0.5
_FEWEST_PATCHES, _FEWEST_PIXELS = 12, 100
_STRONG_SHARE = 0.5
_CLEAR, _GAIN_OF_STRETCH, _HOPELESS = 0.97, 0.02, 0.3
_LONGEST_STEP_PX, _STILL_PX = 3.0, 0.03


@dataclass(frozen=True)
class Comparison:
    """What the patches of two aligned pictures say.

    Args:
        agreement: Median correlation of the detail, over the half of the patches in which either
            picture has most of it.
        lost_before: Share of the common area that is plain in the moved picture alone.
        lost: Share of the common area that is plain in the fixed picture alone.
        tone_change: Mean difference of the grey values, in steps of 256.
        only_moving: Share of the patches in which the moved picture alone has strong detail.
        only_fixed: Share of the patches in which the fixed picture alone has strong detail.
    """

    agreement: float
    lost_before: float
    lost: float
    tone_change: float
    only_moving: float
    only_fixed: float


@dataclass(frozen=True, eq=False)
class PicturePair:
    """Two pictures, of which one is moved onto the other; and where each of them shows nothing.

    `plain` marks what is blanked out or burnt out, `quiet` what at most noise is seen in: only
    what is plain here and not quiet there counts as lost.
    """

    moving: Pixels
    fixed: Pixels
    plain: tuple[Flags, Flags]
    quiet: tuple[Flags, Flags]

    @classmethod
    def of(
        cls, moving: npt.NDArray[np.uint8], fixed: npt.NDArray[np.uint8], *, scale: float
    ) -> PicturePair:
        """Pair two grey pictures, of which the one will shrink to `scale` at most."""
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

    def meet(self, start: Matrix) -> Matrix | None:
        """Refine a transform on the pixels, at half size first; None if the detail never meets.

        Only where it clearly helps may the picture be stretched: on a single straight bone a
        stretch along it hardly shows, and would be made up. A copy is never sheared.
        """
        half = self.halved()
        coarse, likeness = half.refine(between_resized(start, 0.5), rounds=5)
        if likeness < _HOPELESS:
            return None
        if likeness < _CLEAR:
            stretched, better = half.refine(coarse, rounds=5, may_stretch=True)
            if better > likeness + _GAIN_OF_STRETCH:
                fine = between_resized(stretched, 2.0)
                return self.refine(fine, rounds=5, may_stretch=True)[0]
        return self.refine(between_resized(coarse, 2.0), rounds=4)[0]

    def halved(self) -> PicturePair:
        """Return both at half the size."""
        return PicturePair(
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
        warped = _flags(cv2.warpAffine(stacked, matrix, size, flags=cv2.INTER_NEAREST))
        common, plain, quiet = warped[:, :, 0], warped[:, :, 1], warped[:, :, 2]
        three, five, around = (np.ones((side, side), np.uint8) for side in (3, 5, 11))
        only_moving = plain & (1 - self.quiet[1])
        only_fixed = self.plain[1] & (common - quiet)
        lost_before = _flags(cv2.morphologyEx(only_moving, cv2.MORPH_OPEN, five))
        lost = _flags(cv2.morphologyEx(only_fixed, cv2.MORPH_OPEN, five))
        near = _flags(cv2.dilate(lost_before | lost, around))
        usable = _flags(cv2.erode(common & (1 - near), three))
        inner = _flags(cv2.erode(common, three))
        area = max(1, int(common.sum()))
        return _Masks(
            common=inner > 0,
            usable=usable > 0,
            lost_before=float(lost_before.sum()) / area,
            lost=float(lost.sum()) / area,
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
        source = _detail(self.moving, _DETAIL_PX / scale_of(matrix))
        strength = _strength(target) * _strength(self.move(source, matrix))
        chosen = _strongest(strength * self.masks(matrix).usable, self.fixed.size // 6)
        if len(chosen) < _FEWEST_PIXELS:
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

    def compare(self, matrix: Matrix) -> Comparison | None:
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
        return Comparison(
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


def quiet_parts(picture: npt.NDArray[np.uint8]) -> Flags:
    """Mark the larger parts in which at most noise is seen."""
    return _flat(np.asarray(cv2.blur(picture, (3, 3))), _QUIET_RANGE)


def _flags(picture: object) -> Flags:
    return np.asarray(picture, np.uint8)


def _flat(picture: npt.NDArray[np.uint8], most: int) -> Flags:
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
    across = cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=0.125)
    down = cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=0.125)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


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
    return inverse(after(inverse(matrix), correction))


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
