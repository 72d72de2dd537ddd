"""Bones in a whole CT without any training: thresholds, holes, parts; joints kept apart."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fracturax.core.errors import ImageError
from fracturax.core.image import Volume
from fracturax.transforms.body import fill_holes, keep_parts
from fracturax.transforms.bone_parts import part_bones

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.uint16]
Hounsfield = npt.NDArray[np.int16]

USABLE = 0.5
"""Quality from which labels are worth using."""
_BODY_HU, _WEAK_HU, _STRONG_HU, _CORTEX_HU, _METAL_HU = -300, 130, 220, 350, 2500
_MARROW_HU = -150
_MOST_VOXELS = 24_000_000
_CLOSED_MM = 2.5
_TABLE_MM = 6.0
_LARGEST_HOLE_MM2 = 900.0
_CANAL_MM2 = 120.0
_CANAL_HU = 60
_LEAST_BONE_MM3 = 400.0
_LEAST_BODY_SHARE = 0.1
_LEAST_CORTEX = 0.02


@dataclass(frozen=True, eq=False)
class BonePart:
    """One bone, or several that could not be told apart.

    Args:
        label: Its value in the labels.
        voxels: How many it has.
        volume_mm3: Its volume; None where the CT does not say its spacing.
        start: First slice, row and column.
        stop: One past the last.
    """

    label: int
    voxels: int
    volume_mm3: float | None
    start: tuple[int, int, int]
    stop: tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class BoneLabels:
    """Bones in a CT.

    Args:
        labels: 0 outside, 1 for the largest part, and so on; shape `(slices, rows, columns)`.
        parts: What the labels are, in their order.
        quality: 0 to 1: how well bone stands out from what is around it, whether there is as much
            of it as in a body, and whether its parts have a cortex. A score of plausibility, not a
            probability.
        reason: Why the labels are not usable; empty where they are.
        remark: What a user should know; else empty.
    """

    labels: Labels
    parts: tuple[BonePart, ...]
    quality: float
    reason: str = ""
    remark: str = ""

    @property
    def mask(self) -> Mask:
        """True on bone."""
        return self.labels > 0

    @property
    def is_usable(self) -> bool:
        """Whether they are worth using."""
        return not self.reason


def segment_ct_bone(volume: Volume) -> BoneLabels:
    """Find the bones in a CT with soft tissue.

    The table is left out. What is above 130 HU and hangs together with something above 220 HU is
    bone; gaps of its cortex are closed and marrow is filled, slice by slice in three directions;
    the spinal canal stays open. Small parts, and parts without a cortex (contrast medium in bowel
    or bladder), go. Bones that touch in a joint are parted at their necks, where that is clear.
    Metal counts as bone.

    A volume of more than 24 million voxels is worked on at a coarser grid, so that time and memory
    have a bound; lengths are in millimetres. A volume without spacing counts as one of 1 mm, which
    the remark says.

    Args:
        volume: In HU.

    Returns:
        The labels and their quality; a volume without bone gives empty labels and the reason.

    Raises:
        ImageError: If it is not in HU, or a voxel is no number.

    Example:
        >>> hu = np.full((20, 60, 60), -1000, np.int16)
        >>> hu[:, 10:50, 10:50] = 40
        >>> hu[:, 24:36, 24:36] = 500
        >>> found = segment_ct_bone(Volume(hu))
        >>> len(found.parts), found.parts[0].voxels == 20 * 12 * 12
        (1, True)
    """
    if volume.unit != "HU":
        raise ImageError(
            "bones are found in a CT in Hounsfield units",
            got=volume.unit,
            cure="give the CT as DICOM or NIfTI in HU",
        )
    # Slice by slice: what is made of a whole CT at once would be the highest memory of a reading.
    if not all(np.isfinite(plane).all() for plane in volume.pixels):
        raise ImageError(
            "some voxels are no numbers", got="NaN or infinity", cure="replace them by air"
        )
    spacing = volume.geometry.spacing_mm or (1.0, 1.0, 1.0)
    remark = "" if volume.geometry.spacing_mm else "no spacing in the file: taken for 1 mm"
    small, small_mm = _shrunk(volume.pixels, spacing)
    body = _body(small, small_mm)
    bone, solid = _bone(small, body, small_mm)
    labels = part_bones(bone, solid, small, small_mm, least_mm3=_LEAST_BONE_MM3)
    quality, reason = _judge(small, body, labels > 0)
    labels = _enlarged(labels, volume.pixels.shape)
    parts = tuple(_parts(labels, volume.geometry.spacing_mm))
    return BoneLabels(labels, parts, quality, reason, remark)


def _shrunk(
    hu: npt.NDArray[np.int16 | np.float32], spacing: tuple[float, ...]
) -> tuple[Hounsfield, tuple[float, float, float]]:
    """Return at most so many voxels as int16, by leaving out rows, columns and slices evenly."""
    steps = [1, 1, 1]
    while math.prod(-(-n // step) for n, step in zip(hu.shape, steps, strict=True)) > _MOST_VOXELS:
        finest = min(range(3), key=lambda axis: spacing[axis] * steps[axis])
        steps[finest] += 1
    rows, columns = steps[1:]
    small = hu[:: steps[0], ::rows, ::columns]
    sizes = tuple(mm * step for mm, step in zip(spacing, steps, strict=True))
    clipped = np.clip(small, -1024, 3071).astype(np.int16)
    return np.ascontiguousarray(clipped), (sizes[0], sizes[1], sizes[2])


def _enlarged(labels: Labels, shape: tuple[int, ...]) -> Labels:
    """Return labels in the shape of the CT, each voxel with that of the one it stands for."""
    if labels.shape == shape:
        return labels
    slices, rows, columns = (
        np.arange(size) // -(-size // few) for few, size in zip(labels.shape, shape, strict=True)
    )
    large = np.empty(shape, labels.dtype)
    for place, old in zip(large, slices, strict=True):
        place[:] = labels[old][np.ix_(rows, columns)]
    return large


def _body(hu: Hounsfield, spacing: tuple[float, float, float]) -> Mask:
    """Return the patient, without the table and what lies around; slice by slice."""
    disc = _disc(_TABLE_MM, spacing[1:])
    body = np.zeros(hu.shape, bool)
    for plane, place in zip(hu, body, strict=True):
        dense = cv2.morphologyEx((plane > _BODY_HU).astype(np.uint8), cv2.MORPH_OPEN, disc)
        place[:] = fill_holes(keep_parts(np.asarray(dense, bool), least=dense.size // 500))
    # What is small in the whole is no limb.
    parts, count = ndimage.label(body)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    return np.asarray((sizes >= _LEAST_BODY_SHARE * sizes.max())[parts] & body, bool)


def _bone(hu: Hounsfield, body: Mask, spacing: tuple[float, float, float]) -> tuple[Mask, Mask]:
    """Return bone with its marrow; and the same with joint spaces left open."""
    weak = (hu > _WEAK_HU) & body
    dense = _holding(weak, hu > _STRONG_HU, share=0.0, least=_voxels(50.0, spacing))
    bone = _solid(dense, hu, spacing, closed_mm=_CLOSED_MM) & body
    least = _voxels(_LEAST_BONE_MM3, spacing)
    bone = _holding(bone, hu > _CORTEX_HU, share=_LEAST_CORTEX, least=least)
    return bone, _solid(dense & bone, hu, spacing, closed_mm=0.0)


def _solid(
    dense: Mask, hu: Hounsfield, spacing: tuple[float, float, float], *, closed_mm: float
) -> Mask:
    """Return what is dense with its gaps closed and its marrow filled, in planes of each axis."""
    solid = dense.copy()
    for axis in range(3):
        in_plane = tuple(mm for other, mm in enumerate(spacing) if other != axis)
        disc = _disc(closed_mm, in_plane)
        for plane, grey in zip(np.moveaxis(solid, axis, 0), np.moveaxis(hu, axis, 0), strict=True):
            box = _around(plane)
            # Neither closing nor filling reaches beyond the box around a mask.
            if box is not None:
                plane[box] = _filled(plane[box], grey[box], disc, area_mm2=math.prod(in_plane))
    return solid


def _around(plane: Mask) -> tuple[slice, slice] | None:
    """Return the rows and columns that a mask lies in; None if it is empty."""
    rows, columns = (np.flatnonzero(plane.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _filled(plane: Mask, grey: Hounsfield, disc: npt.NDArray[np.uint8], *, area_mm2: float) -> Mask:
    """Return bone of one plane with its gaps closed and its marrow filled."""
    border = max(disc.shape)
    padded = np.pad(plane, border).astype(np.uint8)
    closed = np.asarray(cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc), bool)
    whole = fill_holes(closed, most=int(_LARGEST_HOLE_MM2 / area_mm2))
    whole = whole[border:-border, border:-border]
    added = whole & ~plane & (grey > _MARROW_HU)
    count, found = cv2.connectedComponents(added.astype(np.uint8), connectivity=4)
    holes = np.asarray(found, np.int32)
    sizes = np.bincount(holes.ravel(), minlength=count)
    mean = np.bincount(holes.ravel(), grey.ravel(), minlength=count) / np.maximum(sizes, 1)
    is_canal = (sizes * area_mm2 > _CANAL_MM2) & (mean < _CANAL_HU)
    is_canal[0] = True
    return np.asarray(plane | ~is_canal[holes], bool)


def _holding(mask: Mask, strong: Mask, *, share: float, least: int) -> Mask:
    """Return the connected parts of a mask that are large enough and hold enough of another."""
    parts, count = ndimage.label(mask)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    held = np.bincount(parts[strong], minlength=count + 1)
    kept = (sizes >= least) & (held > 0) & (held >= share * sizes)
    kept[0] = False
    return np.asarray(kept[parts], bool)


def _judge(hu: Hounsfield, body: Mask, bone: Mask) -> tuple[float, str]:
    """Return the quality, and what is wrong where it is too low."""
    if not bone.any():
        return 0.0, "nothing in the volume is as dense as bone"
    share = float(bone.sum() / max(body.sum(), 1))
    rim = ndimage.binary_dilation(bone, iterations=2) & ~bone & body
    gap = float(np.median(hu[bone]) - np.median(hu[rim])) if rim.any() else 0.0
    metal = float((hu[bone] > _METAL_HU).mean())
    facts = {
        "bone hardly stands out from what is around it": _ramp(gap, 40, 140),
        f"bone would be {share:.1%} of the body": min(
            _ramp(share, 0.002, 0.02), _ramp(0.6 - share, 0.0, 0.2)
        ),
        f"{metal:.0%} of it is metal": _ramp(0.3 - metal, 0.0, 0.25),
    }
    quality = float(np.prod(list(facts.values())) ** (1 / len(facts)))
    return quality, min(facts, key=lambda fact: facts[fact]) if quality < USABLE else ""


def _parts(labels: Labels, spacing: tuple[float, ...] | None) -> Iterable[BonePart]:
    # Slice by slice: counting turns what it counts into integers of 64 bits.
    sizes = np.zeros(int(labels.max()) + 1, np.int64)
    for plane in labels:
        sizes += np.bincount(plane.ravel(), minlength=len(sizes))
    # Numbers run without a gap, so every one has its box.
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        voxels = int(sizes[number])
        yield BonePart(
            number,
            voxels,
            None if spacing is None else voxels * math.prod(spacing),
            (box[0].start, box[1].start, box[2].start),
            (box[0].stop, box[1].stop, box[2].stop),
        )


def _disc(radius_mm: float, spacing: tuple[float, ...]) -> npt.NDArray[np.uint8]:
    sides = [2 * max(0, round(radius_mm / mm)) + 1 for mm in spacing]
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, sides[::-1]), np.uint8)


def _voxels(volume_mm3: float, spacing: tuple[float, float, float]) -> int:
    return max(1, round(volume_mm3 / math.prod(spacing)))


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
