"""Flesh where a CT was cut down to its bones: zeros are filled, air is put around."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, GeometryError
from fracturax.core.image import Step, Volume

_AIR_HU = -1000.0
_FLESH_HU = 45.0
_FAT_HU = -100.0
_BORDER_MM = 1.5
_TEXTURE_MM = 6.0
_TEXTURE_HU = 25.0
_FAT_MM = 18.0


def fill_zeros(
    volume: Volume, *, rng: np.random.Generator, margin_mm: float = 45.0, flesh_hu: float = _FLESH_HU
) -> Volume:
    """Return a CT of bones alone with flesh, fat and air in place of its zeros.

    In data sets that keep the bones only, everything else is exactly 0 HU, fracture gaps too, and
    the zeros give the fracture away. Every zero becomes flesh with a texture; within about 2 mm
    of bone it goes over softly from the bone's own values (normalized convolution). An elliptic
    body `margin_mm` wider than the bones ends it, with a layer of fat; beyond is air.

    Args:
        volume: CT in HU, 0 where nothing was kept.
        rng: Source of the texture; the same seed gives the same flesh.
        margin_mm: From the outermost bone to the skin, in the plane of the slices.
        flesh_hu: Mean HU of muscle and organs.

    Raises:
        DataError: If there are no zeros to fill, or nothing else.
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
    from scipy.ndimage import gaussian_filter

    spacing = volume.geometry.spacing_mm
    if spacing is None:
        raise GeometryError("the CT has no spacing", got="none", cure="give one that has")
    hu = np.asarray(volume.pixels, np.float32)
    is_kept = hu != 0
    if is_kept.all() or not is_kept.any():
        raise DataError(
            "zeros can be filled where there are zeros and bones",
            got=f"{float((~is_kept).mean()):.1%} of the voxels are zero",
            cure="do without",
        )
    depth_mm = _depth_in_body(is_kept, spacing, margin_mm)
    flesh = np.where(depth_mm > _FAT_MM, np.float32(flesh_hu), np.float32(_FAT_HU))
    flesh = flesh + _texture(hu.shape, spacing, rng)
    sigma = [_BORDER_MM / one for one in spacing]
    weight = gaussian_filter(is_kept.astype(np.float32), sigma)
    near = gaussian_filter(hu, sigma) / np.maximum(weight, np.float32(1e-6))
    # Half of the weight lies on the bone's side of a flat surface.
    share = np.clip(2 * weight, 0, 1)
    filled = np.where(is_kept, hu, share * near + (1 - share) * flesh)
    inside = np.clip(depth_mm / max(spacing) + 0.5, 0, 1)
    filled = np.where(is_kept, filled, inside * filled + (1 - inside) * _AIR_HU)
    step = Step("fill_zeros", (("margin_mm", margin_mm), ("flesh_hu", flesh_hu)))
    pixels = np.rint(filled).astype(np.int16)
    return replace(volume, pixels=pixels, history=(*volume.history, step))


def _depth_in_body(
    is_kept: npt.NDArray[np.bool_], spacing: tuple[float, ...], margin_mm: float
) -> npt.NDArray[np.float32]:
    """Return how deep each place of a slice lies inside the body, shape `(1, rows, columns)`."""
    rows, columns = (np.flatnonzero(is_kept.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    middle = [(places[0] + places[-1]) / 2 for places in (rows, columns)]
    half_mm = [
        (places[-1] - places[0]) / 2 * one + margin_mm
        for places, one in zip((rows, columns), spacing[1:], strict=True)
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
) -> npt.NDArray[np.float32]:
    """Return lumps of the size of muscle bundles, mean 0: smooth noise, drawn coarse."""
    from scipy.ndimage import gaussian_filter, zoom

    coarse = [max(2, round(size * one / _TEXTURE_MM) + 2) for size, one in zip(shape, spacing, strict=True)]
    noise: Any = gaussian_filter(rng.standard_normal(coarse).astype(np.float32), 1.0)
    noise *= _TEXTURE_HU / noise.std()
    grown = zoom(noise, [size / few for size, few in zip(shape, coarse, strict=True)], order=1)
    return np.asarray(grown[tuple(slice(size) for size in shape)], np.float32)
