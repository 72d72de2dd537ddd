"""Preprocess: images through a plan, written with their history and a contact sheet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from fracturax.core.errors import ConfigError, FracturaXError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Image, Volume
from fracturax.core.provenance import sha256_of_document, software_version
from fracturax.imaging import StudyFiles
from fracturax.pipelines.read import make_folder
from fracturax.reporting.contact_sheet import Stage, sheet_page, sheet_picture
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.step_plan import StepPlan
from fracturax.transforms.transform import Transformed

_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_FULL = 65535


@dataclass(frozen=True)
class Preprocessed:
    """An image that was written, or could not be.

    Args:
        name: Its name.
        files: What was written; empty where nothing could be.
        facts: What the JSON beside it says.
        reason: Why nothing was written; else empty.
    """

    name: str
    files: tuple[Path, ...]
    facts: dict[str, Any]
    reason: str = ""


def preprocess(image: Image, plan: StepPlan) -> Transformed:
    """Return an image after the steps of a plan, and where its pixels went.

    Raises:
        ImageError: If a step does not take the image.

    Example:
        >>> from fracturax.core.image import Radiograph
        >>> from fracturax.transforms.step_plan import load_plan
        >>> film = Radiograph(np.linspace(0.2, 0.4, 6400, dtype=np.float32).reshape(80, 80))
        >>> done = preprocess(film, load_plan("film"))
        >>> [step.name for step in done.image.history][-1], float(done.image.pixels.max())
        ('percentile', 1.0)
    """
    return plan.apply(image)


def stages(image: Image, plan: StepPlan) -> tuple[Stage, ...]:
    """Return an image as it came and after each step of a plan.

    Raises:
        ImageError: If a step does not take what the one before it left.
    """
    first = Stage("as read", image, AxisMap.identity(image.pixels.shape))
    return (first, *_walk(image, plan))


def _walk(image: Image, plan: StepPlan) -> Iterator[Stage]:
    for done, transform in zip(plan.walk(image), plan.transforms, strict=True):
        step = transform.step
        values = ", ".join(f"{name} {value}" for name, value in step.parameters)
        yield Stage(
            f"{step.name}: {values}" if values else step.name,
            done.image,
            done.axis_map,
            done.remark,
        )


def preprocess_to_folder(
    studies: Sequence[StudyFiles], plan: StepPlan, *, out: Path, with_sheet: bool = True
) -> Iterator[Preprocessed]:
    """Preprocess the images of studies, one after the other, and write what comes of them.

    A film becomes `<name>.png`, 16 bit; a volume `<name>.nii.gz`; each with `<name>.json` beside
    it (history, plan, and the way back to the original's pixels), and a contact sheet as
    `<name>.sheet.png` and `<name>.sheet.html`. The originals are never changed.

    Args:
        studies: What to preprocess.
        plan: What to do.
        out: Folder to write into; made if it is not there.
        with_sheet: Whether to draw contact sheets.

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
            stem = free_stem(image.name, taken)
            yield _write_one(image, plan, out / stem, with_sheet=with_sheet)
        for unreadable in study.unreadable:
            yield Preprocessed(unreadable.name, (), {}, unreadable.reason)


def free_stem(name: str, taken: set[str]) -> str:
    """Return a file name for an image that no other of the run has, and note it as taken."""
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    for suffix in (".gz", ".nii", ".dcm", ".png", ".jpg", ".jpeg", ".tif", ".tiff"):
        plain = plain.removesuffix(suffix)
    plain = plain.lstrip(".") or "image"
    stem, number = plain, 1
    while stem.lower() in taken:
        number += 1
        stem = f"{plain}-{number}"
    taken.add(stem.lower())
    return stem


def _write_one(image: Image, plan: StepPlan, stem: Path, *, with_sheet: bool) -> Preprocessed:
    try:
        way = stages(image, plan)
    except ConfigError:
        raise  # a missing extra is the same for every image
    except FracturaXError as error:
        return Preprocessed(image.name, (), {}, str(error))
    made = way[-1].image
    axis_map = way[0].axis_map
    for stage in way[1:]:
        axis_map = axis_map.then(stage.axis_map)
    facts = facts_of(image, made, axis_map, plan) | {
        "remarks": [f"{stage.title}: {stage.remark}" for stage in way if stage.remark]
    }
    is_volume = isinstance(made, Volume)
    target = stem.with_name(stem.name + (".nii.gz" if is_volume else ".png"))
    if isinstance(made, Volume):
        write_nifti(made, target)
    else:
        write_png(made, target)
    beside = stem.with_name(stem.name + ".json")
    beside.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    written = [target, beside]
    if with_sheet:
        picture = stem.with_name(stem.name + ".sheet.png")
        page = stem.with_name(stem.name + ".sheet.html")
        is_synthetic = image.acquisition.is_phantom
        picture.write_bytes(sheet_picture(way, name=image.name, is_synthetic=is_synthetic))
        page.write_text(
            sheet_page(way, name=image.name, is_synthetic=is_synthetic), encoding="utf-8"
        )
        written += [picture, page]
    return Preprocessed(image.name, tuple(written), facts)


def facts_of(image: Image, made: Image, axis_map: AxisMap, plan: StepPlan) -> dict[str, Any]:
    """Return what it takes to repeat a preprocessing and to go back, as JSON-able data.

    No identifier is in it; `name` is that of the file the user gave.
    """
    spacing = made.geometry.spacing_mm
    return {
        "name": image.name,
        "file_sha256": image.file_sha256 or None,
        "software": f"fracturax {software_version()}",
        "is_synthetic": image.acquisition.is_phantom,
        "shape": list(made.pixels.shape),
        "original_shape": list(image.pixels.shape),
        "spacing_mm": None if spacing is None else list(spacing),
        "unit": made.unit if isinstance(made, Volume) else "display values",
        "history": [
            {"name": step.name, "parameters": dict(step.parameters)} for step in made.history
        ],
        "plan": plan.as_document(),
        "plan_sha256": plan.sha256,
        "axis_map": axis_map.as_document(),
        "axis_map_sha256": sha256_of_document(axis_map.as_document()),
    }


def write_png(film: Image, path: Path) -> None:
    """Write a film as a 16-bit PNG: 0 is 0, 1 is 65535."""
    display = np.clip(film.pixels.astype(np.float32), 0, 1)
    values = np.rint(display * np.float32(_FULL)).astype(np.uint16)
    PillowImage.fromarray(values).save(path, "PNG")


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume as NIfTI, float32, in the place it has; axes (columns, rows, slices).

    A volume that does not say how it lies gets its spacing and no position.
    """
    _save_nifti(volume.pixels.astype(np.float32), volume.geometry, path)


def write_labels(labels: npt.NDArray[np.uint16], geometry: Geometry, path: Path) -> None:
    """Write labels, shape `(slices, rows, columns)`, as NIfTI, uint16; see `write_nifti`."""
    _save_nifti(labels, geometry, path)


def _save_nifti(values: npt.NDArray[Any], geometry: Geometry, path: Path) -> None:
    import nibabel

    library: Any = nibabel
    data = np.ascontiguousarray(values.transpose(2, 1, 0))
    affine = None
    if geometry.affine is not None:
        affine = _RAS @ np.asarray(geometry.affine)[:, [2, 1, 0, 3]]
    picture = library.Nifti1Image(data, affine)
    if affine is None:
        picture.header.set_qform(None, code=0)
        picture.header.set_sform(None, code=0)
        picture.header.set_zooms((geometry.spacing_mm or (1.0, 1.0, 1.0))[::-1])
    picture.header.set_xyzt_units("mm")
    library.save(picture, path)
