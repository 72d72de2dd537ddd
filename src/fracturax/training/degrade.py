"""Degraded streams: noise, blur and half a field, of crops of films and of cubes of CT."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import UnknownNameError

Floats = npt.NDArray[np.float32]
DEGRADATIONS = ("noise", "blur", "half")
_NOISE, _BLUR = 0.2, 3.0


def degrade(values: Floats, kind: str, *, generator: np.random.Generator) -> Floats:
    """Return an image as a bad acquisition might give it.

    Args:
        values: Display values in [0, 1], shape `(rows, columns)` or `(slices, rows, columns)`.
        kind: `noise` (Gaussian, deviation 0.2), `blur` (Gaussian, 3 pixels or voxels), or `half`
            (one half of the columns is empty, which one is drawn).
        generator: Draws the noise and the half.

    Raises:
        UnknownNameError: If there is no such kind.

    Example:
        >>> made = degrade(np.ones((4, 4), np.float32), "half", generator=np.random.default_rng(0))
        >>> float(made.mean())
        0.5
    """
    if kind not in DEGRADATIONS:
        raise UnknownNameError("degradation", kind, DEGRADATIONS)
    if kind == "noise":
        noise = generator.normal(0.0, _NOISE, values.shape)
        return np.clip(values + noise, 0, 1).astype(np.float32)
    if kind == "blur":
        from scipy.ndimage import gaussian_filter

        return np.asarray(gaussian_filter(values, _BLUR), np.float32)
    middle = values.shape[-1] // 2
    empty = values.copy()
    if generator.random() < 0.5:
        empty[..., :middle] = 0
    else:
        empty[..., middle:] = 0
    return empty
