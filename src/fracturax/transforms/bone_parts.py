"""Bones that touch in a joint, told apart where a joint space or a narrow bridge is seen."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint16]
Hounsfield = npt.NDArray[np.int16]
Numbers = npt.NDArray[np.int32]
Depths = npt.NDArray[np.float32]

_GRID_MM = 1.5
_CORE_MM, _CORE_VOXELS = 2.0, 1.05
_LEAST_CORE_MM3 = 800.0
_NECK = 0.5
_GAP_HU = 80.0
_NEAR_VOXELS = 5
_MOST_PARTS = 400


def part_bones(
    bone: Mask,
    solid: Mask,
    hu: Hounsfield,
    spacing_mm: tuple[float, float, float],
    *,
    least_mm3: float,
) -> Labels:
    """Number the bones of a mask, the largest first; those that touch in a joint are parted.

    Cores, which hold together without their outermost 2 mm (or voxel), grow through the mask,
    where it is dense first. Two that meet stay apart only if what lies between them is darker than
    both (a joint space), or if they meet in a face that is small beside both (a bridge of a few
    voxels); else they are one bone. What has no core stays with the part it hangs on.

    Args:
        bone: Shape `(slices, rows, columns)`.
        solid: What is dense in it, joint spaces left out; same shape.
        hu: The CT, same shape.
        spacing_mm: Of slices, rows and columns.
        least_mm3: Parts smaller than this are left out.

    Returns:
        Labels of the same shape, 0 outside.

    References:
        Meyer and Beucher, "Morphological segmentation", J Vis Commun Image Represent 1 (1990) 21.

    Example:
        >>> blocks = np.zeros((20, 20, 50), bool)
        >>> blocks[:, :, :24] = blocks[:, :, 26:] = True
        >>> whole = np.ones(blocks.shape, bool)
        >>> hu = np.where(blocks, 600, 60).astype(np.int16)
        >>> labels = part_bones(whole, blocks, hu, (1.0, 1.0, 1.0), least_mm3=50)
        >>> int(labels.max()), bool((labels > 0).all())
        (2, True)
    """
    labels = np.zeros(bone.shape, np.uint16)
    if not bone.any():
        return labels
    box = ndimage.find_objects(bone.astype(np.uint8))[0]
    inner = bone[box]
    steps = tuple(max(1, round(_GRID_MM / mm)) for mm in spacing_mm)
    coarse_mm = tuple(mm * step for mm, step in zip(spacing_mm, steps, strict=True))
    every = tuple(slice(None, None, step) for step in steps)
    mask, grey = inner[every], hu[box][every].astype(np.float32)
    depth = _depth(solid[box][every] & mask, coarse_mm)
    # A depth of one voxel is that of any voxel of the surface: a coarse CT needs more.
    core_mm = max(_CORE_MM, _CORE_VOXELS * max(coarse_mm))
    cores = _cores(depth, core_mm, least=max(1, round(_LEAST_CORE_MM3 / math.prod(coarse_mm))))
    parts = _merged(_grown(cores, mask, grey), depth, grey, coarse_mm)
    whole = _on_fine(parts, steps, inner)
    labels[box] = _by_size(whole, least=max(1, round(least_mm3 / math.prod(spacing_mm))))
    return labels


def _depth(solid: Mask, spacing: tuple[float, ...]) -> Depths:
    """Return how far each voxel lies from the surface, in mm; the edge of the CT is no surface."""
    padded = np.pad(solid, 1, mode="edge")
    depth = ndimage.distance_transform_edt(padded, sampling=spacing)
    return np.asarray(depth, np.float32)[1:-1, 1:-1, 1:-1]


def _cores(depth: Depths, core_mm: float, *, least: int) -> Numbers:
    """Number what is left of the solid without its outermost millimetres, the largest parts."""
    parts, count = ndimage.label(depth > core_mm)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")[:_MOST_PARTS]
    numbers = np.zeros(count + 1, np.int32)
    kept = order[sizes[order] >= least]
    numbers[kept] = np.arange(1, len(kept) + 1)
    return np.asarray(numbers[parts], np.int32)


def _grown(cores: Numbers, mask: Mask, grey: Depths) -> Numbers:
    """Grow cores through a mask, where it is dense first; what none reaches gets a number too."""
    grown = cores
    if cores.any():
        cost = np.rint(np.clip(1 - grey / 1000, 0, 1) * 250).astype(np.uint8)
        cost[~mask] = 255
        markers = np.where(mask, cores, -1)
        grown = np.asarray(ndimage.watershed_ift(cost, markers.astype(np.int32)), np.int32)
        grown = np.where(mask & (grown > 0), grown, 0)
    # Parts without a core of their own; those that a core reaches are taken up by it.
    rest = np.asarray(ndimage.label(mask & (grown == 0))[0], np.int32)
    return np.asarray(np.where(rest > 0, rest + int(cores.max()), grown), np.int32)


def _merged(parts: Numbers, depth: Depths, grey: Depths, spacing: tuple[float, ...]) -> Numbers:
    """Give parts one number unless a joint space or a bridge lies between them."""
    thick = np.atleast_1d(ndimage.maximum(depth, parts, np.arange(int(parts.max()) + 1)))
    brightest = ndimage.maximum_filter(grey, _NEAR_VOXELS)
    face_mm2 = float(np.prod(spacing)) ** (2 / 3)
    root = np.arange(len(thick))
    for (one, other), places in _faces(parts).items():
        size = math.sqrt(len(places[0]) * face_mm2)
        is_bridge = size < _NECK * 2 * min(thick[one], thick[other])
        gap = float(np.median(brightest[places] - grey[places]))
        if not is_bridge and gap < _GAP_HU:
            root[root == root[other]] = root[one]
    return np.asarray(root[parts], np.int32)


def _faces(parts: Numbers) -> dict[tuple[int, int], tuple[npt.NDArray[np.intp], ...]]:
    """Return the voxels on one side of each face between two parts."""
    found: dict[tuple[int, int], list[npt.NDArray[np.intp]]] = {}
    for axis in range(3):
        ahead = np.moveaxis(parts, axis, 0)
        touch = np.argwhere((ahead[:-1] != ahead[1:]) & (ahead[:-1] > 0) & (ahead[1:] > 0))
        if not len(touch):
            continue
        near, far = ahead[tuple(touch.T)], ahead[tuple((touch + np.array([1, 0, 0])).T)]
        places = np.insert(touch[:, 1:], axis, touch[:, 0], axis=1)
        pairs = np.sort(np.stack([near, far], axis=1), axis=1)
        for pair in np.unique(pairs, axis=0):
            mine = places[(pairs == pair).all(axis=1)]
            found.setdefault((int(pair[0]), int(pair[1])), []).append(mine)
    return {pair: tuple(np.concatenate(lists).T) for pair, lists in found.items()}


def _on_fine(parts: Numbers, steps: tuple[int, ...], mask: Mask) -> Numbers:
    """Return numbers of a coarse grid on the fine one, each voxel of the mask with its nearest."""
    fine = parts
    for axis, (step, size) in enumerate(zip(steps, mask.shape, strict=True)):
        fine = np.repeat(fine, step, axis=axis).take(range(size), axis=axis) if step > 1 else fine
    fine = np.where(mask, fine, 0)
    missing = mask & (fine == 0)
    if missing.any():
        around = ndimage.grey_dilation(fine, size=(3, 3, 3))
        fine = np.where(missing, around, fine)
    return np.asarray(fine, np.int32)


def _by_size(parts: Numbers, *, least: int) -> Labels:
    """Number parts anew, the largest first, without small ones."""
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    order = np.argsort(-sizes, kind="stable")
    kept = order[sizes[order] >= least]
    numbers = np.zeros(len(sizes), np.uint16)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return np.asarray(numbers[parts], np.uint16)
