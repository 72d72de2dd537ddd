"""What a CT of hip bones and sacrum lacks of a film: femurs, lumbar vertebrae, bowel gas.

Drawn anew for every body, so that a network learns bones of the pelvis and not everything bright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage, signal

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_JOINT_SPACE_MM = 3.0
_HEAD_RADIUS_MM = 23.0


@dataclass(frozen=True, eq=False)
class Canvas:
    """Bones on a grid of equal spacing, axes to the head, to the back, to the left.

    Args:
        hu: CT numbers, 0 where nothing is known; shape `(slices, rows, columns)`.
        left: The left hip bone, same shape.
        right: The right hip bone.
        sacrum: The sacrum.
        spacing_mm: Side of a voxel.
    """

    hu: Floats
    left: Mask
    right: Mask
    sacrum: Mask
    spacing_mm: float


def add_neighbours(canvas: Canvas, rng: np.random.Generator) -> Floats:
    """Return the CT numbers with two femurs and three vertebrae where they belong."""
    drawn = np.zeros_like(canvas.hu)
    for hip, side in ((canvas.left, 1.0), (canvas.right, -1.0)):
        _draw_femur(drawn, acetabulum(hip, canvas.spacing_mm), side, canvas.spacing_mm, rng)
    _draw_vertebrae(drawn, canvas, rng)
    gap = ndimage.distance_transform_edt(canvas.hu == 0, sampling=canvas.spacing_mm)
    return np.where(gap > _JOINT_SPACE_MM, drawn, canvas.hu).astype(np.float32)


def acetabulum(hip: Mask, spacing_mm: float) -> npt.NDArray[np.float64]:
    """Return the centre of the socket of a hip bone, in mm of its grid.

    It is the place with the most bone on a sphere of the size of a femoral head about it, and
    none within.
    """
    coarse = 3.0 / spacing_mm
    small = ndimage.zoom(hip.astype(np.float32), 1 / coarse, order=1)
    reach = np.arange(-11, 12) * 3.0
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(reach, reach, reach, indexing="ij")))
    shell = ((radius > _HEAD_RADIUS_MM + 1) & (radius < _HEAD_RADIUS_MM + 8)).astype(np.float32)
    ball = (radius <= _HEAD_RADIUS_MM - 1).astype(np.float32)
    kernel = shell / shell.sum() - 4 * ball / ball.sum()
    score = signal.fftconvolve(small, kernel, mode="same")
    place = np.array(np.unravel_index(score.argmax(), score.shape), np.float64)
    return place * 3.0


def add_gas(hu: Floats, spacing_mm: float, rng: np.random.Generator) -> Floats:
    """Return the CT numbers with a few bubbles of bowel gas where there is flesh."""
    gassy = hu.copy()
    middle = np.array(hu.shape) * spacing_mm / 2
    for _ in range(int(rng.integers(0, 14))):
        center = middle + rng.uniform(-1, 1, 3) * (110, 50, 70)
        radius = rng.uniform(5, 22, 3)
        box, points = _around(hu.shape, spacing_mm, center, float(radius.max()))
        bubble = (((points - center) / radius) ** 2).sum(axis=-1) < 1
        part = gassy[box]
        part[bubble & (part > -150) & (part < 120)] = -850
    return gassy


def _draw_femur(
    hu: Floats,
    head_mm: npt.NDArray[np.float64],
    side: float,
    spacing_mm: float,
    rng: np.random.Generator,
) -> None:
    turn = rng.uniform(-0.3, 0.5)
    neck = np.array([-0.6 + rng.uniform(-0.12, 0.12), turn * 0.5, side * 0.8])
    neck /= np.linalg.norm(neck)
    radius = _HEAD_RADIUS_MM + rng.uniform(-1.5, 1.5)
    joint = head_mm + neck * rng.uniform(46, 56)
    shaft_end = joint + np.array([-220.0, 5.0, -side * rng.uniform(10, 40)])
    density = rng.uniform(0.75, 1.25)
    _capsule(
        hu,
        spacing_mm,
        joint - np.array([6.0, 0, 0]),
        shaft_end,
        rng.uniform(13, 16),
        (1250 * density, -20, 5.0),
    )
    _capsule(hu, spacing_mm, head_mm, joint, rng.uniform(14, 17), (700 * density, 200 * density, 2))
    trochanter = joint + np.array([10.0, 6.0, side * 8.0])
    _capsule(hu, spacing_mm, trochanter, joint, rng.uniform(14, 18), (450 * density, 130, 2.0))
    _capsule(hu, spacing_mm, head_mm, head_mm, radius, (600 * density, 320 * density, 1.5))


def _draw_vertebrae(hu: Floats, canvas: Canvas, rng: np.random.Generator) -> None:
    spacing = canvas.spacing_mm
    top = int(np.flatnonzero(canvas.sacrum.any(axis=(1, 2)))[-1])
    slices = canvas.sacrum[max(0, top - round(12 / spacing)) : top + 1]
    _, rows, columns = np.nonzero(slices)
    front, middle = np.percentile(rows, 30) * spacing, columns.mean() * spacing
    density = rng.uniform(0.75, 1.25)
    lean = rng.uniform(-0.15, 0.3)
    for level in range(4):
        up = top * spacing + 20 + level * rng.uniform(35, 38)
        center = np.array([up, front - 6 - lean * 36 * level, middle])
        _body(hu, spacing, center, (14, rng.uniform(16, 19), rng.uniform(23, 28)), density)
        back = center + np.array([0, 34, 0])
        _capsule(hu, spacing, back, back + np.array([-10, 26, 0]), 5.0, (600 * density, 300, 2.0))
        for side in (-1, 1):
            root = center + np.array([4, 24, side * 14])
            _capsule(
                hu,
                spacing,
                root,
                root + np.array([4, 6, side * 26]),
                4.5,
                (600 * density, 300, 1.5),
            )


def _capsule(
    hu: Floats,
    spacing_mm: float,
    one: npt.NDArray[np.float64],
    other: npt.NDArray[np.float64],
    radius: float,
    matter: tuple[float, float, float],
) -> None:
    """Draw a rod with round ends: cortical HU, inner HU and cortical thickness in mm."""
    middle, half = (one + other) / 2, float(np.linalg.norm(other - one)) / 2
    box, points = _around(hu.shape, spacing_mm, middle, half + radius)
    way = other - one
    along = np.clip(((points - one) @ way) / max(float(way @ way), 1e-9), 0, 1)
    depth = radius - np.linalg.norm(points - one - along[..., None] * way, axis=-1)
    _lay(hu[box], depth, matter)


def _body(
    hu: Floats,
    spacing_mm: float,
    center: npt.NDArray[np.float64],
    half: tuple[float, float, float],
    density: float,
) -> None:
    box, points = _around(hu.shape, spacing_mm, center, max(half) * 1.2)
    off = np.abs(points - center) / half
    round_depth = (1 - np.hypot(off[..., 1], off[..., 2])) * min(half[1:])
    depth = np.minimum(round_depth, (1 - off[..., 0]) * half[0])
    _lay(hu[box], depth, (450 * density, 230 * density, 1.5))


def _lay(part: Floats, depth: npt.NDArray[np.float64], matter: tuple[float, float, float]) -> None:
    cortical, inner, thickness = matter
    inside = depth > 0
    value = np.where(depth < thickness, cortical, inner)
    part[inside] = np.maximum(part[inside], value[inside])


def _around(
    shape: tuple[int, ...], spacing_mm: float, center: npt.NDArray[np.float64], reach: float
) -> tuple[tuple[slice, ...], npt.NDArray[np.float64]]:
    """Return the part of a grid about a point, and where its voxels lie in mm."""
    box = tuple(
        slice(
            int(np.clip(np.floor((middle - reach) / spacing_mm), 0, size)),
            int(np.clip(np.ceil((middle + reach) / spacing_mm) + 1, 0, size)),
        )
        for middle, size in zip(center, shape, strict=True)
    )
    axes = [np.arange(part.start, part.stop) * spacing_mm for part in box]
    return box, np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
