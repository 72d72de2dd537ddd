"""Features of a marked region: grey values, shape and texture, of films and CT."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ImageError, MissingExtraError
from fracturax.core.geometry import Box
from fracturax.core.image import Image, Radiograph
from fracturax.radiomics.plan import RadiomicsPlan

Mask = npt.NDArray[np.bool_]

_FEWEST = 2
_GREY_LEVELS_OF_A_FILM = 255.0


@dataclass(frozen=True, eq=False)
class FeatureVector:
    """Features of one region.

    Args:
        names: `filter_family_Feature`, as the library names them, sorted.
        values: Their values, float64, of the same length, all finite.
        plan_sha256: Hash of the plan they come from.
        notes: What could not be computed and stands as 0, in words.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float64]
    plan_sha256: str
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> float:
        """Return the value of a feature by its name."""
        return float(self.values[self.names.index(name)])


def extract_features(
    image: Image, mask: Mask, *, plan: RadiomicsPlan | None = None
) -> FeatureVector:
    """Describe a region of a film or a CT.

    Display values of a film are taken times 255, so that a bin width of 25 makes about ten
    levels. A film whose spacing is not known is measured in pixels. A feature that is not defined
    on a region (skewness of equal values) is 0, and a note says so: never NaN.

    Args:
        image: The image; HU of a CT.
        mask: The region, True inside, shape of the image.
        plan: What is computed; the default plan if not given.

    Raises:
        ImageError: If the mask does not fit the image, holds fewer than two voxels, or a value
            inside is no number.
        MissingExtraError: If pyradiomics is not installed.

    References:
        van Griethuysen et al., "Computational radiomics system to decode the radiographic
        phenotype", Cancer Research 77, e104-e107 (2017), doi 10.1158/0008-5472.CAN-17-0339.

    Example:
        >>> film = Radiograph(np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20))
        >>> middle = np.zeros((20, 20), bool); middle[5:15, 5:15] = True
        >>> found = extract_features(film, middle, plan=RadiomicsPlan(("firstorder", "shape")))
        >>> round(found["original_firstorder_Mean"], 1), found["original_shape2D_PixelSurface"]
        (127.5, 100.0)
    """
    chosen = plan or RadiomicsPlan()
    check_region(image, mask)
    is_film = isinstance(image, Radiograph)
    values = np.asarray(image.pixels, np.float64)
    if is_film:
        values = values * _GREY_LEVELS_OF_A_FILM
    spacing = image.geometry.spacing_mm or (1.0,) * values.ndim
    part = part_around(mask, chosen, spacing)
    extractor, sitk = _extractor(chosen, is_film=is_film)
    cut, inside = values[part], mask[part]
    if is_film:
        cut, inside, spacing = cut[None], inside[None], (1.0, *spacing)
    whole, marked = (
        sitk.GetImageFromArray(np.ascontiguousarray(one)) for one in (cut, inside.astype(np.uint8))
    )
    for one in (whole, marked):
        one.SetSpacing([float(step) for step in spacing[::-1]])
    try:
        found = extractor.execute(whole, marked)
    except ValueError as error:
        raise ImageError("the region cannot be described", got=str(error)) from error
    numbers = {
        name: float(value) for name, value in found.items() if not name.startswith("diagnostics")
    }
    names = tuple(sorted(numbers))
    undefined = tuple(name for name in names if not np.isfinite(numbers[name]))
    listed = np.array([numbers[name] if name not in undefined else 0.0 for name in names])
    notes = tuple(f"{name} is not defined on this region" for name in undefined)
    if is_film and chosen.log_sigma_mm:
        notes = ("the library makes no Laplacian of Gaussian of a single slice", *notes)
    return FeatureVector(names, listed, chosen.sha256, notes)


def mask_of_box(image: Image, box: Box) -> Mask:
    """Return the region of a box on a film, shape of the film.

    Raises:
        ImageError: If the box lies outside, or the image is no film.
    """
    if not isinstance(image, Radiograph):
        raise ImageError("a box marks a region of a film", got="a volume", cure="give a mask")
    inside = box.clipped(rows=image.rows, columns=image.columns)
    if inside is None:
        raise ImageError("the box lies outside the film", got=str(box))
    mask = np.zeros(image.pixels.shape, bool)
    rows = slice(round(inside.row_min), round(inside.row_max))
    mask[rows, round(inside.column_min) : round(inside.column_max)] = True
    return mask


def check_region(image: Image, mask: Mask) -> None:
    """Refuse a region that cannot be described.

    Raises:
        ImageError: As `extract_features`.
    """
    if mask.shape != image.pixels.shape:
        raise ImageError(
            "the mask does not fit its image",
            got=f"shape {mask.shape} for an image of shape {image.pixels.shape}",
        )
    count = int(np.count_nonzero(mask))
    if count < _FEWEST:
        raise ImageError(
            "a region of two pixels or more can be described",
            got="an empty mask" if count == 0 else "a single pixel",
        )
    if not np.isfinite(image.pixels[mask.astype(bool)]).all():
        raise ImageError("a value inside the region is no number", got="NaN or infinity")


def part_around(
    mask: Mask, plan: RadiomicsPlan, spacing: tuple[float, ...], *, slack_px: int = 0
) -> tuple[slice, ...]:
    """Return the part of an image that its features depend on, so that no more is filtered.

    Args:
        mask: The region, with a voxel at least.
        plan: What is computed.
        spacing: Of the image, in mm, an axis a number.
        slack_px: So many voxels more to each side.
    """
    if plan.normalize_scale is not None or plan.has_wavelet or plan.spacing_mm is not None:
        return (slice(None),) * mask.ndim
    reach_mm = 5 * max(spacing) + 5 * max(plan.log_sigma_mm, default=0.0)
    part = []
    for axis, step in enumerate(spacing):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        places = np.flatnonzero(mask.any(axis=others))
        reach = int(np.ceil(reach_mm / step)) + 1 + slack_px
        part.append(slice(max(0, int(places[0]) - reach), int(places[-1]) + reach + 1))
    return tuple(part)


def _extractor(plan: RadiomicsPlan, *, is_film: bool) -> tuple[Any, Any]:
    try:
        import radiomics
        import SimpleITK
    except ModuleNotFoundError as error:
        raise MissingExtraError("radiomics", verb="radiomics") from error
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    # It speaks of every region and filter; what a caller must know comes as an error or a note.
    radiomics.logger.setLevel(logging.CRITICAL)
    settings: dict[str, Any] = {
        "additionalInfo": False,
        "correctMask": False,
        "minimumROIDimensions": 1,
        "force2D": is_film or plan.is_flat,
        "force2Ddimension": 0,
        "voxelArrayShift": plan.energy_shift,
    }
    if plan.bin_count is not None:
        settings["binCount"] = plan.bin_count
    else:
        settings["binWidth"] = plan.bin_width
    if plan.normalize_scale is not None:
        settings |= {"normalize": True, "normalizeScale": plan.normalize_scale}
    if plan.spacing_mm is not None:
        across = 0 if is_film else plan.spacing_mm
        settings["resampledPixelSpacing"] = [plan.spacing_mm, plan.spacing_mm, across]
    if plan.outlier_sigma is not None:
        around = [-plan.outlier_sigma, plan.outlier_sigma]
        settings |= {"resegmentRange": around, "resegmentMode": "sigma"}
    elif plan.least_value is not None:
        settings["resegmentRange"] = [plan.least_value]
    extractor = RadiomicsFeatureExtractor(**settings)
    extractor.disableAllImageTypes()
    extractor.enableImageTypeByName("Original")
    if plan.log_sigma_mm:
        extractor.enableImageTypeByName("LoG", customArgs={"sigma": list(plan.log_sigma_mm)})
    if plan.has_wavelet:
        extractor.enableImageTypeByName("Wavelet")
    extractor.disableAllFeatures()
    for family in plan.families:
        is_plane = family == "shape" and is_film
        extractor.enableFeatureClassByName("shape2D" if is_plane else family)
    return extractor, SimpleITK
