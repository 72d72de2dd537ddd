"""Spheres and boxes whose projections are known: what rays through voxels are checked against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import GeometryError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Acquisition, Step, Volume
from fracturax.simulation.cone_beam import Points

AIR_HU = -1000.0


class Solid(Protocol):
    """A body of one HU, in patient coordinates."""

    hu: float

    def depth_mm(self, points_mm: Points) -> Points:
        """Return how deep points lie inside, in mm; below 0 outside. Shape `(..., 3)` → `(...)`."""
        ...


@dataclass(frozen=True)
class Sphere:
    """A sphere.

    Args:
        center_mm: Its centre (LPS).
        radius_mm: Its radius.
        hu: What it is made of.

    Raises:
        GeometryError: If the radius is not positive.
    """

    center_mm: tuple[float, float, float]
    radius_mm: float
    hu: float = 0.0

    def __post_init__(self) -> None:
        if not self.radius_mm > 0:
            raise GeometryError("a sphere has a positive radius", got=str(self.radius_mm))

    def depth_mm(self, points_mm: Points) -> Points:
        """Return how deep points lie inside."""
        depth: Points = self.radius_mm - np.linalg.norm(points_mm - self.center_mm, axis=-1)
        return depth

    def chord_mm(self, source_mm: Points, ends_mm: Points) -> Points:
        """Return the way of rays inside, from the source to each end.

        Args:
            source_mm: Where they come from, shape (3,).
            ends_mm: Where they go, beyond the sphere, shape `(n, 3)`.

        Example:
            >>> ball = Sphere((0, 0, 0), 5)
            >>> ball.chord_mm(np.array([0, -9.0, 0]), np.array([[0, 9.0, 0], [9, 9, 0]])).round(2)
            array([10.  ,  5.93])
        """
        ways = ends_mm - source_mm
        ways = ways / np.linalg.norm(ways, axis=1, keepdims=True)
        to_center = np.asarray(self.center_mm, float) - source_mm
        off = (to_center**2).sum() - (ways @ to_center) ** 2
        return np.asarray(2 * np.sqrt(np.clip(self.radius_mm**2 - off, 0, None)))


@dataclass(frozen=True)
class Cuboid:
    """A box with sides along the patient's axes.

    Args:
        center_mm: Its centre (LPS).
        size_mm: Its sides along x, y and z.
        hu: What it is made of.

    Raises:
        GeometryError: If a side is not positive.
    """

    center_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float]
    hu: float = 0.0

    def __post_init__(self) -> None:
        if not all(side > 0 for side in self.size_mm):
            raise GeometryError("a box has positive sides", got=str(self.size_mm))

    def depth_mm(self, points_mm: Points) -> Points:
        """Return how deep points lie inside."""
        from_center = np.abs(points_mm - self.center_mm)
        depth: Points = (np.array(self.size_mm) / 2 - from_center).min(axis=-1)
        return depth

    def chord_mm(self, source_mm: Points, ends_mm: Points) -> Points:
        """Return the way of rays inside, from the source to each end.

        Args:
            source_mm: Where they come from, shape (3,).
            ends_mm: Where they go, beyond the box, shape `(n, 3)`.

        Example:
            >>> block = Cuboid((0, 0, 0), (4, 6, 8))
            >>> block.chord_mm(np.array([0, -9.0, 0]), np.array([[0, 9.0, 0], [9, 9, 0]])).round(2)
            array([6., 0.])
        """
        ways = ends_mm - source_mm
        faces = np.multiply.outer((-0.5, 0.5), self.size_mm) + self.center_mm - source_mm
        with np.errstate(divide="ignore", invalid="ignore"):
            near, far = (faces[side] / ways for side in (0, 1))
        enters = np.fmin(near, far).max(axis=1)
        leaves = np.fmax(near, far).min(axis=1)
        lengths = np.linalg.norm(ways, axis=1)
        return np.asarray(np.clip(leaves - enters, 0, None) * lengths)


def voxelize(
    solids: Sequence[Solid], *, shape: tuple[int, int, int], spacing_mm: float = 1.0
) -> Volume:
    """Return solids in air as a CT, the origin of the patient in its middle.

    A voxel at a surface is mixed by how deep its centre lies. Where solids overlap, the later
    one counts.

    Args:
        solids: What is in it.
        shape: Slices, rows, columns.
        spacing_mm: Side of a voxel.

    Example:
        >>> ct = voxelize([Sphere((0, 0, 0), 5)], shape=(15, 15, 15))
        >>> ct.pixels[7, 7, 7], ct.pixels[0, 0, 0]
        (np.int16(0), np.int16(-1000))
    """
    grid, geometry = centered_grid(shape, spacing_mm)
    hu = np.full(shape, AIR_HU)
    for solid in solids:
        share = np.clip(solid.depth_mm(grid) / spacing_mm + 0.5, 0, 1)
        hu += share * (solid.hu - hu)
    return synthetic_ct(hu, geometry, Step("voxelize", (("solids", len(solids)),)))


def centered_grid(shape: tuple[int, int, int], spacing_mm: float) -> tuple[Points, Geometry]:
    """Return the centres of voxels about the origin, shape `(*shape, 3)` in LPS mm, and geometry.

    Slices follow each other to the head, rows to the back, columns to the left.

    Raises:
        GeometryError: If the spacing is not positive.
    """
    if not 0 < spacing_mm < np.inf:
        raise GeometryError("the spacing must be positive millimetres", got=str(spacing_mm))
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[::-1] * spacing_mm
    affine[:3, 3] = -(np.array(shape[::-1]) - 1) / 2 * spacing_mm
    z, y, x = ((np.arange(size, dtype=float) - (size - 1) / 2) * spacing_mm for size in shape)
    grid = np.stack(np.broadcast_arrays(x, y[:, None], z[:, None, None]), axis=-1)
    return grid, Geometry.from_affine(affine)


def synthetic_ct(hu: npt.NDArray[np.float64], geometry: Geometry, step: Step) -> Volume:
    """Return made-up HU as a CT that says that it shows no patient."""
    return Volume(
        np.rint(hu).astype(np.int16),
        name="phantom",
        geometry=geometry,
        acquisition=Acquisition("CT", is_phantom=True),
        history=(step,),
    )
