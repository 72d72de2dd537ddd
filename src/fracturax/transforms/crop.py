"""Crops: uniform borders, what lies outside the exposed field, all but the bones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from fracturax.core.image import Image, Radiograph
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.body import Mask, keep_parts, small_film
from fracturax.transforms.bone_mask import segment_bone
from fracturax.transforms.threshold import Method
from fracturax.transforms.transform import Kind, Made, Transform, Values

_LEAST_FIELD, _MOST_FIELD = 0.05, 0.97
_LEAST_PART = 0.0005


@dataclass(frozen=True)
class CropBorder(Transform):
    """Cut off lines at the edges that have one value: frames of scanners and of exports.

    Args:
        tolerance: Standard deviation, in display values, up to which a line counts as uniform.
    """

    name: ClassVar[str] = "crop_border"
    takes: ClassVar[tuple[Kind, ...]] = ("film",)
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        self._require(0 <= self.tolerance < 0.5, "tolerance lies in [0, 0.5)", self.tolerance)

    def _make(self, pixels: Values, image: Image) -> Made:
        ranges = []
        for lines in (pixels, pixels.T):
            first = self._first_varied(lines)
            if first is None:
                return Made(pixels, remark="the film is uniform: nothing was cut off")
            last = self._first_varied(lines[::-1])
            assert last is not None, "a line that varies is met from either side"
            ranges.append((first, len(lines) - last))
        return _cut(pixels, ranges)

    def _first_varied(self, lines: Values) -> int | None:
        # From the edge inwards: a frame is thin, and the film behind it need not be looked at.
        for number, line in enumerate(lines):
            if float(line.std(dtype=np.float64)) > self.tolerance:
                return number
        return None


@dataclass(frozen=True)
class CropCollimator(Transform):
    """Cut to the exposed field, or to the body where the rest is even: what differs from the edge.

    Nothing is cut if the edge is not even, if it is even nearly everywhere, or hardly anywhere
    else; a part of five in ten thousand pixels is enough to be kept in.

    Args:
        tolerance: How far, in display values, the shutter's value may vary.
        margin: Kept around the field, as a share of the longer side.
    """

    name: ClassVar[str] = "crop_collimator"
    takes: ClassVar[tuple[Kind, ...]] = ("film",)
    tolerance: float = 0.06
    margin: float = 0.01

    def __post_init__(self) -> None:
        self._require(0 < self.tolerance < 0.5, "tolerance lies in (0, 0.5)", self.tolerance)
        self._require(0 <= self.margin < 0.5, "margin lies in [0, 0.5)", self.margin)

    def _make(self, pixels: Values, image: Image) -> Made:
        small = small_film(pixels)
        edge = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
        shutter = float(np.median(edge))
        is_even = np.abs(edge - shutter) <= self.tolerance
        if float(is_even.mean()) < 0.6 or min(small.shape) < 16:
            return Made(pixels, remark="no shutter was found: nothing was cut off")
        differs = np.abs(np.asarray(cv2.medianBlur(small, 3)) - shutter) > self.tolerance
        field = keep_parts(differs, least=max(9, round(_LEAST_PART * small.size)))
        return _cut_to(pixels, field, margin=self.margin, what="field")


@dataclass(frozen=True)
class CropToBone(Transform):
    """Cut to the box around the bones that an untrained segmentation finds, if it is sure of them.

    Args:
        method: How; see `segment_bone`.
        least_quality: Quality below which nothing is cut off.
        margin: Kept around the bones, as a share of the longer side.
    """

    name: ClassVar[str] = "crop_to_bone"
    takes: ClassVar[tuple[Kind, ...]] = ("film",)
    method: Method = "multi_otsu"
    least_quality: float = 0.6
    margin: float = 0.04

    def __post_init__(self) -> None:
        self._require(0 <= self.least_quality <= 1, "a quality lies in [0, 1]", self.least_quality)
        self._require(0 <= self.margin < 0.5, "margin lies in [0, 0.5)", self.margin)

    def _make(self, pixels: Values, image: Image) -> Made:
        assert isinstance(image, Radiograph), "apply lets films pass alone"
        bone = segment_bone(image, method=self.method)
        if bone.quality < self.least_quality:
            return Made(pixels, remark=f"{bone.reason or 'the bones are not clear'}: not cut")
        return _cut_to(pixels, bone.mask, margin=self.margin, what="bone")


def _cut_to(pixels: Values, field: Mask, *, margin: float, what: str) -> Made:
    """Cut a film to the box around a mask, which may be one of the film made smaller."""
    ranges = []
    for axis in (0, 1):
        places = np.flatnonzero(field.any(axis=1 - axis))
        if not len(places):
            return Made(pixels, remark=f"no {what} was found: nothing was cut off")
        size, scale = pixels.shape[axis], pixels.shape[axis] / field.shape[axis]
        # A pixel of the small film either way: it may hold the edge anywhere.
        around = margin * max(pixels.shape) + (scale if scale > 1 else 0)
        low = max(0, int(places[0] * scale - around))
        high = min(size, int(np.ceil((places[-1] + 1) * scale + around)))
        ranges.append((low, high))
    (top, bottom), (left, right) = ranges
    share = (bottom - top) * (right - left) / pixels.size
    if not _LEAST_FIELD <= share <= _MOST_FIELD:
        return Made(pixels, remark=f"the {what} would be {share:.0%} of the film: not cut")
    return _cut(pixels, ranges)


def _cut(pixels: Values, ranges: list[tuple[int, int]]) -> Made:
    (top, bottom), (left, right) = ranges
    shape = (bottom - top, right - left)
    if shape == pixels.shape:
        return Made(pixels)
    axis_map = AxisMap.cut(pixels.shape, (top, left), shape)
    return Made(pixels[top:bottom, left:right], axis_map)
