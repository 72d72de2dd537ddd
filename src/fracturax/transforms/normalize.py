"""One range of values for all images: min-max, percentiles, z-score, Hounsfield window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fracturax.core.errors import ImageError
from fracturax.core.image import Image, Volume
from fracturax.transforms.stretch import stretch
from fracturax.transforms.transform import Kind, Made, Transform, Values

_ENOUGH = 1 << 18
_CONSTANT = "the image has one value only: it became black"


@dataclass(frozen=True)
class MinMax(Transform):
    """Map the least value to 0 and the greatest to 1."""

    name: ClassVar[str] = "min_max"

    def _make(self, pixels: Values, image: Image) -> Made:
        return _stretched(pixels, float(pixels.min()), float(pixels.max()))


@dataclass(frozen=True)
class PercentileRange(Transform):
    """Map two percentiles to 0 and 1, and clip beyond.

    Of an image above 2^18 pixels every so-many-th row and column is looked at, which changes a
    percentile by far less than one film differs from the next.

    Args:
        low: Percentile that becomes 0.
        high: Percentile that becomes 1.
    """

    name: ClassVar[str] = "percentile"
    low: float = 0.5
    high: float = 99.5

    def __post_init__(self) -> None:
        is_fine = 0 <= self.low < self.high <= 100
        self._require(is_fine, "0 <= low < high <= 100", f"{self.low}, {self.high}")

    def _make(self, pixels: Values, image: Image) -> Made:
        every = math.ceil((pixels.size / _ENOUGH) ** (1 / pixels.ndim))
        some = pixels[(slice(None, None, every),) * pixels.ndim]
        black, white = np.percentile(some, (self.low, self.high)).tolist()
        return _stretched(pixels, black, white)


def _stretched(pixels: Values, black: float, white: float) -> Made:
    remark = _CONSTANT if white - black < 1e-6 else ""
    return Made(stretch(pixels, black=black, white=white), unit="arbitrary", remark=remark)


@dataclass(frozen=True)
class ZScore(Transform):
    """Map standard deviations from the mean to [0, 1]: the mean becomes 0.5.

    A film holds display values, so a z-score is laid into [0, 1]: `0.5 + z / (2 * limit)`.

    Args:
        limit: z-scores beyond ± this are clipped.
    """

    name: ClassVar[str] = "z_score"
    limit: float = 3.0

    def __post_init__(self) -> None:
        self._require(0 < self.limit <= 100, "limit lies in (0, 100]", self.limit)

    def _make(self, pixels: Values, image: Image) -> Made:
        mean, spread = float(pixels.mean(dtype=np.float64)), float(pixels.std(dtype=np.float64))
        # Rounding of a constant image is no spread.
        if spread <= 1e-6 * max(1.0, abs(mean)):
            even = np.full_like(pixels, 0.5)
            return Made(even, unit="arbitrary", remark="the image has one value only: it is grey")
        scaled = (pixels - np.float32(mean)) * np.float32(0.5 / (self.limit * spread))
        scaled += np.float32(0.5)
        return Made(np.clip(scaled, 0, 1, out=scaled), unit="arbitrary")


@dataclass(frozen=True)
class HuWindow(Transform):
    """Map Hounsfield units linearly to [0, 1] through a window.

    Args:
        center: Centre of the window, in HU.
        width: Width of the window, in HU; above 1.

    Raises:
        ImageError: If the volume is not in Hounsfield units.

    References:
        DICOM PS3.3, C.11.2.1.2.1 "Default LINEAR Function".

    Example:
        A bone window on air, water and cortex:

        >>> scan = Volume(np.array([[[-1000.0, 0.0, 1400.0]]], np.float32))
        >>> HuWindow(400, 1800).apply(scan).image.pixels.round(3)
        array([[[0.   , 0.278, 1.   ]]], dtype=float32)
    """

    name: ClassVar[str] = "hu_window"
    takes: ClassVar[tuple[Kind, ...]] = ("volume",)
    center: float = 400.0
    width: float = 1800.0

    def __post_init__(self) -> None:
        self._require(math.isfinite(self.center), "center is a number", self.center)
        is_wide = 1 < self.width < math.inf
        self._require(is_wide, "width is above 1", self.width)

    def _make(self, pixels: Values, image: Image) -> Made:
        assert isinstance(image, Volume), "apply lets volumes pass alone"
        if image.unit != "HU":
            raise ImageError(
                "hu_window takes Hounsfield units",
                got=f"a volume in {image.unit} units",
                cure="put it before other normalizations, or use percentile",
            )
        scaled = (pixels - np.float32(self.center - 0.5)) / np.float32(self.width - 1)
        scaled += np.float32(0.5)
        return Made(np.clip(scaled, 0, 1, out=scaled), unit="arbitrary")
