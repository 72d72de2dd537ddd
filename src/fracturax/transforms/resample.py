"""Another grid: pixels of a stated size, or a stated number of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from fracturax.core.errors import GeometryError, ImageError
from fracturax.core.image import Image, Volume
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.transform import Made, Transform, Values

_AIR_HU = -1000.0
_MOST_VALUES = 1 << 30


@dataclass(frozen=True)
class ToSpacing(Transform):
    """Resample so that a pixel is a stated number of millimetres.

    The image keeps its extent, so the spacing comes as near as a whole number of pixels allows.
    Shrinking averages areas, so that fine lines do not alias; enlarging interpolates linearly.

    Args:
        spacing_mm: Distance of rows and of columns.
        slice_spacing_mm: Distance of a volume's slices; they stay as they are if not given.

    Raises:
        GeometryError: If the image does not say its spacing.
    """

    name: ClassVar[str] = "to_spacing"
    spacing_mm: float = 0.5
    slice_spacing_mm: float | None = None

    def __post_init__(self) -> None:
        for spacing in (self.spacing_mm, self.slice_spacing_mm):
            is_fine = spacing is None or 0 < spacing < math.inf
            self._require(is_fine, "a spacing is a positive number of millimetres", str(spacing))

    def _make(self, pixels: Values, image: Image) -> Made:
        old = image.geometry.spacing_mm
        if old is None:
            raise GeometryError(
                "to_spacing needs an image that says its spacing",
                got="none",
                cure="use to_size, or put the spacing into the file",
            )
        new = [self.spacing_mm] * 2
        if pixels.ndim == 3:
            new = [self.slice_spacing_mm or old[0], *new]
        shape = tuple(
            max(1, round(size * before / after))
            for size, before, after in zip(pixels.shape, old, new, strict=True)
        )
        return Made(resize(pixels, shape), AxisMap.resized(pixels.shape, shape))


@dataclass(frozen=True)
class ToSize(Transform):
    """Scale an image into a size.

    Args:
        rows: Rows of the result.
        columns: Columns of the result.
        slices: Slices of the resulting volume; they stay as they are if not given.
        is_padded: Whether proportions are kept and the rest is padded, black or with air, on both
            sides; else rows and columns are stretched.
    """

    name: ClassVar[str] = "to_size"
    rows: int = 512
    columns: int = 512
    slices: int | None = None
    is_padded: bool = True

    def __post_init__(self) -> None:
        for size in (self.rows, self.columns, self.slices):
            self._require(size is None or 1 <= size <= 32767, "a size is 1 to 32767", str(size))

    def _make(self, pixels: Values, image: Image) -> Made:
        old = pixels.shape
        plane = (self.rows, self.columns)
        front = () if pixels.ndim == 2 else (self.slices or old[0],)
        whole = (*front, *plane)
        if not self.is_padded:
            return Made(resize(pixels, whole), AxisMap.resized(old, whole))
        factor = min(new / size for new, size in zip(plane, old[-2:], strict=True))
        fitted = tuple(
            max(1, min(new, round(size * factor)))
            for new, size in zip(plane, old[-2:], strict=True)
        )
        scaled = resize(pixels, (*front, *fitted))
        start = (
            *(0 for _ in front),
            *(-((new - n) // 2) for new, n in zip(plane, fitted, strict=True)),
        )
        fill = _AIR_HU if isinstance(image, Volume) and image.unit == "HU" else 0.0
        placed = np.full(whole, fill, np.float32)
        places = tuple(
            slice(-first, -first + size) for first, size in zip(start, scaled.shape, strict=True)
        )
        placed[places] = scaled
        resized = AxisMap.resized(old, scaled.shape)
        return Made(placed, resized.then(AxisMap.cut(scaled.shape, start, whole)))


def resize(pixels: Values, shape: tuple[int, ...]) -> Values:
    """Return an image stretched to a shape: area averages to shrink, linear to enlarge.

    Raises:
        ImageError: If the shape is beyond reason.
    """
    if math.prod(shape) > _MOST_VALUES:
        raise ImageError(
            "the resampled image would be too large",
            got=" x ".join(map(str, shape)),
            cure="choose a coarser spacing or a smaller size",
        )
    if pixels.ndim == 2:
        return _resize_plane(pixels, (shape[0], shape[1]))
    planes = np.stack([_resize_plane(plane, (shape[1], shape[2])) for plane in pixels])
    if shape[0] == len(planes):
        return planes
    # Through the slices: row by row, a plane of slices and columns.
    across = [_resize_plane(planes[:, row], (shape[0], shape[2])) for row in range(shape[1])]
    return np.stack(across, axis=1)


def _resize_plane(plane: Values, shape: tuple[int, int]) -> Values:
    if plane.shape == shape:
        return plane
    rows = _resize_axes(plane, (shape[0], plane.shape[1]))
    return _resize_axes(rows, shape)


def _resize_axes(plane: Values, shape: tuple[int, int]) -> Values:
    """Resize one side; areas are averaged only where that side shrinks."""
    is_smaller = shape[0] < plane.shape[0] or shape[1] < plane.shape[1]
    method = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(plane), shape[::-1], interpolation=method)
    return np.asarray(resized, np.float32).reshape(shape)
