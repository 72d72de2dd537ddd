"""The rays themselves, compiled: through a CT from plane to plane, past empty blocks."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

BLOCK = 8
"""Side in voxels of the blocks that are skipped where they are empty."""
# Rays that walk side by side: enough for vector instructions, few enough to stay in the cache.
_TILE = 32

Reals = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int32]


@numba.njit(parallel=True, fastmath=True, cache=True)
def cast_rays(
    hu: npt.NDArray[np.int16],
    labels: npt.NDArray[np.uint8],
    is_occupied: npt.NDArray[np.bool_],
    source: Reals,
    corner: Reals,
    down: Reals,
    along: Reals,
    lengths: Reals,
    tissue_hu: float,
    bone_hu: float,
    water: Floats,
    bone: Floats,
    paths: Floats,
) -> None:
    """Sum water, bone and labels along the ray of each pixel.

    Along the axis in which rays cross most planes of voxels they are sampled once a plane,
    bilinearly within the plane (labels: nearest voxel).

    Args:
        hu: The CT, shape `(slices, rows, columns)`.
        labels: 0 is none, else position in `paths` + 1; shape of `hu`, or `(0, 0, 0)`.
        is_occupied: Whether a block of `BLOCK`³ voxels or one beside it holds anything.
        source: The source in voxels (slice, row, column), as all places here.
        corner: The centre of the detector's first pixel.
        down: From one pixel row to the next.
        along: From one pixel column to the next.
        lengths: From source to pixel in mm, shape `(rows, columns)` of the film.
        tissue_hu: See `attenuation.TISSUE_HU`.
        bone_hu: HU of solid bone.
        water: Filled with mm of water of density 1.
        bone: Filled with mm of solid bone.
        paths: Filled with mm inside each label, shape `(rows, columns, labels)`.

    References:
        Joseph, An improved algorithm for reprojecting rays through pixel images, IEEE Trans.
        Med. Imaging 1, 192-196 (1982), doi 10.1109/TMI.1982.4307572.
    """
    for row in numba.prange(water.shape[0]):
        for left in range(0, water.shape[1], _TILE):
            right = min(left + _TILE, water.shape[1])
            way = corner + row * down + left * along - source
            main, a, b = _axes(way + (right - left) / 2 * along)
            grid = _Grid(
                hu.ravel(),
                labels.ravel(),
                is_occupied,
                main,
                np.int32(hu.strides[main] // 2),
                np.int32(hu.strides[a] // 2),
                np.int32(hu.strides[b] // 2),
                np.float32(hu.shape[a] - 1),
                np.float32(hu.shape[b] - 1),
            )
            rays = _aim(source, way, along, lengths[row, left:right], hu.shape, (main, a, b))
            _walk(
                grid,
                rays,
                np.float32(tissue_hu),
                np.float32(bone_hu),
                water[row, left:right],
                bone[row, left:right],
                paths[row, left:right],
            )


class _Grid(NamedTuple):
    """A CT as rays see it that cross its planes along one axis, `main`; a and b are the others."""

    voxels: npt.NDArray[np.int16]
    labels: npt.NDArray[np.uint8]
    is_occupied: npt.NDArray[np.bool_]
    main: int
    stride: np.int32
    stride_a: np.int32
    stride_b: np.int32
    top_a: np.float32
    top_b: np.float32


class _Rays(NamedTuple):
    """Rays side by side: place in plane 0 and way from plane to plane, planes, mm a plane."""

    start_a: Floats
    slope_a: Floats
    start_b: Floats
    slope_b: Floats
    step_mm: Floats
    first: Whole
    last: Whole


class _Samples(NamedTuple):
    """Where the rays are in a plane, and the four voxels about each."""

    place: Whole
    step_a: Whole
    step_b: Whole
    share_a: Floats
    share_b: Floats
    corners: Floats


@numba.njit(fastmath=True)
def _aim(
    source: Reals,
    way: Reals,
    along: Reals,
    lengths: Reals,
    shape: tuple[int, int, int],
    axes: tuple[int, int, int],
) -> _Rays:
    """Return the rays of a tile; `way` leads to the first one's pixel."""
    main, a, b = axes
    width = lengths.size
    rays = _Rays(
        np.empty(width, np.float32),
        np.empty(width, np.float32),
        np.empty(width, np.float32),
        np.empty(width, np.float32),
        np.empty(width, np.float32),
        np.empty(width, np.int32),
        np.empty(width, np.int32),
    )
    for ray in range(width):
        own = way + ray * along
        rays.first[ray], rays.last[ray] = _planes(source, own, shape, main)
        rays.slope_a[ray] = own[a] / own[main]
        rays.slope_b[ray] = own[b] / own[main]
        rays.start_a[ray] = source[a] - source[main] * own[a] / own[main]
        rays.start_b[ray] = source[b] - source[main] * own[b] / own[main]
        rays.step_mm[ray] = lengths[ray] / abs(own[main])
    return rays


@numba.njit(fastmath=True)
def _walk(
    grid: _Grid,
    rays: _Rays,
    tissue_hu: float,
    bone_hu: float,
    water: Floats,
    bone: Floats,
    paths: Floats,
) -> None:
    """Add up what the rays of a tile cross."""
    width = water.size
    samples = _Samples(
        np.empty(width, np.int32),
        np.empty(width, np.int32),
        np.empty(width, np.int32),
        np.empty(width, np.float32),
        np.empty(width, np.float32),
        np.empty((4, width), np.float32),
    )
    plane, end = rays.first.min(), rays.last.max() + 1
    while plane < end:
        stop = min(plane + BLOCK - plane % BLOCK, end)
        if _is_occupied(grid, rays, plane, stop):
            _cross(grid, rays, samples, (plane, stop), (tissue_hu, bone_hu), (water, bone, paths))
        plane = stop
    for ray in range(width):
        water[ray] *= rays.step_mm[ray] / np.float32(1000)
        bone[ray] *= rays.step_mm[ray]


@numba.njit(fastmath=True)
def _is_occupied(grid: _Grid, rays: _Rays, plane: int, stop: int) -> bool:
    """Return whether a ray meets anything from one plane to before another of the same block."""
    middle = np.float32(plane + stop - 1) / np.float32(2)
    main_block = plane // BLOCK
    for ray in range(rays.first.size):
        a = int(_held(rays.start_a[ray] + middle * rays.slope_a[ray], grid.top_a)) // BLOCK
        b = int(_held(rays.start_b[ray] + middle * rays.slope_b[ray], grid.top_b)) // BLOCK
        if grid.main == 0:
            is_met = grid.is_occupied[main_block, a, b]
        elif grid.main == 1:
            is_met = grid.is_occupied[a, main_block, b]
        else:
            is_met = grid.is_occupied[a, b, main_block]
        if is_met:
            return True
    return False


@numba.njit(fastmath=True)
def _cross(
    grid: _Grid,
    rays: _Rays,
    samples: _Samples,
    planes: tuple[int, int],
    bends: tuple[float, float],
    sums: tuple[Floats, Floats, Floats],
) -> None:
    """Add up water, bone and labels of the planes of one block."""
    voxels, labels, _, _, stride, stride_a, stride_b, top_a, top_b = grid
    start_a, slope_a, start_b, slope_b, step_mm, first, last = rays
    place, step_a, step_b, share_a, share_b, corners = samples
    (tissue_hu, bone_hu), (water, bone, paths) = bends, sums
    zero, one, air, stay = np.float32(0), np.float32(1), np.float32(1000), np.int32(0)
    per_hu, per_dense = one / (bone_hu - tissue_hu), one / (bone_hu + air)
    width = water.size
    for position in range(planes[0], planes[1]):
        depth, base = np.float32(position), np.int32(position) * stride
        # Three loops, so that the first and the last become vector instructions.
        for ray in range(width):
            a = _held(start_a[ray] + depth * slope_a[ray], top_a)
            b = _held(start_b[ray] + depth * slope_b[ray], top_b)
            low_a, low_b = np.int32(a), np.int32(b)
            share_a[ray], share_b[ray] = a - np.float32(low_a), b - np.float32(low_b)
            step_a[ray] = stride_a if a < top_a else stay
            step_b[ray] = stride_b if b < top_b else stay
            place[ray] = base + low_a * stride_a + low_b * stride_b
        for ray in range(width):
            at, to_a, to_b = np.uint32(place[ray]), np.uint32(step_a[ray]), np.uint32(step_b[ray])
            corners[0, ray] = voxels[at]
            corners[1, ray] = voxels[at + to_b]
            corners[2, ray] = voxels[at + to_a]
            corners[3, ray] = voxels[at + to_a + to_b]
            if labels.size > 0 and first[ray] <= position <= last[ray]:
                at += to_a if share_a[ray] >= 0.5 else np.uint32(0)
                at += to_b if share_b[ray] >= 0.5 else np.uint32(0)
                if labels[at] > 0:
                    paths[ray, labels[at] - 1] += step_mm[ray]
        for ray in range(width):
            near = corners[0, ray] + share_b[ray] * (corners[1, ray] - corners[0, ray])
            far = corners[2, ray] + share_b[ray] * (corners[3, ray] - corners[2, ray])
            value = near + share_a[ray] * (far - near)
            is_inside = np.float32((first[ray] <= position) & (position <= last[ray]))
            share = min(max((value - tissue_hu) * per_hu, zero), one)
            tissue = min(max(value, -air), tissue_hu) + air
            water[ray] += is_inside * (one - share) * tissue
            bone[ray] += is_inside * (share + max(value - bone_hu, zero) * per_dense)


@numba.njit(inline="always")
def _axes(way: Reals) -> tuple[int, int, int]:
    """Return the axis that crosses most planes, and the two others."""
    x, y, z = abs(way[0]), abs(way[1]), abs(way[2])
    if x >= y and x >= z:
        return 0, 1, 2
    if y >= z:
        return 1, 0, 2
    return 2, 0, 1


@numba.njit(inline="always")
def _held(place: np.float32, top: np.float32) -> np.float32:
    """Return a place moved back onto the voxel centres: within half a voxel of the edge."""
    return min(max(place, np.float32(0)), top)


@numba.njit
def _planes(source: Reals, way: Reals, shape: tuple[int, int, int], main: int) -> tuple[int, int]:
    """Return the first and last plane that a ray crosses inside the CT; none if they are turned."""
    enters, leaves = 0.0, 1.0  # shares of the way from source to pixel
    for axis in range(3):
        low, high = -0.5 - source[axis], shape[axis] - 0.5 - source[axis]
        if abs(way[axis]) < 1e-12:
            if low > 0 or high < 0:
                leaves = -1.0
        else:
            near, far = low / way[axis], high / way[axis]
            enters = max(enters, min(near, far))
            leaves = min(leaves, max(near, far))
    if enters >= leaves:
        return shape[main], -1
    ends = source[main] + enters * way[main], source[main] + leaves * way[main]
    return max(math.ceil(min(ends)), 0), min(math.floor(max(ends)), shape[main] - 1)
