"""What leaves an X-ray tube: photons by energy, in a few bins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ImageError
from fracturax.simulation.attenuation import ALUMINIUM_G_CM3, mass_attenuation

_LOWEST_KEV = 15.0
_STEPS_A_BIN = 16


@dataclass(frozen=True)
class Spectrum:
    """Bremsstrahlung of a thick target behind an aluminium filter; no characteristic lines.

    Args:
        kvp: Tube voltage in kV, 40 to 150.
        filter_mm_al: Total filtration in mm of aluminium, 0.5 to 20.
        bins: Number of energy bins.

    Raises:
        ImageError: If a number lies outside its range.

    References:
        Kramers, On the theory of X-ray absorption and of the continuous X-ray spectrum,
        Phil. Mag. 46, 836-871 (1923).

    Example:
        >>> kev, share = Spectrum(80).photons
        >>> round(float(share.sum()), 6), 40 < float(kev @ share) < 50
        (1.0, True)
    """

    kvp: float = 80.0
    filter_mm_al: float = 3.0
    bins: int = 8

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("kvp", self.kvp, 40, 150),
            ("filter_mm_al", self.filter_mm_al, 0.5, 20),
            ("bins", self.bins, 1, 64),
        ):
            if not (math.isfinite(value) and low <= value <= high):
                raise ImageError(f"{name} lies in [{low}, {high}]", got=str(value))

    @property
    def photons(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Mean energy of each bin in keV, and its share of all photons; shape `(bins,)` each."""
        edges = np.linspace(_LOWEST_KEV, self.kvp, self.bins * _STEPS_A_BIN + 1)
        kev = (edges[1:] + edges[:-1]) / 2
        thickness = self.filter_mm_al / 10 * ALUMINIUM_G_CM3
        number = (self.kvp - kev) / kev * np.exp(-thickness * mass_attenuation("aluminium", kev))
        number, kev = (values.reshape(self.bins, -1) for values in (number, kev))
        share = number.sum(axis=1)
        return (number * kev).sum(axis=1) / share, share / share.sum()
