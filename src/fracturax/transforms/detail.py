"""How much detail images hold, scale by scale: what noise, blur and an empty field change."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ImageError

Floats = npt.NDArray[np.float32]
SCALES = (1, 2, 4)
"""Pixels or voxels of the finer of the two scales that are told apart."""
DETAIL_NAMES = (*(f"detail_{scale}" for scale in SCALES), "empty")
"""What `detail_of` says, in its order."""
_LEAST = 1e-4
_EMPTY_BELOW = 1e-3


def detail_of(images: Floats) -> Floats:
    """Return how much detail each image holds at each scale, and how much of it is empty.

    The detail at a scale is the mean absolute difference between the image at that scale and at
    twice it, as a decimal logarithm. Noise raises the finest, blur lowers it, and a part of the
    field that was not exposed lowers all and counts as empty.

    Args:
        images: Display values in [0, 1], shape `(n, rows, columns)` or
            `(n, slices, rows, columns)`; sides are multiples of 8.

    Returns:
        Shape `(n, 4)`: one column each of `DETAIL_NAMES`.

    Raises:
        ImageError: If a side is no multiple of 8.

    Example:
        >>> board = np.indices((8, 8)).sum(axis=0)[None] % 2
        >>> [round(one, 1) for one in detail_of(board.astype(np.float32))[0].tolist()]
        [-0.3, -4.0, -4.0, 0.5]
    """
    largest = 2 * SCALES[-1]
    if images.ndim < 2 or any(side % largest for side in images.shape[1:]):
        raise ImageError(
            f"detail is told of images whose sides are multiples of {largest}",
            got=" x ".join(map(str, images.shape)),
            cure="cut or pad them",
        )
    columns = []
    fine = np.asarray(images, np.float32)
    axes = tuple(range(1, fine.ndim))
    for _ in SCALES:
        coarse = _halved(fine)
        back = coarse
        for axis in axes:
            back = back.repeat(2, axis=axis)
        columns.append(np.log10(np.maximum(np.abs(fine - back).mean(axis=axes), _LEAST)))
        fine = coarse
    columns.append((np.asarray(images) < _EMPTY_BELOW).mean(axis=axes))
    return np.stack(columns, axis=1).astype(np.float32)


def with_detail(features: Floats, images: Floats) -> Floats:
    """Return features of images with their detail after them, shape `(n, d + 4)`.

    A fusion weighs an image by what it is like, not by what its network makes of it alone.
    """
    return np.concatenate([features, detail_of(images)], axis=1)


def _halved(images: Floats) -> Floats:
    """Return the means of blocks of two along every axis but the first."""
    count, *sides = images.shape
    blocks = images.reshape(count, *(part for side in sides for part in (side // 2, 2)))
    return np.asarray(blocks.mean(axis=tuple(range(2, blocks.ndim, 2))), np.float32)
