"""What features of a region become under small changes of the image and of the region."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ConfigError, ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Image
from fracturax.radiomics.features import Mask, check_region, extract_features, part_around
from fracturax.radiomics.perturbation import Perturbation, perturb, small_perturbations
from fracturax.radiomics.plan import RadiomicsPlan

_FEWEST = 2


@dataclass(frozen=True, eq=False)
class PerturbedFeatures:
    """Features of one region as it is, and after each of some perturbations.

    Args:
        names: Names of the features, sorted.
        values: Shape `(1 + perturbations, features)`, float64; first the region as it is.
        perturbations: What was done, in the order of the other rows.
        plan_sha256: Hash of the plan they come from.
    """

    names: tuple[str, ...]
    values: npt.NDArray[np.float64]
    perturbations: tuple[Perturbation, ...]
    plan_sha256: str


def perturbed_features(
    image: Image,
    mask: Mask,
    *,
    generator: np.random.Generator,
    plan: RadiomicsPlan | None = None,
    perturbations: Sequence[Perturbation] | None = None,
) -> PerturbedFeatures:
    """Describe a region as it is, and after each of some small changes.

    Each change starts from the image as it is. It costs as much as `extract_features` on the
    region once more. A feature that is not defined after a change is 0 there, as everywhere.

    Args:
        image: The image; HU of a CT.
        mask: The region, True inside, shape of the image.
        generator: Source of noise and random outlines.
        plan: What is computed; the default plan if not given.
        perturbations: The changes; `small_perturbations` if not given.

    Raises:
        ImageError: As `extract_features`; also if a value near the region is no number, or nothing
            of the region is left after a change.
        ConfigError: If there is no perturbation.
        MissingExtraError: If pyradiomics is not installed.

    References:
        Zwanenburg et al., "Assessing robustness of radiomic features by image perturbation",
        Scientific Reports 9, 614 (2019), doi 10.1038/s41598-018-36938-4.

    Example:
        A region one pixel farther down on a ramp that is brighter there:

        >>> from fracturax.core.image import Radiograph
        >>> ramp = np.repeat(np.linspace(0, 1, 21, dtype=np.float32)[:, None], 21, axis=1)
        >>> middle = np.zeros((21, 21), bool); middle[5:16, 5:16] = True
        >>> found = perturbed_features(
        ...     Radiograph(ramp), middle, generator=np.random.default_rng(0),
        ...     plan=RadiomicsPlan(("firstorder",)), perturbations=[Perturbation("shift", 1)],
        ... )
        >>> found.values[:, found.names.index("original_firstorder_Mean")].round(2)
        array([127.5 , 140.25])
    """
    chosen = plan or RadiomicsPlan()
    check_region(image, mask)
    changes = small_perturbations(mask.ndim) if perturbations is None else tuple(perturbations)
    if not changes:
        raise ConfigError("stability needs a perturbation", got="none")
    spacing = image.geometry.spacing_mm or (1.0,) * mask.ndim
    # Sampling a whole CT anew for each change would take longer than the features.
    part = part_around(mask, chosen, spacing, slack_px=_slack_px(mask, changes, spacing))
    near = replace(
        image,
        pixels=image.pixels[part].copy(),
        geometry=Geometry(image.geometry.spacing_mm, image.geometry.spacing_meaning),
        origin=None,
    )
    if not np.isfinite(near.pixels).all():
        # A spline would carry it into the region.
        raise ImageError(
            "a value near the region is no number",
            got="NaN or infinity",
            cure="fill it in, in a CT with the HU of air or soft tissue",
        )
    region = np.ascontiguousarray(mask[part], np.bool_)
    found = [extract_features(near, region, plan=chosen)]
    for change in changes:
        changed, marked = perturb(near, region, change, generator=generator)
        if np.count_nonzero(marked) < _FEWEST:
            raise ImageError(
                "nothing of the region is left after a small change",
                got=f"{np.count_nonzero(region)} voxels before {change}",
                cure="give a region at least three voxels thick",
            )
        found.append(extract_features(changed, marked, plan=chosen))
    values = np.stack([one.values for one in found])
    return PerturbedFeatures(found[0].names, values, changes, chosen.sha256)


def _slack_px(mask: Mask, changes: Sequence[Perturbation], spacing: tuple[float, ...]) -> int:
    """Return how many voxels a region may move at most by any of the changes."""
    step = np.array(spacing)
    across = [np.ptp(places) + 1 for places in np.nonzero(mask)]
    radius_mm = float(np.linalg.norm(np.array(across) * step)) / 2
    farthest = 0.0
    for change in changes:
        if change.kind == "rotation":
            # The chord of the outermost voxel.
            chord_mm = 2 * radius_mm * abs(math.sin(math.radians(change.amount) / 2))
            farthest = max(farthest, chord_mm / float(step.min()))
        elif change.kind == "contour":
            farthest = max(farthest, 4 * change.amount)
        elif change.kind != "noise":
            farthest = max(farthest, abs(change.amount))
    return math.ceil(farthest)
