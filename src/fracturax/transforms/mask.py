"""What is no anatomy, painted over: side markers and text in the air, and the air itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.image import Image
from fracturax.transforms.body import Mask, enlarge, find_body, small_film
from fracturax.transforms.transform import Kind, Made, Transform, Values

_DETECTION_PX = 1024
_LEAST_PX = 6
_MOST_AREA = 0.01
_RING_PX = 6
_GROWN_PX = 3
_EVEN, _DARK = 0.08, 0.4
_MOST_PARTS = 400
_LIGHTEST_AIR = 0.4


@dataclass(frozen=True)
class MaskMarkers(Transform):
    """Paint over small, bright marks that lie in even, dark air: side markers, names, scales.

    A mark over the body stays: there it cannot be told from metal or cortex. So does what is
    larger than a fifth of the film's side.

    Args:
        brightness: Least value of a mark, as a share of the film's brightest (99.9th percentile).
        longest: Longest side of a mark, as a share of the film's longer side.
    """

    name: ClassVar[str] = "mask_markers"
    takes: ClassVar[tuple[Kind, ...]] = ("film",)
    brightness: float = 0.6
    longest: float = 0.2

    def __post_init__(self) -> None:
        self._require(0.3 <= self.brightness <= 1, "brightness is 0.3 to 1", self.brightness)
        self._require(0 < self.longest <= 0.5, "longest lies in (0, 0.5]", self.longest)

    def _make(self, pixels: Values, image: Image) -> Made:
        scale = min(1.0, _DETECTION_PX / max(pixels.shape))
        size = [max(1, round(side * scale)) for side in pixels.shape]
        small = pixels
        if scale < 1:
            small = np.asarray(cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA))
        marks, fills = self._find(small.reshape(size))
        if not len(fills):
            return Made(pixels)
        painted = pixels.copy()
        for number, fill in enumerate(fills.tolist(), start=1):
            _paint(painted, marks, number, fill)
        count = len(fills)
        return Made(painted, remark=f"{count} {'mark was' if count == 1 else 'marks were'} painted")

    def _find(self, small: Values) -> tuple[npt.NDArray[np.uint16], Values]:
        """Return numbered marks, grown a little, and the grey of the air about each."""
        marks = np.zeros(small.shape, np.uint16)
        brightest = float(np.percentile(small[::4, ::4], 99.9))
        darkest = float(np.percentile(small[::4, ::4], 1))
        span = brightest - darkest
        bright = small >= darkest + self.brightness * span
        if span < 1e-3 or float(bright.mean()) > 0.5:
            return marks, np.zeros(0, np.float32)
        grown = _dilated(bright, _GROWN_PX)
        # Letters that nearly touch are one mark: the air between them tells nothing.
        _, labels, facts, _ = cv2.connectedComponentsWithStats(grown.astype(np.uint8))
        fills: list[float] = []
        order = np.argsort(-facts[:, cv2.CC_STAT_AREA], kind="stable")[: _MOST_PARTS + 1]
        for part in order[order > 0].tolist():
            left, top, wide, high, area = facts[part].tolist()
            too_long = max(wide, high) > self.longest * max(small.shape) + 2 * _GROWN_PX
            if too_long or area > _MOST_AREA * small.size or area < _LEAST_PX:
                continue
            rows = slice(max(0, top - _RING_PX), top + high + _RING_PX)
            columns = slice(max(0, left - _RING_PX), left + wide + _RING_PX)
            inside = labels[rows, columns] == part
            ring = _dilated(inside, _RING_PX) & ~grown[rows, columns]
            if np.count_nonzero(ring) < _LEAST_PX:
                continue
            low, air, high_value = np.percentile(small[rows, columns][ring], (5, 50, 95)).tolist()
            is_even = high_value - low <= _EVEN * span
            if is_even and air - darkest <= _DARK * self.brightness * span:
                fills.append(air)
                marks[rows, columns][inside] = len(fills)
        return marks, np.array(fills, np.float32)


def _paint(painted: Values, marks: npt.NDArray[np.uint16], number: int, fill: float) -> None:
    """Fill one numbered mark of a film made smaller, on the film itself."""
    places, whole = [], zip(painted.shape, marks.shape, np.nonzero(marks == number), strict=True)
    for size, small, found in whole:
        low, high = int(found.min() * size / small), -int(-(found.max() + 1) * size // small)
        places.append(np.arange(low, min(high, size)))
    near = [
        np.minimum(((one + 0.5) * small / size).astype(int), small - 1)
        for one, size, small in zip(places, painted.shape, marks.shape, strict=True)
    ]
    covered = marks[np.ix_(*near)] == number
    rows, columns = (slice(one[0], one[-1] + 1) for one in places)
    painted[rows, columns][covered] = fill


def _dilated(mask: Mask, radius: int) -> Mask:
    side = 2 * radius + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc), bool).reshape(mask.shape)


@dataclass(frozen=True)
class RemoveBackground(Transform):
    """Blacken the air around the body; where no air can be told, nothing is done.

    Args:
        margin: Kept around the body, as a share of the film's longer side.
    """

    name: ClassVar[str] = "remove_background"
    takes: ClassVar[tuple[Kind, ...]] = ("film",)
    margin: float = 0.02

    def __post_init__(self) -> None:
        self._require(0 <= self.margin < 0.5, "margin lies in [0, 0.5)", self.margin)

    def _make(self, pixels: Values, image: Image) -> Made:
        small = small_film(pixels)
        body = find_body(small)
        if body.reason:
            return Made(pixels, remark=f"{body.reason}: nothing was done")
        mask = _dilated(body.mask, max(1, round(self.margin * max(small.shape))))
        body_here = enlarge(mask, pixels.shape)
        around = pixels[~body_here]
        if around.size and float(np.median(around)) > _LIGHTEST_AIR:
            return Made(pixels, remark="what surrounds the body is not dark: nothing was done")
        return Made(np.where(body_here, pixels, np.float32(0)))
