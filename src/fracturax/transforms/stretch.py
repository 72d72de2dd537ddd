"""Two grey values of an image become black and white."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def stretch(
    pixels: npt.NDArray[np.float32], *, black: float, white: float
) -> npt.NDArray[np.float32]:
    """Map two grey values to 0 and 1, clipping beyond; where they are equal all becomes 0."""
    if white - black < 1e-6:
        return np.zeros_like(pixels)
    scaled = (pixels - np.float32(black)) / np.float32(white - black)
    return np.asarray(np.clip(scaled, 0, 1), np.float32)
