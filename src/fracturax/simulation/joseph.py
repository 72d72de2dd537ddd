"""The rays themselves, compiled: through a CT from plane to plane, past empty blocks."""

from __future__ import annotations

import math

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
            _cast_tile(
                hu.ravel(),
                labels.ravel(),
                is_occupied,
                hu.shape,
                hu.strides,
                source,
                corner + row * down + left * along - source,
                along,
                lengths[row, left:right],
                np.float32(tissue_hu),
                np.float32(bone_hu),
                water[row, left:right],
                bone[row, left:right],
                paths[row, left:right],
            )


@numba.njit(fastmath=True)
def _cast_tile(
    voxels: npt.NDArray[np.int16],
    labels: npt.NDArray[np.uint8],
    is_occupied: npt.NDArray[np.bool_],
    shape: tuple[int, int, int],
    strides: tuple[int, int, int],
    source: Reals,
    way: Reals,
    along: Reals,
    lengths: Reals,
    tissue_hu: float,
    bone_hu: float,
    water: Floats,
    bone: Floats,
    paths: Floats,
) -> None:
    """Walk rays of one film row that lie side by side; `way` leads to the first one's pixel."""
    width = lengths.size
    main, a, b = _axes(way + width / 2 * along)
    stride, stride_a, stride_b = (
        np.int32(strides[main] // 2),
        np.int32(strides[a] // 2),
        np.int32(strides[b] // 2),
    )
    top_a, top_b = np.float32(shape[a] - 1), np.float32(shape[b] - 1)
    start_a, slope_a = np.empty(width, np.float32), np.empty(width, np.float32)
    start_b, slope_b = np.empty(width, np.float32), np.empty(width, np.float32)
    first, last = np.empty(width, np.int32), np.empty(width, np.int32)
    step_mm = np.empty(width, np.float32)
    for ray in range(width):
        own = way + ray * along
        first[ray], last[ray] = _planes(source, own, shape, main)
        slope_a[ray] = own[a] / own[main]
        slope_b[ray] = own[b] / own[main]
        start_a[ray] = source[a] - source[main] * own[a] / own[main]
        start_b[ray] = source[b] - source[main] * own[b] / own[main]
        step_mm[ray] = lengths[ray] / abs(own[main])
    place, step_a, step_b = (
        np.empty(width, np.int32),
        np.empty(width, np.int32),
        np.empty(width, np.int32),
    )
    share_a, share_b = np.empty(width, np.float32), np.empty(width, np.float32)
    corners = np.empty((4, width), np.float32)
    zero, one, air = np.float32(0), np.float32(1), np.float32(1000)
    per_hu, per_dense = one / (bone_hu - tissue_hu), one / (bone_hu + air)
    plane, end = first.min(), last.max() + 1
    while plane < end:
        stop = min(plane + BLOCK - plane % BLOCK, end)
        middle = np.float32(plane + stop - 1) / np.float32(2)
        is_empty = True
        for ray in range(width):
            block_a = int(_held(start_a[ray] + middle * slope_a[ray], top_a)) // BLOCK
            block_b = int(_held(start_b[ray] + middle * slope_b[ray], top_b)) // BLOCK
            if is_occupied[_block(plane // BLOCK, block_a, block_b, main)]:
                is_empty = False
                break
        if is_empty:
            plane = stop
            continue
        for position in range(plane, stop):
            # Three loops, so that the first and the last run in vector instructions.
            for ray in range(width):
                place_a = _held(start_a[ray] + np.float32(position) * slope_a[ray], top_a)
                place_b = _held(start_b[ray] + np.float32(position) * slope_b[ray], top_b)
                low_a, low_b = np.int32(place_a), np.int32(place_b)
                share_a[ray] = place_a - np.float32(low_a)
                share_b[ray] = place_b - np.float32(low_b)
                step_a[ray] = stride_a if place_a < top_a else np.int32(0)
                step_b[ray] = stride_b if place_b < top_b else np.int32(0)
                place[ray] = np.int32(position) * stride + low_a * stride_a + low_b * stride_b
            for ray in range(width):
                at = np.uint32(place[ray])
                to_a, to_b = np.uint32(step_a[ray]), np.uint32(step_b[ray])
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
        plane = stop
    for ray in range(width):
        water[ray] *= step_mm[ray] / air
        bone[ray] *= step_mm[ray]


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
def _block(main_block: int, block_a: int, block_b: int, main: int) -> tuple[int, int, int]:
    """Return the position of a block in the order of the CT's axes."""
    if main == 0:
        return main_block, block_a, block_b
    if main == 1:
        return block_a, main_block, block_b
    return block_a, block_b, main_block


@numba.njit(inline="always")
def _held(place: float, top: float) -> float:
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
