"""A long bone in flesh, whole or broken, made up for tests and examples: CT and fragment labels."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fracturax.core.errors import GeometryError
from fracturax.core.image import Step, Volume
from fracturax.simulation.cone_beam import Points
from fracturax.simulation.solids import AIR_HU, centered_grid, synthetic_ct

FLESH_HU, MARROW_HU, CORTEX_HU = 45.0, -30.0, 1400.0


@dataclass(frozen=True)
class Cleft:
    """A planted fracture: a plane through the shaft, and what it does to the part below.

    Args:
        height_mm: Where the plane crosses the axis, from the middle of the bone to the head.
        slope_deg: Between the plane and a straight cut, tilted to the left; below 75.
        width_mm: Gap between the fragments, along the axis, filled with flesh; 0 is a cut alone.
        shift_mm: Displacement of the part below: to the left, and to the back.
    """

    height_mm: float = 0.0
    slope_deg: float = 25.0
    width_mm: float = 1.5
    shift_mm: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class ShaftPhantom:
    """A shaft of cortex and marrow in a limb of flesh, its axis from foot to head.

    Args:
        length_mm: Of the bone; the limb is as long as the volume.
        radius_mm: Of the bone in its middle; towards its ends it grows by a third.
        cortex_mm: Thickness of the cortex.
        limb_mm: Radius of the limb.
        cleft: A planted fracture, or None.

    Raises:
        GeometryError: If the parts do not fit into each other.

    Example:
        >>> ct, labels = ShaftPhantom(cleft=Cleft(shift_mm=(4, 0))).build(shape=(60, 40, 40))
        >>> np.unique(labels.pixels).tolist(), ct.acquisition.is_phantom
        ([0, 1, 2], True)
    """

    length_mm: float = 100.0
    radius_mm: float = 11.0
    cortex_mm: float = 4.0
    limb_mm: float = 32.0
    cleft: Cleft | None = None

    def __post_init__(self) -> None:
        sizes = (self.length_mm, self.radius_mm, self.cortex_mm, self.limb_mm)
        is_nested = 0 < self.cortex_mm < self.radius_mm < self.limb_mm / 1.4
        if not is_nested or not 0 < self.length_mm < math.inf:
            raise GeometryError(
                "cortex, bone and limb do not fit into each other",
                got=str(sizes),
                cure="give a cortex thinner than the bone, the bone thinner than the limb",
            )
        cleft = self.cleft
        if cleft is not None and not (
            abs(cleft.height_mm) < self.length_mm / 2
            and abs(cleft.slope_deg) < 75
            and 0 <= cleft.width_mm < self.length_mm / 4
            and all(math.isfinite(shift) for shift in cleft.shift_mm)
        ):
            raise GeometryError(
                "the fracture does not lie in the bone",
                got=str(cleft),
                cure="give a height within the bone, a slope below 75, a width below a quarter",
            )

    def build(
        self, *, shape: tuple[int, int, int] = (160, 96, 96), spacing_mm: float = 0.8
    ) -> tuple[Volume, Volume]:
        """Return the CT and its labels, the origin of the patient in their middle.

        Args:
            shape: Slices, rows, columns.
            spacing_mm: Side of a voxel.

        Returns:
            HU; and labels: 1 is the bone, or the part above a fracture, and 2 the part below.
        """
        grid, geometry = centered_grid(shape, spacing_mm)
        hu = np.full(shape, AIR_HU)
        limb = self.limb_mm - np.hypot(grid[..., 0], grid[..., 1])
        hu += _share(limb, spacing_mm) * (FLESH_HU - AIR_HU)
        labels = np.zeros(shape, np.int16)
        for number, (depth, surface) in enumerate(self._fragments(grid), start=1):
            inner = np.minimum(depth, surface - self.cortex_mm)
            hu += _share(depth, spacing_mm) * (CORTEX_HU - hu)
            hu += _share(inner, spacing_mm) * (MARROW_HU - hu)
            labels[depth > 0] = number
        step = Step("bone_phantom", (("is_broken", self.cleft is not None),))
        ct = synthetic_ct(hu, geometry, step)
        return ct, replace(ct, pixels=labels, name="labels", unit="arbitrary")

    def _fragments(self, grid: Points) -> list[tuple[Points, Points]]:
        """Return for each fragment how deep points lie in it, and below the bone's surface."""
        whole = self._depth(grid)
        cleft = self.cleft
        if cleft is None:
            return [(whole, whole)]
        slope = math.radians(cleft.slope_deg)
        moved = grid - (*cleft.shift_mm, 0.0)
        below = self._depth(moved)
        half = cleft.width_mm / 2
        fragments = []
        for points, surface, side in ((grid, whole, 1.0), (moved, below, -1.0)):
            height = points[..., 2] - cleft.height_mm - points[..., 0] * math.tan(slope)
            from_plane = (side * height - half) * math.cos(slope)
            fragments.append((np.minimum(surface, from_plane), surface))
        return fragments

    def _depth(self, points: Points) -> Points:
        height = points[..., 2]
        flare = 1 + (2 * height / self.length_mm) ** 4 / 3
        sideways = self.radius_mm * np.minimum(flare, 4 / 3)
        sideways -= np.hypot(points[..., 0], points[..., 1])
        return np.asarray(np.minimum(sideways, self.length_mm / 2 - np.abs(height)))


def _share(depth_mm: Points, spacing_mm: float) -> Points:
    """Return how much of a voxel is filled, from how deep its centre lies."""
    return np.clip(depth_mm / spacing_mm + 0.5, 0, 1)
