"""Coloured pixels → the one brightness a film has, and whether there was a colour at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from fracturax.core.errors import UnreadableImageError
from fracturax.core.image import Step
from fracturax.imaging.attributes import value_of
from fracturax.imaging.display import lut_descriptor, lut_entries

_LUMA = (0.299, 0.587, 0.114)
# A grey film in a JPEG differs by rounding between channels, a coloured mark by far more.
_CHANNEL_DIFFERENCE = 16 / 255
_COLORED_SHARE = 0.001


def luma_of(
    channels: npt.NDArray[np.integer[Any]], *, full_range: int
) -> tuple[npt.NDArray[np.float32], bool]:
    """Return the luma of RGB pixels and whether they are coloured.

    They are coloured if more than one pixel in a thousand has channels further apart than 16 of
    255 levels.

    Args:
        channels: RGB, shape `(rows, columns, 3)`.
        full_range: Value of full brightness.

    Returns:
        Luma in [0, 1], shape `(rows, columns)`, and whether there is colour.

    References:
        ITU-R BT.601, 2.5.1: luma of R, G, B.

    Example:
        >>> luma, has_color = luma_of(np.array([[[255, 255, 255]]], np.uint8), full_range=255)
        >>> luma.round(6).tolist(), has_color
        ([[1.0]], False)
    """
    red, green, blue = (channels[..., index] for index in range(3))
    luma = red.astype(np.float32)
    luma *= np.float32(_LUMA[0] / full_range)
    for channel, weight in ((green, _LUMA[1]), (blue, _LUMA[2])):
        scaled = channel.astype(np.float32)
        scaled *= np.float32(weight / full_range)
        luma += scaled
    np.minimum(luma, 1.0, out=luma)
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    colored = np.count_nonzero(spread > _CHANNEL_DIFFERENCE * full_range)
    return luma, bool(colored > _COLORED_SHARE * spread.size)


def luma_step(space: str) -> Step:
    """Return the record of a conversion to luma.

    Example:
        >>> luma_step("RGB").parameters
        (('space', 'RGB'),)
    """
    return Step("luma", (("space", space),))


def apply_palette(
    indices: npt.NDArray[np.integer[Any]], dataset: Dataset, *, is_signed: bool
) -> tuple[npt.NDArray[np.uint16], int]:
    """Return the RGB pixels of a PALETTE COLOR image, and their full range.

    Args:
        indices: Stored values, shape `(rows, columns)`.
        dataset: The header with the three palettes.
        is_signed: Whether stored values are two's complement.

    Raises:
        UnreadableImageError: If an index lies outside the palette, or the palette is segmented,
            damaged or missing.

    References:
        DICOM PS3.3, C.7.6.3.1.5 and C.7.6.3.1.6 "Palette Color Lookup Table Descriptor, Data".
    """
    if value_of(dataset, "SegmentedRedPaletteColorLookupTableData") is not None:
        raise UnreadableImageError("a segmented palette is not supported", cure="export in grey")
    colors = ("Red", "Green", "Blue")
    described = [
        lut_descriptor(dataset, f"{color}PaletteColorLookupTableDescriptor", is_signed=is_signed)
        for color in colors
    ]
    count, first, bits = described[0]
    if any(other != described[0] for other in described):
        raise UnreadableImageError("the three palettes differ in shape", cure="export it again")
    low, high = int(indices.min()), int(indices.max())
    if low < first or high >= first + count:
        raise UnreadableImageError(
            "a palette index lies outside its table",
            got=f"{low} to {high}, the table holds {first} to {first + count - 1}",
            cure="export the image again",
        )
    table = np.stack(
        [
            lut_entries(dataset, f"{color}PaletteColorLookupTableData", count=count, bits=bits)
            for color in colors
        ],
        axis=-1,
    ).astype(np.uint16)
    return table[indices.astype(np.intp) - first], (1 << bits) - 1
