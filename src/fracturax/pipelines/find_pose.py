"""Find a pose: where a patient lay when a radiograph was taken, from a CT; judged and written."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ImageError
from fracturax.core.image import Image, Radiograph, Volume
from fracturax.core.provenance import software_version
from fracturax.core.report import RESEARCH_USE_NOTICE
from fracturax.pipelines.place_on_film import (
    SOURCE_DETECTOR_MM,
    SOURCE_OBJECT_MM,
    pixel_at_detector,
)
from fracturax.pipelines.read import make_folder
from fracturax.reporting.laid_over import colors_laid, side_by_side
from fracturax.simulation.attenuation import CT_KEV
from fracturax.simulation.cone_beam import ConeBeam, Pose
from fracturax.simulation.film import develop
from fracturax.simulation.pose_search import PoseMatch, PoseSearch
from fracturax.simulation.scene import Scene

_SHOWN_PX = 512


@dataclass(frozen=True)
class FoundPose:
    """A pose and what was written of it.

    Args:
        match: What was found.
        files: What was written.
        facts: What the JSON says.
    """

    match: PoseMatch
    files: tuple[Path, ...]
    facts: dict[str, Any]


def find_pose_to_folder(
    film: Image,
    ct: Image,
    *,
    start: Pose,
    out: Path,
    pixel_mm: float | None = None,
    source_detector_mm: float = SOURCE_DETECTOR_MM,
    source_object_mm: float = SOURCE_OBJECT_MM,
) -> FoundPose:
    """Search the pose of a film in a CT and write it.

    `pose.json` has the pose found, its likeness and whether to use it; `overlay.png` the film, and
    laid over it the film that the CT gives from the start and from the pose found.

    Args:
        film: The radiograph, bone bright.
        ct: CT in HU, of the same patient.
        start: About where the patient lay: within 10 degrees and 20 mm.
        out: Folder to write into; made if it is not there.
        pixel_mm: Pixel size at the detector; None takes that of the file.
        source_detector_mm: From source to detector.
        source_object_mm: From source to the middle of the CT.

    Raises:
        ImageError: If they are not a film and a CT, or the film's pixel size is not known.
        GeometryError: If the CT has no place in the patient, or a distance is impossible.
        ConfigError: If the folder cannot be written to.
        MissingExtraError: If numba is not installed.
    """
    if not (isinstance(film, Radiograph) and isinstance(ct, Volume)):
        raise ImageError(
            "a pose is searched for a film in a CT",
            got=f"{_kind(film)} and {_kind(ct)}",
            cure="give the film first, then the CT",
        )
    size = pixel_mm if pixel_mm is not None else pixel_at_detector(film)
    scene = Scene(ct)
    beam = ConeBeam(
        *(source_detector_mm, source_object_mm, film.rows, film.columns, (size, size)),
        pose=start,
        center_mm=scene.center_mm,
    )
    match = PoseSearch(ct).find(film, beam)
    make_folder(out)
    facts = {
        "notice": RESEARCH_USE_NOTICE,
        "software": f"fracturax {software_version()}",
        "film": {"name": film.name, "file_sha256": film.file_sha256 or None},
        "ct": {"name": ct.name, "file_sha256": ct.file_sha256 or None},
        "start": asdict(start),
        "pose": asdict(match.beam.pose),
        "likeness": match.score,
        "is_usable": match.is_usable,
        "reason": match.reason or None,
        "beam": {
            "source_detector_mm": source_detector_mm,
            "source_object_mm": source_object_mm,
            "pixel_mm": size,
            "center_mm": list(beam.center_mm),
        },
    }
    document, picture = out / "pose.json", out / "overlay.png"
    document.write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    picture.write_bytes(_picture(film, ct, scene, beam, match))
    return FoundPose(match, (document, picture), facts)


def _kind(image: Image) -> str:
    return "a film" if isinstance(image, Radiograph) else "a volume"


def _picture(film: Radiograph, ct: Volume, scene: Scene, beam: ConeBeam, match: PoseMatch) -> bytes:
    import cv2

    share = min(1.0, _SHOWN_PX / max(film.rows, film.columns))
    rows, columns = (max(8, round(side * share)) for side in film.pixels.shape)
    pixels = np.array(film.pixels, np.float32)
    here = _grey(cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA))
    before, after = (
        _grey(develop(np.exp(-scene.cast(one).attenuation(CT_KEV)), "log", one))
        for one in (beam.sized(rows, columns), match.beam.sized(rows, columns))
    )
    pictures = [
        ("film", np.repeat(here[..., None], 3, axis=2)),
        ("from the start: green simulated", colors_laid(here, before)),
        ("from the pose found: green simulated", colors_laid(here, after)),
    ]
    likeness = f"likeness {match.score:.2f}"
    return side_by_side(
        pictures,
        title=f"{film.name} in {ct.name}",
        remark=likeness if match.is_usable else f"NOT USABLE: {match.reason}",
        is_warning=not match.is_usable,
    )


def _grey(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    low, high = np.percentile(values, (1, 99)).tolist()
    shown = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    return np.asarray(np.rint(shown * 255), np.uint8)
