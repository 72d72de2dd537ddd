"""Radiomics of one place: of a cube of CT, and of the crop of a film that shows it.

The region is one that a reader finds again in any patient: dense voxels of the cube, all pixels of
the crop. A mask drawn by hand, fragment by fragment, would know where the bone is broken.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Volume
from fracturax.radiomics.features import FeatureVector, extract_features
from fracturax.radiomics.plan import FAMILIES, RadiomicsPlan

DENSE_HU = 150
"""From here on a voxel of a cube belongs to its bone."""
_FEWEST_DENSE = 64
_TEXTURE = tuple(family for family in FAMILIES if family != "shape")
CUBE_PLAN = RadiomicsPlan(families=_TEXTURE, bin_width=50.0)
CROP_PLAN = RadiomicsPlan(families=_TEXTURE, bin_width=12.5)


def describe_cube(hu: npt.NDArray[np.integer | np.floating], spacing_mm: float) -> FeatureVector:
    """Describe the dense voxels of a cube of CT; of one with next to none, all of it.

    Args:
        hu: Hounsfield units, shape `(n, n, n)`.
        spacing_mm: Side of a voxel.

    Raises:
        ImageError: If a voxel is no number.
        MissingExtraError: If pyradiomics is not installed.
    """
    dense = np.asarray(hu >= DENSE_HU)
    if int(dense.sum()) < _FEWEST_DENSE:
        dense = np.ones(hu.shape, bool)
    geometry = Geometry(spacing_mm=(spacing_mm,) * 3)
    volume = Volume(np.asarray(hu, np.float32).copy(), geometry=geometry)
    return _without_size(extract_features(volume, dense, plan=CUBE_PLAN))


def describe_crop(pixels: npt.NDArray[np.float32], spacing_mm: float) -> FeatureVector:
    """Describe a whole crop of a film.

    Args:
        pixels: Display values in [0, 1], shape `(rows, columns)`.
        spacing_mm: Side of a pixel.

    Raises:
        ImageError: If a pixel is no number.
        MissingExtraError: If pyradiomics is not installed.

    Example:
        >>> crop = np.linspace(0, 1, 1024, dtype=np.float32).reshape(32, 32)
        >>> found = describe_crop(crop, 0.7)
        >>> len(found.names), round(found["original_firstorder_Mean"], 1)
        (90, 127.5)
    """
    film = Radiograph(np.array(pixels, np.float32), geometry=Geometry(spacing_mm=(spacing_mm,) * 2))
    whole = np.ones(pixels.shape, bool)
    return _without_size(extract_features(film, whole, plan=CROP_PLAN))


def _without_size(found: FeatureVector) -> FeatureVector:
    """Return the features without sums over all voxels: they tell how many there are."""
    kept = [index for index, name in enumerate(found.names) if not name.endswith("Energy")]
    return FeatureVector(
        tuple(found.names[index] for index in kept),
        found.values[kept],
        found.plan_sha256,
        found.notes,
    )
