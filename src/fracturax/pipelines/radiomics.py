"""Radiomics: features of the bone, of a mask or of a box, of every image of a path, as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fracturax.core.errors import ConfigError, ImageError
from fracturax.core.geometry import Box
from fracturax.core.image import Image, Radiograph, Volume
from fracturax.imaging import open_study
from fracturax.radiomics import FeatureVector, RadiomicsPlan, extract_features, mask_of_box
from fracturax.radiomics.features import Mask
from fracturax.transforms.bone_mask import segment_bone
from fracturax.transforms.ct_bone import segment_ct_bone


@dataclass(frozen=True, eq=False)
class Described:
    """One image with its features, or why there are none.

    Args:
        image: Name of the image.
        region: What was described: `mask`, `box` or `bone`.
        voxels: How many pixels or voxels it has.
        features: The features; None where the image has no usable region.
        reason: Why not; else empty.
    """

    image: str
    region: str
    voxels: int
    features: FeatureVector | None
    reason: str = ""


def describe(
    path: Path,
    *,
    mask: Path | None = None,
    box: Box | None = None,
    plan: RadiomicsPlan | None = None,
) -> Iterator[Described]:
    """Describe the images of a path, one after the other.

    Args:
        path: Film, volume, folder or archive.
        mask: Image whose values above 0 mark the region; for a path that holds one image.
        box: Region of a film, in its pixels.
        plan: What is computed.

    Raises:
        ImageError: If there is no image, or the mask does not fit.
        ConfigError: If both a mask and a box are given.
        MissingExtraError: If pyradiomics is not installed.
    """
    if mask is not None and box is not None:
        raise ConfigError("a region is a mask or a box", got="both")
    study = open_study(path)
    if not study.images:
        reasons = [one.reason for one in study.unreadable]
        raise ImageError("there is no image to describe", got=reasons[0] if reasons else "none")
    if (mask or box) and len(study.images) > 1:
        raise ImageError(
            "a mask or a box is of one image", got=f"{len(study.images)} images", cure="give one"
        )
    for image in study.images:
        yield _describe(image, mask, box, plan)


def _describe(
    image: Image, mask: Path | None, box: Box | None, plan: RadiomicsPlan | None
) -> Described:
    if mask is not None:
        region, chosen, reason = "mask", _read_mask(mask), ""
    elif box is not None:
        region, chosen, reason = "box", mask_of_box(image, box), ""
    else:
        region, (chosen, reason) = "bone", bone_of(image)
    if reason:
        return Described(image.name, region, int(chosen.sum()), None, reason)
    found = extract_features(image, chosen, plan=plan)
    return Described(image.name, region, int(chosen.sum()), found)


def _read_mask(path: Path) -> Mask:
    images = open_study(path).images
    if len(images) != 1:
        raise ImageError("a mask is one image", got=f"{len(images)} images in {path.name}")
    return np.asarray(images[0].pixels > 0)


def bone_of(image: Image) -> tuple[Mask, str]:
    """Return the bone of a film or a CT, found without training, and why it is not usable."""
    if isinstance(image, Radiograph):
        film = segment_bone(image)
        return film.mask, film.reason
    assert isinstance(image, Volume), "an image is a film or a volume"
    found = segment_ct_bone(image)
    return np.asarray(found.labels > 0), found.reason


def as_csv(described: Sequence[Described]) -> str:
    """Return a table, a line an image, a column a feature; what has none has empty cells."""
    known = [one for one in described if one.features is not None]
    names: list[str] = []
    for one in known:
        assert one.features is not None
        names += [name for name in one.features.names if name not in names]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "region", "voxels", "reason", *names])
    for one in described:
        values = (
            {}
            if one.features is None
            else dict(zip(one.features.names, one.features.values.tolist(), strict=True))
        )
        row = [f"{values[name]:.10g}" if name in values else "" for name in names]
        writer.writerow([one.image, one.region, one.voxels, one.reason, *row])
    return text.getvalue()
