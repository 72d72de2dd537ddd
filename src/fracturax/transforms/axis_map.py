"""Where pixels went: along each axis a scale and an offset; axes may change places and turn about.

Coordinates count from the outer edge of the first pixel, as those of a `Box` do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ImageError
from fracturax.core.geometry import Box, Geometry

ScalarT = TypeVar("ScalarT", bound=np.generic)
Coordinates = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AxisMap:
    """The way from an image to what was made of it, and back.

    Axis `i` of the result runs along axis `axes[i]` of the original:
    `new[i] = old[axes[i]] * scale[i] + offset[i]`.

    Args:
        shape: Shape of the original.
        new_shape: Shape of the result.
        axes: Axis of the original for each axis of the result.
        scale: New pixels for one old pixel; negative where the axis is turned about.
        offset: Offset in new pixels.
    """

    shape: tuple[int, ...]
    new_shape: tuple[int, ...]
    axes: tuple[int, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def identity(cls, shape: Sequence[int]) -> AxisMap:
        """Return the map of an image that stayed where it was."""
        count = len(shape)
        axes = tuple(range(count))
        return cls(tuple(shape), tuple(shape), axes, (1.0,) * count, (0.0,) * count)

    @classmethod
    def cut(cls, shape: Sequence[int], start: Sequence[int], new_shape: Sequence[int]) -> AxisMap:
        """Return the map of a cut-out whose first pixel was `start`; a negative one pads.

        Example:
            >>> AxisMap.cut((10, 10), (2, 3), (4, 4)).to_new(Box(2, 3, 6, 7)).as_tuple()
            (0.0, 0.0, 4.0, 4.0)
        """
        offset = tuple(-float(first) for first in start)
        count = len(shape)
        axes = tuple(range(count))
        return cls(tuple(shape), tuple(new_shape), axes, (1.0,) * count, offset)

    @classmethod
    def resized(cls, shape: Sequence[int], new_shape: Sequence[int]) -> AxisMap:
        """Return the map of an image that was stretched as a whole."""
        scale = tuple(new / old for old, new in zip(shape, new_shape, strict=True))
        count = len(shape)
        return cls(tuple(shape), tuple(new_shape), tuple(range(count)), scale, (0.0,) * count)

    @property
    def is_identity(self) -> bool:
        """Whether every pixel stayed where it was."""
        return self == AxisMap.identity(self.shape)

    def then(self, other: AxisMap) -> AxisMap:
        """Return the map of doing this first and `other` after it."""
        assert self.new_shape == other.shape, "the second map begins where the first one ends"
        pairs = list(zip(other.axes, other.scale, other.offset, strict=True))
        return AxisMap(
            self.shape,
            other.new_shape,
            tuple(self.axes[axis] for axis, _, _ in pairs),
            tuple(self.scale[axis] * scale for axis, scale, _ in pairs),
            tuple(self.offset[axis] * scale + offset for axis, scale, offset in pairs),
        )

    def inverse(self) -> AxisMap:
        """Return the way back."""
        order = [self.axes.index(axis) for axis in range(len(self.axes))]
        return AxisMap(
            self.new_shape,
            self.shape,
            tuple(order),
            tuple(1 / self.scale[axis] for axis in order),
            tuple(-self.offset[axis] / self.scale[axis] for axis in order),
        )

    def points_to_new(self, points: npt.ArrayLike) -> Coordinates:
        """Return points of the original, shape `(n, axes)`, in pixels of the result."""
        given: Coordinates = np.asarray(points, np.float64)
        moved: Coordinates = given[:, list(self.axes)] * self.scale + np.array(self.offset)
        return moved

    def points_to_original(self, points: npt.ArrayLike) -> Coordinates:
        """Return points of the result, shape `(n, axes)`, in pixels of the original."""
        return self.inverse().points_to_new(points)

    def boxes_to_new(self, boxes: npt.ArrayLike) -> Coordinates:
        """Return boxes of the original, least corner then greatest, in pixels of the result.

        Args:
            boxes: Shape `(n, 4)` in a film, `(n, 6)` in a volume.
        """
        given: Coordinates = np.asarray(boxes, np.float64)
        if self.is_identity:
            return given
        half = len(self.axes)
        one, other = self.points_to_new(given[:, :half]), self.points_to_new(given[:, half:])
        return np.hstack([np.minimum(one, other), np.maximum(one, other)])

    def boxes_to_original(self, boxes: npt.ArrayLike) -> Coordinates:
        """Return boxes of the result in pixels of the original; the inverse of `boxes_to_new`."""
        given: Coordinates = np.asarray(boxes, np.float64)
        return given if self.is_identity else self.inverse().boxes_to_new(given)

    def to_new(self, box: Box) -> Box:
        """Return a box of the original film in pixels of the result."""
        return Box(*self.boxes_to_new([box.as_tuple()])[0].tolist())

    def to_original(self, box: Box) -> Box:
        """Return a box of the resulting film in pixels of the original.

        Example:
            >>> AxisMap.resized((100, 50), (50, 25)).to_original(Box(0, 0, 10, 10)).as_tuple()
            (0.0, 0.0, 20.0, 20.0)
        """
        return Box(*self.boxes_to_original([box.as_tuple()])[0].tolist())

    def mask_to_new(self, labels: npt.NDArray[ScalarT]) -> npt.NDArray[ScalarT]:
        """Return labels of the original's shape as labels of the result's; each pixel the nearest.

        No label that was not there can arise; what comes from outside is 0.

        Raises:
            ImageError: If the labels do not have the original's shape.
        """
        if labels.shape != self.shape:
            raise ImageError(
                "a mask does not fit its image",
                got=f"shape {labels.shape} for an image of shape {self.shape}",
            )
        moved = np.zeros(self.new_shape, labels.dtype)
        targets, sources = [], []
        for size, axis, scale, offset in zip(
            self.new_shape, self.axes, self.scale, self.offset, strict=True
        ):
            places = np.floor((np.arange(size) + 0.5 - offset) / scale).astype(np.int64)
            inside = np.flatnonzero((places >= 0) & (places < self.shape[axis]))
            targets.append(inside)
            sources.append(places[inside])
        moved[np.ix_(*targets)] = labels.transpose(self.axes)[np.ix_(*sources)]
        return moved

    def mask_to_original(self, labels: npt.NDArray[ScalarT]) -> npt.NDArray[ScalarT]:
        """Return labels of the result's shape as labels of the original's; see `mask_to_new`."""
        return self.inverse().mask_to_new(labels)

    def geometry(self, geometry: Geometry) -> Geometry:
        """Return spacing and position of the result, from those of the original.

        Example:
            >>> AxisMap.resized((10, 10), (5, 5)).geometry(Geometry((0.2, 0.2))).spacing_mm
            (0.4, 0.4)
        """
        if self.is_identity:
            return geometry
        spacing = geometry.spacing_mm and tuple(
            geometry.spacing_mm[axis] / abs(scale)
            for axis, scale in zip(self.axes, self.scale, strict=True)
        )
        affine = geometry.affine
        if affine is not None:
            moved = np.asarray(affine) @ self._new_index_to_old()
            affine = tuple(tuple(float(value) for value in row) for row in moved)
        return Geometry(spacing, geometry.spacing_meaning, affine)

    def _new_index_to_old(self) -> Coordinates:
        """Return the matrix, shape (4, 4), from indices of the result to those of the original."""
        # Indices count from the middle of the first pixel, half a pixel behind its edge.
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1.0
        rows = zip(self.axes, self.scale, self.offset, strict=True)
        for new, (old, scale, offset) in enumerate(rows):
            matrix[old, new] = 1 / scale
            matrix[old, 3] = (0.5 - offset) / scale - 0.5
        return matrix

    def as_document(self) -> dict[str, Any]:
        """Return the map as JSON-able data."""
        return {
            "shape": list(self.shape),
            "new_shape": list(self.new_shape),
            "axes": list(self.axes),
            "scale": list(self.scale),
            "offset": list(self.offset),
        }
