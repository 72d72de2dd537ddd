"""A whole CT as isotropic voxels, a few slices at a time: the fine grid is never all in memory."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import GeometryError
from fracturax.core.image import Volume
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.orientation import orientation_map, turn_axes
from fracturax.transforms.resample import resize

Slab = npt.NDArray[np.float32]
_AIR_HU = -1000.0


class IsotropicGrid:
    """A volume seen on a grid of isotropic voxels that lies as the patient does.

    Slices go on to the head, rows to the back, columns to the left. Shrinking averages, so that
    fine lines do not alias; enlarging interpolates linearly. Only the stored slices that a slab
    needs are resampled, and kept while the next slab needs them.

    Args:
        volume: It has spacing and position.
        spacing_mm: Side of a voxel; comes as near as a whole number of voxels allows.

    Raises:
        GeometryError: If the volume does not say its spacing or how it lies.

    Example:
        >>> from fracturax.core.geometry import Geometry
        >>> hu = np.zeros((4, 6, 6), np.int16)
        >>> hu[2:] = 100
        >>> grid = IsotropicGrid(
        ...     Volume(hu, geometry=Geometry.from_affine(np.diag([2.0, 1.0, 1.0, 1.0]))), 1.0
        ... )
        >>> grid.shape
        (6, 6, 8)
        >>> slab = grid.slab(0, 3)
        >>> slab.shape, slab[0, 0].tolist()
        ((3, 6, 8), [0.0, 0.0, 0.0, 25.0, 75.0, 100.0, 100.0, 100.0])
    """

    def __init__(self, volume: Volume, spacing_mm: float) -> None:
        geometry = volume.geometry
        if geometry.spacing_mm is None or geometry.affine is None:
            raise GeometryError(
                "a CT is resampled where it says its spacing and how it lies",
                got="no spacing" if geometry.spacing_mm is None else "no position",
                cure="export it again from where it came from",
            )
        turned = orientation_map(volume.pixels.shape, geometry.affine)
        self._old: npt.NDArray[np.int16 | np.float32] = turn_axes(volume.pixels, turned)
        old_mm = [geometry.spacing_mm[axis] for axis in turned.axes]
        shape = [
            max(1, round(size * old / spacing_mm))
            for size, old in zip(turned.new_shape, old_mm, strict=True)
        ]
        self.shape = (shape[0], shape[1], shape[2])
        """Slices, rows and columns of the grid."""
        self.axis_map = turned.then(AxisMap.resized(turned.new_shape, self.shape))
        """The way from the volume's voxels to the grid's."""
        self._kept: dict[int, Slab] = {}

    def slab(self, start: int, stop: int) -> Slab:
        """Return the slices from `start` to `stop`, in HU; those outside the volume are air.

        Args:
            start: First slice; may be negative.
            stop: One past the last; may lie beyond the volume.

        Returns:
            Shape `(stop - start, rows, columns)`.
        """
        out = np.full((stop - start, *self.shape[1:]), _AIR_HU, np.float32)
        inside = range(max(start, 0), min(stop, self.shape[0]))
        weights = {index: self._weights(index) for index in inside}
        needed = {old for weight in weights.values() for old in weight}
        self._kept = {old: plane for old, plane in self._kept.items() if old in needed}
        for index, weight in weights.items():
            plane = out[index - start]
            plane[:] = 0
            for old, share in weight.items():
                cv2.scaleAdd(self._plane(old), share, plane, dst=plane)
        return out

    def count_cells(self, mask: npt.NDArray[np.bool_], *, side: int) -> npt.NDArray[np.float32]:
        """Return how much of each cell of the grid is inside a mask of the volume.

        Args:
            mask: Of the volume's own shape.
            side: Voxels of the grid along each side of a cell; the first cell begins at the grid's
                first voxel, the last ones may reach over its end.

        Returns:
            Shares in [0, 1] of the cells that lie wholly in the volume; cells at its end count
            what is beyond it as outside.
        """
        turned = turn_axes(mask, self.axis_map)
        counts = turned
        for axis, (old, new) in enumerate(zip(turned.shape, self.shape, strict=True)):
            place = ((np.arange(old) + 0.5) * new / old).astype(np.int64) // side
            cells = -(-new // side)
            found = np.flatnonzero(np.diff(place, prepend=-1))
            summed = np.add.reduceat(counts, found, axis=axis, dtype=np.float32)
            full = np.zeros((*counts.shape[:axis], cells, *counts.shape[axis + 1 :]), np.float32)
            full[(slice(None),) * axis + (place[found],)] = summed
            counts = full
        per_voxel = math.prod(self.shape) / math.prod(turned.shape)
        return np.asarray(np.minimum(counts * per_voxel / side**3, 1), np.float32)

    def _weights(self, index: int) -> dict[int, float]:
        """Return the stored slices that a slice of the grid is made of, with their shares."""
        old, new = self._old.shape[0], self.shape[0]
        place = (index + 0.5) * old / new - 0.5
        reach = max(1.0, old / new)
        first, last = math.ceil(place - reach), math.floor(place + reach)
        shares: dict[int, float] = {}
        for one in range(first, last + 1):
            share = 1 - abs(one - place) / reach
            inside = min(max(one, 0), old - 1)
            if share > 0:
                shares[inside] = shares.get(inside, 0.0) + share
        total = sum(shares.values())
        return {one: share / total for one, share in shares.items()}

    def _plane(self, old: int) -> Slab:
        if old not in self._kept:
            stored = np.ascontiguousarray(self._old[old], np.float32)
            self._kept[old] = resize(stored, self.shape[1:])
        return self._kept[old]
