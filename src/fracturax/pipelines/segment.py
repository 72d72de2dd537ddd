"""Segment: the bones of films and CTs, as masks with their size, quality and a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from fracturax.core.errors import FracturaXError, ImageError
from fracturax.core.image import Image, Radiograph, Volume
from fracturax.core.prediction import ModelIdentity
from fracturax.core.provenance import software_version
from fracturax.imaging import StudyFiles
from fracturax.models.segmenter import Segmenter
from fracturax.pipelines.preprocess import free_stem, write_labels
from fracturax.pipelines.read import make_folder
from fracturax.reporting.film import display_pixels
from fracturax.reporting.laid_over import outlined, side_by_side
from fracturax.transforms.bone_mask import segment_bone
from fracturax.transforms.ct_bone import segment_ct_bone
from fracturax.transforms.orientation import ToOrientation
from fracturax.transforms.threshold import Method

_SHOWN_SLICES = (0.2, 0.4, 0.6, 0.8)
Labels = npt.NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The bones of one image.

    Args:
        labels: 0 outside; on a film 1 is bone, in a CT every bone has a number of its own; shape
            of the image.
        quality: 0 to 1, a score of plausibility, not a probability; None where a model found it.
        method: How it was found.
        reason: Why it is not usable; empty where it is.
        remark: What a user should know; else empty.
        model: Which model found it; None for what is untrained.
    """

    labels: Labels
    quality: float | None
    method: str
    reason: str = ""
    remark: str = ""
    model: ModelIdentity | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it is worth using."""
        return not self.reason


@dataclass(frozen=True)
class Segmented:
    """An image that was segmented, or could not be.

    Args:
        name: Its name.
        files: What was written; empty where nothing could be.
        facts: What the JSON beside it says.
        reason: Why there is no usable mask; else empty.
    """

    name: str
    files: tuple[Path, ...]
    facts: dict[str, Any]
    reason: str = ""


def segment(image: Image, *, method: Method = "multi_otsu") -> Segmentation:
    """Find the bones of a film or a CT, without a trained model.

    Args:
        image: A film of any limb, or a CT in HU.
        method: How the threshold of a film is found; a CT has thresholds in HU.

    Raises:
        ImageError: If it is neither, or a pixel is no number.

    Example:
        >>> blank = Radiograph(np.zeros((40, 40), np.float32))
        >>> segment(blank).reason
        'the film is blank or very small'
    """
    if isinstance(image, Volume):
        found = segment_ct_bone(image)
        name = "threshold and parts, CT"
        return Segmentation(found.labels, found.quality, name, found.reason, found.remark)
    if not isinstance(image, Radiograph):
        raise ImageError("only films and volumes have bones", got=type(image).__name__)
    if not np.isfinite(image.pixels).all():
        raise ImageError(
            "some pixels are no numbers", got="NaN or infinity", cure="replace them first"
        )
    mask = segment_bone(image, method=method)
    return Segmentation(mask.mask.astype(np.uint16), mask.quality, method, mask.reason)


def segment_by(segmenter: Segmenter, image: Image) -> Segmentation:
    """Mark bone in a film by a trained model.

    Args:
        segmenter: The model, as `load_segmenter` gives it.
        image: A film.

    Raises:
        ImageError: If it is no film, or a step of the model's plan does not take it.
    """
    if not isinstance(image, Radiograph):
        raise ImageError(
            "the model segments films", got="a volume", cure="leave --model out for a CT"
        )
    mask = segmenter.segment(image)
    structures = ", ".join(segmenter.manifest.structures)
    return Segmentation(
        mask.astype(np.uint16),
        None,
        f"trained model: {structures}",
        reason="" if mask.any() else f"the model found nothing of {structures}",
        model=segmenter.identity,
    )


def size_of(labels: npt.NDArray[np.integer | np.bool_], image: Image) -> dict[str, Any]:
    """Return how large the labelled part of an image is, in pixels and, if known, millimetres.

    Args:
        labels: 0 outside; shape of the image.
        image: What they belong to.

    Returns:
        `area_px` and `area_mm2` of a film, `volume_voxels` and `volume_mm3` of a volume; mm are
        None where the image does not say its spacing. `spacing_meaning` says what they measure:
        at the detector (`imager_plane`) the body is smaller.

    Raises:
        ImageError: If the labels do not fit the image.

    Example:
        >>> from fracturax.core.geometry import Geometry
        >>> film = Radiograph(np.zeros((4, 4), np.float32), geometry=Geometry((0.5, 0.5)))
        >>> size_of(np.eye(4) > 0, film)
        {'area_px': 4, 'area_mm2': 1.0, 'spacing_meaning': 'unspecified'}
    """
    if labels.shape != image.pixels.shape:
        raise ImageError(
            "a mask does not fit its image",
            got=f"shape {labels.shape} for an image of shape {image.pixels.shape}",
            cure="give the mask that was made from this image",
        )
    count = int(np.count_nonzero(labels))
    spacing = image.geometry.spacing_mm
    in_mm = None if spacing is None else count * math.prod(spacing)
    names = ("volume_voxels", "volume_mm3") if labels.ndim == 3 else ("area_px", "area_mm2")
    return {
        names[0]: count,
        names[1]: in_mm,
        "spacing_meaning": image.geometry.spacing_meaning if spacing is not None else None,
    }


def segment_to_folder(
    studies: Sequence[StudyFiles], *, out: Path, find: Callable[[Image], Segmentation] = segment
) -> Iterator[Segmented]:
    """Segment the images of studies, one after the other, and write what comes of them.

    A film becomes `<name>.mask.png` (0 and 255), a CT `<name>.labels.nii.gz` (uint16, in the place
    of the CT); each with `<name>.overlay.png` and `<name>.json`. A mask that is not usable is
    written too, and JSON and picture say so.

    Args:
        studies: What to segment.
        out: Folder to write into; made if it is not there.
        find: Finds the bones of one image: `segment`, or `segment_by` with a model.

    Returns:
        One entry an image, and one for each file that could not be read.

    Raises:
        ConfigError: If the folder cannot be written to.
    """
    make_folder(out)
    taken: set[str] = set()
    for files in studies:
        study = files.open()
        for image in study.images:
            stem = out / free_stem(image.name, taken)
            try:
                found = find(image)
            except FracturaXError as error:
                yield Segmented(image.name, (), {}, str(error))
                continue
            yield _write(image, found, stem)
        for unreadable in study.unreadable:
            yield Segmented(unreadable.name, (), {}, unreadable.reason)


def _write(image: Image, found: Segmentation, stem: Path) -> Segmented:
    def beside(ending: str) -> Path:
        return stem.with_name(stem.name + ending)

    facts = {
        "name": image.name,
        "file_sha256": image.file_sha256 or None,
        "software": f"fracturax {software_version()}",
        "is_synthetic": image.acquisition.is_phantom,
        "method": found.method,
        "model": None if found.model is None else asdict(found.model),
        "quality": found.quality,
        "is_usable": found.is_usable,
        "reason": found.reason or None,
        "remark": found.remark or None,
        **size_of(found.labels, image),
    }
    is_volume = isinstance(image, Volume)
    if is_volume:
        facts["parts"] = _parts(found.labels, image)
        target = beside(".labels.nii.gz")
        write_labels(found.labels, image.geometry, target)
    else:
        target = beside(".mask.png")
        PillowImage.fromarray((found.labels > 0).astype(np.uint8) * 255).save(target, "PNG")
    document, picture = beside(".json"), beside(".overlay.png")
    document.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    picture.write_bytes(_picture(image, found, facts))
    return Segmented(image.name, (target, picture, document), facts, found.reason)


def _parts(labels: Labels, image: Image) -> list[dict[str, Any]]:
    counts = np.bincount(labels.ravel())[1:].tolist()
    spacing = image.geometry.spacing_mm
    return [
        {
            "label": label,
            "volume_voxels": count,
            "volume_mm3": None if spacing is None else count * math.prod(spacing),
        }
        for label, count in enumerate(counts, start=1)
    ]


def _picture(image: Image, found: Segmentation, facts: dict[str, Any]) -> bytes:
    if isinstance(image, Volume):
        pictures = _views(image, found.labels)
        size = _said(facts["volume_mm3"], facts["volume_voxels"], "cubic mm", "voxels")
    else:
        shown = display_pixels(image)
        pictures = [
            ("film", np.repeat(shown[..., None], 3, axis=2)),
            ("bone", outlined(shown, found.labels)),
        ]
        size = _said(facts["area_mm2"], facts["area_px"], "square mm", "pixels")
    quality = "" if found.quality is None else f"quality {found.quality:.2f}, "
    remark = f"{quality}{size}"
    synthetic = "SYNTHETIC, no patient: " if image.acquisition.is_phantom else ""
    return side_by_side(
        pictures,
        title=f"{synthetic}{image.name}",
        remark=remark if found.is_usable else f"NOT USABLE: {found.reason} ({remark})",
        is_warning=not found.is_usable,
    )


def _said(in_mm: float | None, count: int, unit: str, without: str) -> str:
    return f"{count:,} {without}, spacing unknown" if in_mm is None else f"{in_mm:,.0f} {unit}"


def _views(image: Volume, labels: Labels) -> list[tuple[str, npt.NDArray[np.uint8]]]:
    """Return a few slices of a volume, from the lowest to the highest bone, seen from the feet."""
    if image.geometry.affine is not None:
        turned = ToOrientation("SPL").apply(image)
        assert isinstance(turned.image, Volume), "a volume stays one"
        image, labels = turned.image, turned.axis_map.mask_to_new(labels)
    has_bone = np.flatnonzero((labels > 0).any(axis=(1, 2)))
    first, last = (has_bone[0], has_bone[-1]) if len(has_bone) else (0, len(labels) - 1)
    indices = dict.fromkeys(int(first + share * (last - first)) for share in _SHOWN_SLICES)
    return [
        (f"slice {index + 1}", outlined(display_pixels(image, slice_index=index), labels[index]))
        for index in indices
    ]
