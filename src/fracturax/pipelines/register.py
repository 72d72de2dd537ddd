"""Register: one film or slice brought onto another, judged, and written with how it was done."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Image, Radiograph, Step
from fracturax.core.provenance import software_version
from fracturax.pipelines.preprocess import write_png
from fracturax.pipelines.read import find_all, make_folder
from fracturax.reporting.laid_over import checkerboard, colors_laid, side_by_side
from fracturax.transforms.register import plane_of, register
from fracturax.transforms.registration import Freedom, Registration


@dataclass(frozen=True)
class Registered:
    """A registration and what was written of it.

    Args:
        registration: What was found.
        files: What was written; the moved image is among them only where it is usable.
        facts: What the JSON says.
    """

    registration: Registration
    files: tuple[Path, ...]
    facts: dict[str, Any]


def open_one(path: Path) -> Image:
    """Open the one image that a path leads to.

    Raises:
        UnreadableImageError: If there is nothing, or it cannot be read.
        ImageError: If it holds several images.
    """
    studies = [files.open() for files in find_all([path])]
    images = [image for study in studies for image in study.images]
    if len(images) != 1:
        reasons = [unreadable.reason for study in studies for unreadable in study.unreadable]
        raise ImageError(
            "a registration takes one image on either side",
            got=reasons[0] if reasons and not images else f"{len(images)} images",
            cure="give a single film, a NIfTI file or the folder of one CT series",
        )
    return images[0]


def move_image(
    moving: Image, fixed: Image, found: Registration, *, moving_slice: int | None = None
) -> Radiograph:
    """Return a film, or the display values of a slice, on the grid of the fixed image.

    Args:
        moving: The image that was registered.
        fixed: What it was registered to; the result has its spacing.
        found: The registration.
        moving_slice: The slice that was registered.

    Raises:
        ImageError: If the registration is not usable, or of an image of another shape.
    """
    if not found.is_usable:
        raise ImageError(
            "the registration failed", got=found.reason, cure="use neither it nor the moved image"
        )
    pixels = plane_of(moving, moving_slice)
    if isinstance(moving, Radiograph):
        pixels = moving.pixels
    spacing = fixed.geometry.spacing_mm
    geometry = Geometry(spacing and spacing[-2:], fixed.geometry.spacing_meaning)
    step = Step(
        "register",
        (("freedom", found.freedom), ("matrix", json.dumps(found.matrix))),
    )
    moved = np.clip(found.move(pixels), 0, 1).astype(np.float32)
    return Radiograph(
        moved,
        name=moving.name,
        file_sha256=moving.file_sha256,
        geometry=geometry,
        acquisition=replace(moving.acquisition),
        history=(*moving.history, step),
    )


def register_to_folder(
    moving: Image,
    fixed: Image,
    *,
    out: Path,
    freedom: Freedom = "affine",
    moving_slice: int | None = None,
    fixed_slice: int | None = None,
    seed: int = 0,
) -> Registered:
    """Register an image to another and write the result.

    `registration.json` has matrix, inverse and quality; `overlay.png` shows both images before
    and after, as colours and as a checkerboard; `moved.png` is the moved image, 16 bit, on the
    grid of the fixed one, and is written only where the registration is usable.

    Args:
        moving: Film or volume.
        fixed: Film or volume.
        out: Folder to write into; made if it is not there.
        freedom: `rigid` or `affine`.
        moving_slice: Slice of the moving volume, from 0; the middle one if not given.
        fixed_slice: The same of the fixed volume.
        seed: Of all random samples.

    Raises:
        ImageError: If an image cannot be registered at all; see `register`.
        ConfigError: If the folder cannot be written to.
        MissingExtraError: If SimpleITK is not installed.
    """
    found = register(
        moving,
        fixed,
        freedom=freedom,
        moving_slice=moving_slice,
        fixed_slice=fixed_slice,
        seed=seed,
    )
    make_folder(out)
    facts = {
        "moving": _identity(moving, moving_slice),
        "fixed": _identity(fixed, fixed_slice),
        "software": f"fracturax {software_version()}",
        "seed": seed,
        **found.as_document(),
    }
    document, picture, target = (
        out / name for name in ("registration.json", "overlay.png", "moved.png")
    )
    document.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    planes = plane_of(moving, moving_slice), plane_of(fixed, fixed_slice)
    picture.write_bytes(_picture(*planes, found, names=(moving.name, fixed.name)))
    written = [document, picture]
    # One from an earlier run must not be taken for the result of this one.
    target.unlink(missing_ok=True)
    if found.is_usable:
        write_png(move_image(moving, fixed, found, moving_slice=moving_slice), target)
        written.append(target)
    return Registered(found, tuple(written), facts)


def _identity(image: Image, index: int | None) -> dict[str, Any]:
    spacing = image.geometry.spacing_mm
    slices = image.pixels.shape[0] if image.pixels.ndim == 3 else None
    return {
        "name": image.name,
        "file_sha256": image.file_sha256 or None,
        "slice": None if slices is None else slices // 2 if index is None else index,
        "spacing_mm": None if spacing is None else list(spacing),
    }


def _picture(
    moving: npt.NDArray[np.float32],
    fixed: npt.NDArray[np.float32],
    found: Registration,
    *,
    names: tuple[str, str],
) -> bytes:
    still = replace(found, matrix=((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    before, moved, here = (
        np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
        for values in (still.move(moving), found.move(moving), fixed)
    )
    pictures = [
        ("before", colors_laid(here, before)),
        ("after: green moved, magenta fixed", colors_laid(here, moved)),
        ("after: checkerboard", checkerboard(here, moved)),
    ]
    said = f"quality {found.quality:.2f}, found by {found.method.replace('_', ' ')}"
    return side_by_side(
        pictures,
        title=f"{names[0]} on {names[1]}",
        remark=said if found.is_usable else f"NOT USABLE: {found.reason}",
        is_warning=not found.is_usable,
    )
