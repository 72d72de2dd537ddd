"""A LabelVolume: which voxel of a CT belongs to which bone, vertebra or fracture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Volume

_MOST_MOVED_VOXELS = 0.5


@dataclass(frozen=True, eq=False)
class LabelVolume:
    """Labels of voxels; 0 is none, each other value one thing.

    Args:
        values: Whole numbers, shape `(slices, rows, columns)`.
        geometry: Where they lie.

    Raises:
        DataError: If the values are no such array, or a label is negative.

    Example:
        >>> LabelVolume(np.array([[[0, 2, 2]]], np.uint8)).counts()
        {2: 2}
    """

    values: npt.NDArray[Any]
    geometry: Geometry = field(default_factory=Geometry)

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.dtype.kind not in "iu" or not self.values.size:
            raise DataError(
                "labels are whole numbers of shape (slices, rows, columns)",
                got=f"{self.values.dtype} of shape {self.values.shape}",
            )
        if self.values.min() < 0:
            raise DataError("a label is negative", got=str(self.values.min()))
        self.values.flags.writeable = False

    def counts(self) -> dict[int, int]:
        """Return the number of voxels of each label but 0."""
        values, counts = np.unique(self.values, return_counts=True)
        return {
            int(value): int(count) for value, count in zip(values, counts, strict=True) if value
        }

    def on(self, volume: Volume) -> LabelVolume:
        """Return the labels on the grid of a volume: its axes, its directions, its shape.

        Masks are often stored along other axes than their CT. Axes are swapped and turned as the
        two geometries say; nothing is interpolated.

        Args:
            volume: The CT.

        Raises:
            DataError: If the two do not lie on one grid, or a geometry is missing and the shapes
                differ.

        Example:
            A mask stored upside down:

            >>> up, down = np.diag([2.0, 1, 1, 1]), np.diag([-2.0, 1, 1, 1])
            >>> down[0, 3] = 2.0
            >>> ct = Volume(np.zeros((2, 1, 1), np.int16), geometry=Geometry.from_affine(up))
            >>> mask = LabelVolume(np.array([[[7]], [[0]]]), Geometry.from_affine(down))
            >>> mask.on(ct).values.ravel()
            array([0, 7])
        """
        shape = volume.pixels.shape
        if self.geometry.affine is None or volume.geometry.affine is None:
            if self.values.shape != shape:
                raise _off_grid(f"shape {self.values.shape}, the CT {shape}, and no position")
            return LabelVolume(self.values, volume.geometry)
        ours, theirs = (np.asarray(one.geometry.affine, float) for one in (self, volume))
        moved = np.linalg.solve(theirs, ours)  # index of ours -> index of theirs
        turn = np.rint(moved[:3, :3]).astype(int)
        if (
            np.abs(moved[:3, :3] - turn).max() * max(self.values.shape) > 1
            or sorted(np.abs(turn).sum(0)) != [1, 1, 1]
            or sorted(np.abs(turn).sum(1)) != [1, 1, 1]
        ):
            raise _off_grid("axes that are no axes of the CT, or other spacings")
        axes = [int(np.flatnonzero(row)[0]) for row in turn]  # of ours, for each of theirs
        flipped = [axis for axis, row in enumerate(turn) if row.sum() < 0]
        values = np.flip(self.values.transpose(axes), tuple(flipped))
        corner = np.array(
            [
                0 if row.sum() > 0 else self.values.shape[axis] - 1
                for axis, row in zip(axes, turn, strict=True)
            ]
        )
        first = np.zeros(3)
        first[axes] = corner
        start = moved[:3, :3] @ first + moved[:3, 3]
        if values.shape != shape:
            raise _off_grid(f"shape {values.shape}, the CT {shape}")
        if np.abs(start).max() > _MOST_MOVED_VOXELS:
            raise _off_grid(f"moved by {np.abs(start).max():.2f} voxels")
        return LabelVolume(np.ascontiguousarray(values), volume.geometry)


def _off_grid(got: str) -> DataError:
    return DataError(
        "the mask does not lie on the grid of its CT", got=got, cure="resample it to the CT"
    )
