"""Simulate: films of a CT from given poses, with masks and boxes of its labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from fracturax.core.errors import ConfigError, ImageError
from fracturax.core.image import Radiograph, Volume
from fracturax.core.provenance import software_version
from fracturax.imaging import open_study
from fracturax.pipelines.preprocess import write_png
from fracturax.pipelines.read import make_folder
from fracturax.simulation.cone_beam import ConeBeam, Pose, view
from fracturax.simulation.film import Exposure, expose
from fracturax.simulation.scene import Projection, Scene
from fracturax.simulation.soft_tissue import fill_zeros


@dataclass(frozen=True)
class Simulated:
    """A film that was simulated and written.

    Args:
        film: The film.
        projection: What its rays crossed.
        files: What was written.
        facts: What the JSON beside it says.
    """

    film: Radiograph
    projection: Projection
    files: tuple[Path, ...]
    facts: dict[str, Any]


def simulate(
    scene: Scene, beam: ConeBeam, exposure: Exposure, *, seed: int = 0, name: str = "film"
) -> tuple[Radiograph, Projection]:
    """Return the film of a CT from one pose, and what its rays crossed.

    Args:
        scene: The CT, and its labels where it has some.
        beam: Source, detector and pose.
        exposure: How the film is exposed and shown.
        seed: Of the noise; the same seed gives the same film.
        name: Name of the film.

    Raises:
        GeometryError: If the source lies inside the CT.
    """
    projection = scene.cast(beam)
    return expose(projection, exposure, rng=np.random.default_rng(seed), name=name), projection


def open_ct(path: Path, *, fills_zeros: bool = False, seed: int = 0) -> Volume:
    """Open the one CT at a path: a NIfTI file, or a folder, archive or file of DICOM.

    Args:
        path: Where it lies.
        fills_zeros: Whether what is exactly 0 HU becomes flesh (CTs cut down to their bones).
        seed: Of the flesh's texture.

    Raises:
        ImageError: If there is no volume, or more than one; a series with a gap or a gantry tilt
            is refused with its reason.
        DataError: If there are no zeros to fill.
    """
    volumes = [image for image in open_study(path).images if isinstance(image, Volume)]
    if len(volumes) != 1:
        raise ImageError(
            "simulate needs one CT",
            got=f"{len(volumes)} volumes",
            cure="give one series or one NIfTI file",
        )
    if fills_zeros:
        return fill_zeros(volumes[0], rng=np.random.default_rng(seed))
    return volumes[0]


def pose_of(text: str) -> Pose:
    """Return a pose from a view's name, or from six numbers: turns in degrees, shifts in mm.

    Raises:
        ConfigError: If it is neither.
        UnknownNameError: If there is no such view.

    Example:
        >>> pose_of("5,0,-10,0,20,0").translation_mm
        (0.0, 20.0, 0.0)
    """
    if "," not in text:
        return view(text)
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 6:
        raise ConfigError(
            "a pose is a view or six numbers",
            got=text,
            cure="give AP, PA, LL, RL, or turns about x, y, z and shifts: 5,0,-10,0,20,0",
        )
    return Pose((numbers[0], numbers[1], numbers[2]), (numbers[3], numbers[4], numbers[5]))


def simulate_to_folder(
    volume: Volume,
    beams: Sequence[ConeBeam],
    exposure: Exposure,
    *,
    out: Path,
    labels: Volume | None = None,
    seed: int = 0,
) -> Iterator[Simulated]:
    """Simulate films of a CT and write them, one after the other.

    A film becomes `<CT>-<number>.png` (16 bit), its labels `<CT>-<number>.label-<label>.png`
    (0 or 255), its geometry, boxes and history `<CT>-<number>.json`. The films are seen from the
    middle of the CT: the centre of each beam is put there.

    Args:
        volume: CT in HU.
        beams: A film each.
        exposure: How they are exposed and shown.
        out: Folder to write into; made if it is not there.
        labels: Label volume on the CT's grid, or None.
        seed: Of the noise; the films of one run have seeds in a row.

    Returns:
        One entry a film.

    Raises:
        ConfigError: If the folder cannot be written to.
        ImageError: If the CT or a geometry cannot be used.
        DataError: If the labels are empty.
        MissingExtraError: If numba is not installed.
    """
    scene = Scene(volume, labels)
    make_folder(out)
    stem = volume.name.removesuffix(".gz").removesuffix(".nii").removesuffix(".dcm")
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in stem)
    for number, beam in enumerate(beams, start=1):
        name = f"{plain.lstrip('.') or 'ct'}-{number}"
        placed = replace(beam, center_mm=scene.center_mm)
        film, projection = simulate(scene, placed, exposure, seed=seed + number - 1, name=name)
        facts = _facts(volume, film, projection, exposure, seed=seed + number - 1)
        yield Simulated(film, projection, _write(film, projection, facts, out / name), facts)


def _write(
    film: Radiograph, projection: Projection, facts: dict[str, Any], stem: Path
) -> tuple[Path, ...]:
    files = [stem.with_name(f"{stem.name}.png")]
    write_png(film, files[0])
    for label in projection.labels:
        files.append(stem.with_name(f"{stem.name}.label-{label}.png"))
        values = np.where(projection.mask(label), 255, 0).astype(np.uint8)
        PillowImage.fromarray(values).save(files[-1], "PNG")
    files.append(stem.with_name(f"{stem.name}.json"))
    files[-1].write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return tuple(files)


def _facts(
    volume: Volume, film: Radiograph, projection: Projection, exposure: Exposure, *, seed: int
) -> dict[str, Any]:
    """Return what it takes to simulate the film again; no identifier is in it."""
    boxes = {label: projection.box(label) for label in projection.labels}
    return {
        "name": film.name,
        "is_synthetic": True,
        "software": f"fracturax {software_version()}",
        "ct_sha256": volume.file_sha256 or None,
        "ct_history": [
            {"name": step.name, "parameters": dict(step.parameters)} for step in volume.history
        ],
        "shape": [film.rows, film.columns],
        "cone_beam": {
            **asdict(projection.beam),
            "source_mm": projection.beam.source_mm.tolist(),
        },
        "exposure": asdict(exposure),
        "seed": seed,
        "labels": [
            {
                "label": label,
                "box_px": None if box is None else list(box.as_tuple()),
                "pixels": int(projection.mask(label).sum()),
                "longest_path_mm": round(float(projection.paths_mm[..., index].max()), 3),
            }
            for index, (label, box) in enumerate(boxes.items())
        ],
    }
