"""Stability: which radiomics features stay what they are under small changes of their region."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, ImageError
from fracturax.core.image import Image
from fracturax.evaluation.intraclass import intraclass_correlation
from fracturax.evaluation.result import Row
from fracturax.imaging import StudyFiles, find_studies, open_study
from fracturax.pipelines.radiomics import bone_of
from fracturax.radiomics import Perturbation, PerturbedFeatures, RadiomicsPlan, perturbed_features
from fracturax.radiomics.features import Mask

StabilityClass = Literal["excellent", "good", "moderate", "poor", "undefined"]
"""By the lower end of the interval; `undefined` where a feature has one value throughout."""

LEAST: dict[StabilityClass, float] = {"excellent": 0.9, "good": 0.75, "moderate": 0.5}
"""The lower end of the interval from which a feature is called so (Koo & Li 2016)."""

CLASSES: tuple[StabilityClass, ...] = (*LEAST, "poor", "undefined")
"""From stable to not stable."""

_MOST_REGIONS_OF_A_MASK = 100
_CURE = "give a folder of images, or a --mask with one value a region"


@dataclass(frozen=True)
class FeatureStability:
    """How stable one feature is.

    Args:
        name: Of the feature.
        correlation: Its ICC(1,1) over regions and perturbations; None where the feature has one
            value throughout, so that it tells no regions apart.
    """

    name: str
    correlation: Row | None

    @property
    def stability_class(self) -> StabilityClass:
        """How stable the feature is called.

        Example:
            >>> FeatureStability("a", Row("ICC(1,1)", 0.93, 0.88, 0.96, 24, "")).stability_class
            'good'
        """
        if self.correlation is None or self.correlation.low is None:
            return "undefined"
        low = self.correlation.low
        return next((name for name, least in LEAST.items() if low >= least), "poor")


@dataclass(frozen=True)
class Stability:
    """How stable the features of a plan are on some regions.

    Args:
        features: One by one, sorted by name.
        perturbations: What was done to each region.
        regions: How many regions were measured.
        plan_sha256: Hash of the plan.
        left_out: Images and regions that could not be measured: name of the image and reason.
    """

    features: tuple[FeatureStability, ...]
    perturbations: tuple[Perturbation, ...]
    regions: int
    plan_sha256: str
    left_out: tuple[tuple[str, str], ...] = ()

    def counts(self) -> dict[StabilityClass, int]:
        """Return how many features are in each class."""
        found = [one.stability_class for one in self.features]
        return {name: found.count(name) for name in CLASSES}

    def stable_names(self, *, least: StabilityClass = "good") -> tuple[str, ...]:
        """Return the names of the features of a class or a better one."""
        wanted = CLASSES[: CLASSES.index(least) + 1]
        return tuple(one.name for one in self.features if one.stability_class in wanted)

    def as_csv(self) -> str:
        """Return a table: feature, icc, low, high, class; `undefined` has no numbers."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["feature", "icc", "low", "high", "class"])
        for one in self.features:
            row = one.correlation
            numbers = () if row is None else (row.value, row.low, row.high)
            cells = [f"{number:.4f}" for number in numbers] or ["", "", ""]
            writer.writerow([one.name, *cells, one.stability_class])
        return text.getvalue()

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document; no number is rounded."""
        features = {
            one.name: {
                "icc": one.correlation and one.correlation.value,
                "low": one.correlation and one.correlation.low,
                "high": one.correlation and one.correlation.high,
                "class": one.stability_class,
            }
            for one in self.features
        }
        return {
            "regions": self.regions,
            "left_out": [{"image": name, "reason": reason} for name, reason in self.left_out],
            "perturbations": [str(one) for one in self.perturbations],
            "plan_sha256": self.plan_sha256,
            "counts": self.counts(),
            "features": features,
        }


def measure_stability(
    path: Path,
    *,
    mask: Path | None = None,
    plan: RadiomicsPlan | None = None,
    seed: int = 0,
    progress: Callable[[Sequence[StudyFiles]], Iterable[StudyFiles]] = iter,
) -> Stability:
    """Measure how stable features are on the regions of a path.

    Without a mask the bone of each image of each study is a region, found untrained; an image that
    cannot be read or has no usable bone is left out. Regions of one patient are not independent,
    and the intervals are then too narrow.

    Args:
        path: Film, volume, folder or archive.
        mask: Image in which every value above 0 is a region; for a path that holds one image.
        plan: What is computed.
        seed: Of noise and random outlines.
        progress: Goes through the studies, and may show how far it is.

    Raises:
        ImageError: If there is no image, or the mask does not fit.
        DataError: If fewer than two regions can be measured, or films and CTs are mixed.
        MissingExtraError: If pyradiomics is not installed.
    """
    left_out: list[tuple[str, str]] = []
    regions = (
        _bones(progress(find_studies(path)), left_out) if mask is None else _marked(path, mask)
    )
    # One region alone is refused before it is measured, which takes long.
    first = list(islice(regions, 2))
    _check_count(len(first), left_out)
    measured = []
    for number, (image, region) in enumerate(chain(first, regions)):
        generator = np.random.default_rng([seed, number])
        try:
            measured.append(perturbed_features(image, region, generator=generator, plan=plan))
        except ImageError as error:
            left_out.append((image.name, str(error)))
    return stability_of(measured, left_out=left_out)


def stability_of(
    measured: Sequence[PerturbedFeatures], *, left_out: Sequence[tuple[str, str]] = ()
) -> Stability:
    """Say how stable each feature is, from what some regions became under the same perturbations.

    Args:
        measured: A region each, of one plan and the same perturbations, two or more.
        left_out: Images and regions that could not be measured: name of the image and reason.

    Raises:
        DataError: If there are fewer than two regions, or features, plans or perturbations differ.

    References:
        ICC(1,1): Zwanenburg et al., Scientific Reports 9, 614 (2019),
        doi 10.1038/s41598-018-36938-4; classes by the lower end of its 95 % interval: Koo & Li,
        Journal of Chiropractic Medicine 15:155-163, 2016, doi 10.1016/j.jcm.2016.02.012.

    Example:
        >>> shifted = (Perturbation("shift", 1),)
        >>> regions = [
        ...     PerturbedFeatures(("mean", "skew"), np.array(values), shifted, "")
        ...     for values in ([[1.0, 3], [1.1, 4]], [[5.0, 4], [5.1, 3]], [[9.0, 3], [8.9, 4]])
        ... ]
        >>> [(one.name, one.stability_class) for one in stability_of(regions).features]
        [('mean', 'excellent'), ('skew', 'poor')]
    """
    _check_count(len(measured), left_out)
    first = measured[0]
    for one in measured[1:]:
        if one.names != first.names:
            raise DataError(
                "the regions have not the same features",
                got=f"{len(first.names)} and {len(one.names)}, or other names",
                cure="measure films and CTs apart, with one plan",
            )
        if (one.plan_sha256, one.perturbations) != (first.plan_sha256, first.perturbations):
            raise DataError(
                "the regions were measured in different ways",
                got="two plans, or two sets of perturbations",
                cure="measure them anew, all alike",
            )
    values = np.stack([one.values for one in measured])  # (regions, readings, features)
    features = tuple(
        FeatureStability(name, _correlation(values[:, :, column]))
        for column, name in enumerate(first.names)
    )
    return Stability(
        features, first.perturbations, len(measured), first.plan_sha256, tuple(left_out)
    )


def _correlation(readings: npt.NDArray[np.float64]) -> Row | None:
    try:
        return intraclass_correlation(readings, form="1,1")
    except DataError:
        # Features are finite and regions and readings two or more: all values are equal.
        return None


def _bones(
    studies: Iterable[StudyFiles], left_out: list[tuple[str, str]]
) -> Iterator[tuple[Image, Mask]]:
    """Yield the images with usable bone; name the others, as they are met."""
    for files in studies:
        study = files.open()
        left_out += [(one.name, one.reason) for one in study.unreadable]
        for image in study.images:
            bone, reason = bone_of(image)
            if reason:
                left_out.append((image.name, reason))
            else:
                yield image, bone


def _marked(path: Path, mask: Path) -> Iterator[tuple[Image, Mask]]:
    """Yield an image with each region that a map of labels marks in it."""
    image, labels = _only_image(path, "a mask is of one image"), _only_image(mask, "a mask is one")
    values = np.unique(labels.pixels[labels.pixels > 0])
    if values.size > _MOST_REGIONS_OF_A_MASK:
        raise ImageError(
            "a mask has one value a region",
            got=f"{values.size} values above 0 in {mask.name}",
            cure=f"give a map of at most {_MOST_REGIONS_OF_A_MASK} labels, not stored as JPEG",
        )
    if labels.pixels.shape != image.pixels.shape:
        raise ImageError(
            "the mask does not fit its image",
            got=f"shape {labels.pixels.shape} for an image of shape {image.pixels.shape}",
        )
    for value in values:
        yield image, np.asarray(labels.pixels == value)


def _only_image(path: Path, what: str) -> Image:
    images = open_study(path).images
    if len(images) != 1:
        raise ImageError(what, got=f"{len(images)} images in {path.name}", cure="give one")
    return images[0]


def _check_count(count: int, left_out: Sequence[tuple[str, str]]) -> None:
    if count < 2:
        why = f"; left out: {left_out[0][1]}" if left_out else ""
        raise DataError(
            "stability is measured on two regions or more", got=f"{count}{why}", cure=_CURE
        )
