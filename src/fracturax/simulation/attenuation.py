"""How matter weakens X-rays: tables of water, bone and aluminium, and HU as these materials."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ImageError, UnknownNameError

_KEV = (10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0)
_CM2_PER_G = {
    "water": (5.329, 1.673, 0.8096, 0.3756, 0.2683, 0.2269, 0.2059, 0.1837, 0.1707, 0.1505),
    "bone": (28.51, 9.032, 4.001, 1.331, 0.6655, 0.4242, 0.3148, 0.2229, 0.1855, 0.1480),
    "aluminium": (26.23, 7.955, 3.441, 1.128, 0.5685, 0.3681, 0.2778, 0.2018, 0.1704, 0.1378),
}

BONE_G_CM3 = 1.92
"""Density of cortical bone (ICRU-44)."""
ALUMINIUM_G_CM3 = 2.699
CT_KEV = 70.0
"""Energy at which the HU of a CT at 120 kV are taken: about what is left behind a body."""
TISSUE_HU = 100.0
"""Up to here a voxel is water of some density; above it holds bone."""


def mass_attenuation(material: str, kev: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the mass attenuation coefficient of a material, between the tables' energies log-log.

    Args:
        material: `water`, `bone` (cortical, ICRU-44) or `aluminium`.
        kev: Photon energies in keV, 10 to 150.

    Returns:
        cm²/g, the shape of `kev`.

    Raises:
        UnknownNameError: If there is no such table.
        ImageError: If an energy lies outside it.

    References:
        Hubbell & Seltzer, Tables of X-Ray Mass Attenuation Coefficients, NISTIR 5632 (1995),
        NIST Standard Reference Database 126, doi 10.18434/T4D01F.

    Example:
        >>> mass_attenuation("water", [60, 70]).round(4).tolist()
        [0.2059, 0.1937]
    """
    if material not in _CM2_PER_G:
        raise UnknownNameError("material", material, _CM2_PER_G)
    energies = np.asarray(kev, dtype=float)
    if not ((energies >= _KEV[0]) & (energies <= _KEV[-1])).all():
        raise ImageError(
            "an energy lies outside the tables", got=str(kev), cure="give 10 to 150 keV"
        )
    logarithm = np.interp(np.log(energies), np.log(_KEV), np.log(_CM2_PER_G[material]))
    return np.asarray(np.exp(logarithm))


def solid_bone_hu() -> float:
    """Return the HU of solid cortical bone at `CT_KEV`; between `TISSUE_HU` and this, volumes mix.

    Example:
        >>> 1500 < solid_bone_hu() < 1700
        True
    """
    bone = BONE_G_CM3 * mass_attenuation("bone", CT_KEV)
    return float(1000 * (bone / mass_attenuation("water", CT_KEV) - 1))
