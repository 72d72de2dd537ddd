"""What the CT stream takes: a CT with a known place, thin enough slices, and enough of them."""

from __future__ import annotations

import numpy as np

from fracturax.core.image import Image, Radiograph, Volume

_MODALITIES = frozenset({"CT", "OT"})
_LEAST_SLICES = 8
_LEAST_MM, _MOST_MM = 24.0, 2500.0
_THICKEST_MM, _COARSEST_MM, _FINEST_MM = 5.0, 3.1, 0.05
_BONE_HU, _SOFT_HU = 200, (-200, 200)
_LEAST_SOFT = 0.01
_LEAST_STRAIGHT = 0.02


def unsuitable_volume(image: Image) -> str | None:
    """Return why an image cannot be read by the CT stream; None if it may be.

    Example:
        >>> unsuitable_volume(Volume(np.zeros((1, 64, 64), np.int16)))
        'a CT of one slice; a fracture is looked for in a stack of them'
    """
    if isinstance(image, Radiograph):
        return "a radiograph; this model reads CT"
    if not isinstance(image, Volume):
        return "the image is no CT"
    said = image.acquisition.modality
    if image.unit != "HU" or said not in _MODALITIES:
        return f"the modality {said} is no CT in Hounsfield units"
    slices = image.pixels.shape[0]
    if min(image.pixels.shape) == 1:
        return "a CT of one slice; a fracture is looked for in a stack of them"
    return _unsuitable_place(image) or _unsuitable_values(image, slices)


def _unsuitable_place(image: Volume) -> str | None:
    spacing, affine = image.geometry.spacing_mm, image.geometry.affine
    if spacing is None:
        return "the CT does not say its spacing"
    if affine is None:
        return "the CT does not say how it lies in the patient"
    # Of columns of unit length that are not perpendicular the determinant is below 1.
    straight = abs(float(np.linalg.det(np.asarray(affine)[:3, :3] / np.asarray(spacing))))
    if abs(straight - 1) > _LEAST_STRAIGHT:
        return "the axes of the CT are not perpendicular (a gantry tilt or a wrong orientation)"
    return _unsuitable_size(image, spacing)


def _unsuitable_size(image: Volume, spacing: tuple[float, ...]) -> str | None:
    slice_mm, *plane_mm = spacing
    if slice_mm > _THICKEST_MM:
        return f"the slices are {slice_mm:.1f} mm apart; a fracture line is lost between them"
    if max(plane_mm) > _COARSEST_MM or min(spacing) < _FINEST_MM:
        said = " x ".join(f"{side:.3g}" for side in spacing)
        return f"the voxels are {said} mm, which no CT of bone has"
    sides = [size * mm for size, mm in zip(image.pixels.shape, spacing, strict=True)]
    if image.pixels.shape[0] < _LEAST_SLICES or min(sides) < _LEAST_MM:
        said = " x ".join(f"{side:.0f}" for side in sides)
        return f"the CT is too small: {image.pixels.shape[0]} slices, {said} mm"
    if max(sides) > _MOST_MM:
        return f"the CT would be {max(sides) / 1000:.1f} m long; its spacing is wrong"
    return None


def _unsuitable_values(image: Volume, slices: int) -> str | None:
    # Every few slices and pixels are enough to see what kind of values there are.
    sample = image.pixels[:: max(1, slices // 40), ::4, ::4]
    if not np.isfinite(sample).all():
        return "some voxels are no numbers"
    if float(sample.max()) <= _BONE_HU:
        return "nothing in the volume is as dense as bone"
    soft = float(((sample > _SOFT_HU[0]) & (sample < _SOFT_HU[1])).mean())
    if soft < _LEAST_SOFT:
        return "hardly a voxel has the density of soft tissue: the values are no Hounsfield units"
    return None
