"""What a network of the CT stream sees: a cube of isotropic voxels through a bone window."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ConfigError
from fracturax.core.provenance import sha256_of_document

_STRIDE = 16


@dataclass(frozen=True)
class VolumePlan:
    """How a CT becomes the input of a network.

    Args:
        spacing_mm: Side of a voxel.
        size: Voxels along each side of a cube, a multiple of 16.
        low_hu: What becomes 0; soft tissue lies above it.
        high_hu: What becomes 1.

    Raises:
        ConfigError: If a value is out of range.

    Example:
        >>> VolumePlan().window(np.array([-1000, -200, 550, 3000], np.int16))
        array([0. , 0. , 0.5, 1. ], dtype=float32)
    """

    spacing_mm: float = 0.75
    size: int = 48
    low_hu: float = -200.0
    high_hu: float = 1300.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.spacing_mm) and 0.1 <= self.spacing_mm <= 5):
            raise ConfigError("a voxel is 0.1 to 5 mm wide", got=str(self.spacing_mm))
        if self.size % _STRIDE or not 32 <= self.size <= 256:
            raise ConfigError(
                "a cube has sides of 32 to 256 voxels, a multiple of 16", got=str(self.size)
            )
        if not self.low_hu < self.high_hu:
            raise ConfigError("the bone window is empty", got=f"{self.low_hu} to {self.high_hu} HU")

    def window(self, hu: npt.NDArray[np.integer | np.floating]) -> npt.NDArray[np.float32]:
        """Return values in [0, 1], same shape as `hu`."""
        scaled = hu.astype(np.float32)
        scaled -= np.float32(self.low_hu)
        scaled *= np.float32(1 / (self.high_hu - self.low_hu))
        return np.clip(scaled, 0, 1, out=scaled)

    @property
    def sha256(self) -> str:
        """Hash of what it says."""
        return sha256_of_document(asdict(self))
