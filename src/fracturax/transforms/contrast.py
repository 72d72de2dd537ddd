"""Contrast: histogram equalization, its local and limited form, gamma. All take [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from fracturax.core.image import Image
from fracturax.transforms.transform import Made, Transform, Values, require_display_values

_LEVELS = 65535


@dataclass(frozen=True)
class Equalize(Transform):
    """Make every grey value about equally often, by one histogram of 65,536 levels.

    Raises:
        ImageError: If there are values outside [0, 1].

    Example:
        >>> from fracturax.core.image import Radiograph
        >>> dark = Radiograph(np.array([[0.0, 0.1, 0.2]], np.float32))
        >>> Equalize().apply(dark).image.pixels.tolist()
        [[0.0, 0.5, 1.0]]
    """

    name: ClassVar[str] = "equalize"

    def _make(self, pixels: Values, image: Image) -> Made:
        require_display_values(pixels, name=self.name)
        levels = np.rint(pixels * np.float32(_LEVELS)).astype(np.uint16)
        below = np.bincount(levels.ravel(), minlength=_LEVELS + 1).cumsum()
        first = int(below[levels.min()])
        if first == pixels.size:
            return Made(pixels, remark="the image has one value only: nothing was done")
        table = np.clip((below - first) / (pixels.size - first), 0, 1).astype(np.float32)
        return Made(table[levels])


@dataclass(frozen=True)
class Clahe(Transform):
    """Equalize tile by tile, no grey value oftener than a limit; slice by slice in a volume.

    OpenCV does it with the 256 levels of the published method: a deeper film is rounded to them.

    Args:
        clip_limit: Most counts of a level, in multiples of an even histogram.
        tiles: Tiles along a side.

    Raises:
        ImageError: If there are values outside [0, 1].

    References:
        Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV, 1994.
    """

    name: ClassVar[str] = "clahe"
    clip_limit: float = 2.0
    tiles: int = 8

    def __post_init__(self) -> None:
        self._require(0 < self.clip_limit <= 256, "clip_limit lies in (0, 256]", self.clip_limit)
        self._require(1 <= self.tiles <= 64, "tiles lie in 1 to 64", self.tiles)

    def _make(self, pixels: Values, image: Image) -> Made:
        require_display_values(pixels, name=self.name)
        engine = cv2.createCLAHE(self.clip_limit, (self.tiles, self.tiles))

        def equalized(plane: Values) -> Values:
            levels = np.rint(plane * np.float32(255)).astype(np.uint8)
            local = np.asarray(engine.apply(levels), np.float32).reshape(plane.shape)
            return local * np.float32(1 / 255)

        if pixels.ndim == 2:
            return Made(equalized(pixels))
        return Made(np.stack([equalized(plane) for plane in pixels]))


@dataclass(frozen=True)
class Gamma(Transform):
    """Raise grey values to a power: below 1 brightens, above 1 darkens.

    Args:
        exponent: The power.

    Raises:
        ImageError: If there are values outside [0, 1].
    """

    name: ClassVar[str] = "gamma"
    exponent: float = 0.8

    def __post_init__(self) -> None:
        self._require(0 < self.exponent <= 10, "exponent lies in (0, 10]", self.exponent)

    def _make(self, pixels: Values, image: Image) -> Made:
        require_display_values(pixels, name=self.name)
        return Made(pixels ** np.float32(self.exponent))
