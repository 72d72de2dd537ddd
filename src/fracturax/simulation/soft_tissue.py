"""Flesh where a CT was cut down to its bones: zeros are filled, air is put around."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, GeometryError
from fracturax.core.image import Step, Volume

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_AIR_HU = -1000.0
_FLESH_HU = 45.0
_FAT_HU = -100.0
_MOST_KEPT = 0.75
_NEAR_MM = 1.5
# About the blur of a CT: a gap of 2 mm stays a gap, and no edge is sharper than the bone's own.
_BORDER_MM = 0.6
_TEXTURE_MM = 6.0
_TEXTURE_HU = 25.0
_FAT_MM = 18.0


def fill_zeros(
    volume: Volume,
    *,
    rng: np.random.Generator,
    margin_mm: float = 45.0,
    flesh_hu: float = _FLESH_HU,
) -> Volume:
    """Return a CT of bones alone with flesh, fat and air in place of its zeros.

    In data sets that keep the bones only, everything else is exactly 0 HU, fracture gaps too, and
    the zeros give the fracture away. Every zero becomes flesh with a texture; within about 1 mm
    of bone it goes over softly from the bone's own values (normalized convolution). An elliptic
    body `margin_mm` wider than the bones ends it, with a layer of fat; beyond is air.

    Args:
        volume: CT in HU, 0 where nothing was kept.
        rng: Source of the texture; the same seed gives the same flesh.
        margin_mm: From the outermost bone to the skin, in the plane of the slices.
        flesh_hu: Mean HU of muscle and organs.

    Raises:
        DataError: If less than a quarter of the voxels is zero, or all are.
        GeometryError: If the CT has no spacing.

    References:
        Knutsson & Westin, Normalized and differential convolution, CVPR 1993, 515-523,
        doi 10.1109/CVPR.1993.341081.

    Example:
        >>> from fracturax.core.geometry import Geometry
        >>> hu = np.zeros((8, 40, 40), np.int16)
        >>> hu[2:6, 18:22, 18:22] = 900
        >>> bone = Volume(hu, geometry=Geometry.from_affine(np.diag([2.0, 2.0, 2.0, 1.0])))
        >>> whole = fill_zeros(bone, rng=np.random.default_rng(0), margin_mm=20)
        >>> whole.pixels[4, 20, 20], whole.pixels[4, 0, 0], bool((whole.pixels == 0).mean() < 0.05)
        (np.int16(900), np.int16(-1000), True)
    """
    spacing = volume.geometry.spacing_mm
    if spacing is None:
        raise GeometryError("the CT has no spacing", got="none", cure="give one that has")
    is_kept = volume.pixels != 0
    if not 0 < is_kept.mean() < _MOST_KEPT:
        raise DataError(
            "zeros can be filled in a CT that was cut down to its bones",
            got=f"{1 - float(is_kept.mean()):.1%} of the voxels are zero",
            cure="do without",
        )
    depth_mm = _depth_in_body(is_kept, spacing, margin_mm)
    flesh = _texture(is_kept.shape, spacing, rng)
    flesh += np.where(depth_mm > _FAT_MM, np.float32(flesh_hu), np.float32(_FAT_HU))
    near = _box_of(is_kept, [round(3 * _NEAR_MM / one) + 1 for one in spacing])
    flesh[near] = _softened(
        np.asarray(volume.pixels[near], np.float32), is_kept[near], flesh[near], spacing
    )
    inside = np.clip(depth_mm / max(spacing) + 0.5, 0, 1)
    flesh -= np.float32(_AIR_HU)
    flesh *= inside
    flesh += np.float32(_AIR_HU)
    pixels = np.rint(flesh, out=flesh).astype(np.int16)
    np.copyto(pixels, volume.pixels, where=is_kept, casting="unsafe")
    step = Step("fill_zeros", (("margin_mm", margin_mm), ("flesh_hu", flesh_hu)))
    return replace(volume, pixels=pixels, history=(*volume.history, step))


def _softened(hu: Floats, is_kept: Mask, flesh: Floats, spacing: tuple[float, ...]) -> Floats:
    """Return flesh that goes over into the bone beside it."""
    from scipy.ndimage import gaussian_filter

    kept = is_kept.astype(np.float32)
    sigma = [_NEAR_MM / one for one in spacing]
    weight = gaussian_filter(kept, sigma, truncate=3)
    near = gaussian_filter(hu, sigma, truncate=3) / np.maximum(weight, np.float32(1e-6))
    # Half of the weight lies on the bone's side of a flat surface.
    share = np.clip(2 * gaussian_filter(kept, [_BORDER_MM / one for one in spacing]), 0, 1)
    return share * near + (1 - share) * flesh


def _box_of(is_kept: Mask, margins: Sequence[int]) -> tuple[slice, ...]:
    """Return the part of a volume that holds what was kept, and a margin."""
    box = []
    for axis, margin in enumerate(margins):
        others = tuple(other for other in range(3) if other != axis)
        places = np.flatnonzero(is_kept.any(axis=others))
        box.append(slice(max(int(places[0]) - margin, 0), int(places[-1]) + margin + 1))
    return tuple(box)


def _depth_in_body(is_kept: Mask, spacing: tuple[float, ...], margin_mm: float) -> Floats:
    """Return how deep each place of a slice lies inside the body, shape `(1, rows, columns)`."""
    box = _box_of(is_kept, (0, 0, 0))[1:]
    middle = [(part.start + part.stop - 1) / 2 for part in box]
    half_mm = [
        (part.stop - part.start) / 2 * one + margin_mm
        for part, one in zip(box, spacing[1:], strict=True)
    ]
    off = [
        (np.arange(size) - center) * one / half
        for size, center, one, half in zip(
            is_kept.shape[1:], middle, spacing[1:], half_mm, strict=True
        )
    ]
    # A superellipse: flatter than an ellipse, as a trunk is.
    radius = (np.abs(off[0][:, None]) ** 2.5 + np.abs(off[1][None, :]) ** 2.5) ** 0.4
    return np.asarray((1 - radius) * min(half_mm), np.float32)[None]


def _texture(
    shape: tuple[int, ...], spacing: tuple[float, ...], rng: np.random.Generator
) -> Floats:
    """Return lumps of the size of muscle bundles, mean 0: smooth noise, drawn coarse."""
    from scipy.ndimage import gaussian_filter

    slices, *plane = (
        max(2, round(size * one / _TEXTURE_MM)) for size, one in zip(shape, spacing, strict=True)
    )
    noise = gaussian_filter(rng.standard_normal((slices, *plane)).astype(np.float32), 1.0)
    noise *= np.float32(_TEXTURE_HU) / noise.std()
    size = (shape[2], shape[1])
    planes = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in noise])
    lumps = np.empty(shape, np.float32)
    for number, place in enumerate(np.linspace(0, slices - 1, shape[0])):
        low = min(int(place), slices - 2)
        share = np.float32(place - low)
        lumps[number] = (1 - share) * planes[low] + share * planes[low + 1]
    return lumps
