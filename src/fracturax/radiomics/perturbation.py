"""Perturbations: the same region as another day, another scanner or another hand would give it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fracturax.core.errors import ConfigError, ImageError
from fracturax.core.image import Image, Radiograph, Step
from fracturax.radiomics.features import Mask, check_region

PerturbationKind = Literal["translation", "rotation", "shift", "size", "contour", "noise"]
"""What is changed: see `Perturbation`."""

_KINDS = ("translation", "rotation", "shift", "size", "contour", "noise")
_WITH_AXIS = ("translation", "shift")
# Lumps of the outline are a few voxels wide: smaller ones would be noise that no hand draws.
_LUMP_PX = 2.0
_NORMAL_MEDIAN = 0.6745
_FEWEST_BLOCKS = 16


@dataclass(frozen=True)
class Perturbation:
    """One small change, as data.

    Args:
        kind: `translation`: image and region lie `amount` of a voxel farther along `axis`, as the
            patient might on another day; `rotation`: both are turned by `amount` degrees in the
            plane of rows and columns about the middle of the region; `shift`: the region alone
            moves by `amount` whole voxels along `axis`; `size`: the region grows by `amount`
            voxels, or shrinks where it is negative; `contour`: its outline moves in and out at
            random by about `amount` voxels, its volume stays; `noise`: noise is added that is
            `amount` times as strong as what the image shows already.
        amount: In the unit of the kind.
        axis: Axis of the array, for `translation` and `shift`; else 0.

    Raises:
        ConfigError: If the kind is unknown or the amount impossible.

    References:
        Zwanenburg et al., "Assessing robustness of radiomic features by image perturbation",
        Scientific Reports 9, 614 (2019), doi 10.1038/s41598-018-36938-4. Theirs are rotation,
        noise, translation, volume and contour; their contours are drawn from supervoxels, ours
        from a smooth random field.

    Example:
        >>> print(Perturbation("shift", 1, axis=2), Perturbation("rotation", -4))
        shift 1 axis 2 rotation -4
    """

    kind: PerturbationKind
    amount: float
    axis: int = 0

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ConfigError(
                "no such perturbation", got=repr(self.kind), cure=f"use {', '.join(_KINDS)}"
            )
        is_whole = float(self.amount).is_integer()
        if not math.isfinite(self.amount) or self.amount == 0:
            raise ConfigError("a perturbation changes something", got=f"amount {self.amount}")
        if self.kind in ("shift", "size") and not is_whole:
            raise ConfigError("a region moves or grows by whole voxels", got=str(self.amount))
        if self.kind in ("contour", "noise") and self.amount < 0:
            raise ConfigError(f"the amount of {self.kind} is positive", got=str(self.amount))
        if self.axis < 0 or (self.axis and self.kind not in _WITH_AXIS):
            raise ConfigError(f"{self.kind} has no such axis", got=str(self.axis))

    def __str__(self) -> str:
        along = f" axis {self.axis}" if self.kind in _WITH_AXIS else ""
        return f"{self.kind} {self.amount:g}{along}"


def small_perturbations(dimensions: int) -> tuple[Perturbation, ...]:
    """Return the perturbations that stability is measured under.

    Along each axis four tenths of a voxel (image and region) and one voxel (region alone); four
    degrees to either side; a voxel larger and smaller; two random outlines; the noise of the image
    once more.

    Args:
        dimensions: 2 for a film, 3 for a CT.

    Example:
        >>> len(small_perturbations(2)), len(small_perturbations(3))
        (11, 13)
    """
    axes = range(dimensions)
    # Not half a voxel: there every voxel of a flat border would lie half inside, and rounding
    # would decide on the size of the region.
    return (
        *(Perturbation("translation", 0.4, axis) for axis in axes),
        *(Perturbation("shift", 1, axis) for axis in axes),
        Perturbation("rotation", 4),
        Perturbation("rotation", -4),
        Perturbation("size", 1),
        Perturbation("size", -1),
        Perturbation("contour", 1),
        Perturbation("contour", 1),
        Perturbation("noise", 1),
    )


def perturb(
    image: Image, mask: Mask, change: Perturbation, *, generator: np.random.Generator
) -> tuple[Image, Mask]:
    """Return an image and its region after a small change; both keep their shape.

    Images are sampled by cubic splines, regions linearly and from one half on. What comes in from
    outside repeats the border of the image, and is no region. A film stays within [0, 1].

    Args:
        image: Film or volume.
        mask: The region, True inside, shape of the image.
        change: What is done.
        generator: Source of the noise and of the random outlines.

    Raises:
        ImageError: If the mask does not fit the image or is empty, or the image lacks the axis.

    Example:
        >>> film = Radiograph(np.zeros((8, 8), np.float32))
        >>> square = np.zeros((8, 8), bool); square[2:5, 2:5] = True
        >>> _, wider = perturb(film, square, Perturbation("size", 1),
        ...                    generator=np.random.default_rng(0))
        >>> int(square.sum()), int(wider.sum())
        (9, 21)
    """
    check_region(image, mask)
    if change.axis >= mask.ndim:
        raise ImageError(
            "the image has no such axis", got=f"axis {change.axis} of {mask.ndim}, counted from 0"
        )
    spacing = image.geometry.spacing_mm or (1.0,) * mask.ndim
    if change.kind == "translation":
        way = np.zeros(mask.ndim)
        way[change.axis] = change.amount
        return _sampled(image, mask, np.eye(mask.ndim), -way, change)
    if change.kind == "rotation":
        turn = _turn(change.amount, spacing)
        middle = np.array([places.mean() for places in np.nonzero(mask)])
        return _sampled(image, mask, turn, middle - turn @ middle, change)
    if change.kind == "shift":
        return image, _shifted(mask, int(change.amount), change.axis)
    if change.kind == "size":
        return image, _resized(mask, int(change.amount))
    if change.kind == "contour":
        return image, _redrawn(mask, change.amount, spacing, generator)
    return _noisier(image, mask, change, generator), mask


def noise_of(image: Image, mask: Mask) -> float:
    """Return the standard deviation of the noise in a region, in the unit of the pixels.

    The median size of what differs along both diagonals of 2 x 2 pixels (Haar's HH band), which
    edges and slow changes touch little. Fine texture counts as noise: an upper bound.

    Args:
        image: Film or volume.
        mask: The region; where fewer than 16 blocks lie inside it, the whole image counts.

    References:
        Chang, Yu & Vetterli, IEEE Transactions on Image Processing 9:1532-1546, 2000.

    Example:
        >>> noisy = np.random.default_rng(0).normal(0.5, 0.05, (200, 200)).astype(np.float32)
        >>> round(noise_of(Radiograph(noisy), np.ones((200, 200), bool)), 3)
        0.05
    """
    pixels = np.asarray(image.pixels, np.float64)
    corners = [
        (..., slice(row, row - 1 or None), slice(column, column - 1 or None))
        for row in (0, 1)
        for column in (0, 1)
    ]
    one, two, three, four = (pixels[corner] for corner in corners)
    is_inside = np.logical_and.reduce([mask[corner] for corner in corners])
    detail = np.abs(one - two - three + four) / 2
    if np.count_nonzero(is_inside) >= _FEWEST_BLOCKS:
        detail = detail[is_inside]
    return float(np.median(detail)) / _NORMAL_MEDIAN if detail.size else 0.0


def _sampled(
    image: Image,
    mask: Mask,
    matrix: npt.NDArray[np.float64],
    offset: npt.NDArray[np.float64],
    change: Perturbation,
) -> tuple[Image, Mask]:
    """Return image and region sampled at `matrix @ index + offset`."""
    pixels = ndimage.affine_transform(
        np.asarray(image.pixels, np.float32), matrix, offset, order=3, mode="nearest"
    )
    inside = ndimage.affine_transform(mask.astype(np.float32), matrix, offset, order=1)
    return _with_pixels(image, pixels, change), np.asarray(inside >= 0.5)


def _turn(degrees: float, spacing: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """Return the rotation in the plane of the last two axes, from index to index."""
    angle = math.radians(degrees)
    turn = np.eye(len(spacing))
    turn[-2:, -2:] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    # In millimetres, or a region with oblong voxels would be sheared.
    return np.asarray(np.diag(1 / np.array(spacing)) @ turn @ np.diag(spacing))


def _shifted(mask: Mask, amount: int, axis: int) -> Mask:
    moved = np.zeros_like(mask, np.bool_)
    size = mask.shape[axis]
    to: list[Any] = [slice(None)] * mask.ndim
    source = list(to)
    to[axis] = slice(max(amount, 0), max(size + min(amount, 0), 0))
    source[axis] = slice(max(-amount, 0), max(size - max(amount, 0), 0))
    moved[tuple(to)] = mask[tuple(source)]
    return moved


def _resized(mask: Mask, voxels: int) -> Mask:
    if voxels > 0:
        return np.asarray(ndimage.binary_dilation(mask, iterations=voxels), np.bool_)
    # The edge of a film that a bone runs into is no outline of the bone.
    shrunk = ndimage.binary_erosion(mask, iterations=-voxels, border_value=1)
    return np.asarray(shrunk, np.bool_)


def _redrawn(
    mask: Mask, amount: float, spacing: tuple[float, ...], generator: np.random.Generator
) -> Mask:
    """Return the region with an outline that wanders and a volume that stays."""
    step = np.array(spacing) / min(spacing)
    # How deep each voxel lies inside, below 0 outside, in voxels of the finest axis.
    depth = ndimage.distance_transform_edt(mask, sampling=step.tolist()) - (
        ndimage.distance_transform_edt(~mask.astype(bool), sampling=step.tolist())
    )
    field = ndimage.gaussian_filter(generator.standard_normal(mask.shape), (_LUMP_PX / step))
    wandering = (depth + field * (amount / field.std())).ravel()
    kept = np.argpartition(-wandering, int(np.count_nonzero(mask)) - 1)
    drawn = np.zeros(mask.size, np.bool_)
    drawn[kept[: np.count_nonzero(mask)]] = True
    return drawn.reshape(mask.shape)


def _noisier(
    image: Image, mask: Mask, change: Perturbation, generator: np.random.Generator
) -> Image:
    noise = generator.normal(0, change.amount * noise_of(image, mask), image.pixels.shape)
    return _with_pixels(image, image.pixels + noise, change)


def _with_pixels(image: Image, pixels: npt.NDArray[Any], change: Perturbation) -> Image:
    values = np.asarray(pixels, np.float32)
    if isinstance(image, Radiograph):
        # A detector ends where it is saturated; splines and noise would go on.
        values = np.clip(values, 0, 1)
    parameters = (("kind", change.kind), ("amount", change.amount), ("axis", change.axis))
    return replace(image, pixels=values, history=(*image.history, Step("perturb", parameters)))
