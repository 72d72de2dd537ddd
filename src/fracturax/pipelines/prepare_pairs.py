"""Prepare pairs: CT patches and simulated film crops of the same places, from fractured bones.

Everything outside the fragments of the source is exactly 0 HU, fracture gaps too, so the grey
values give the label away. All of it becomes soft tissue with a soft border before anything is cut
out; what that leaves to be told is measured in `benchmarks/accuracy/fusion/leaks.py`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from fracturax.core.errors import DataError, GeometryError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Volume
from fracturax.core.progress import Progress, silent
from fracturax.core.provenance import sha256_of_file, software_version
from fracturax.core.report import RESEARCH_USE_NOTICE
from fracturax.datasets.pairs import (
    COLUMNS,
    CT_MM,
    CT_VOXELS,
    FACTS,
    FILM_MM,
    FILM_PIXELS,
    TABLE,
    PairedData,
    open_pairs,
)
from fracturax.imaging import open_study
from fracturax.pipelines.read import make_folder
from fracturax.simulation.cone_beam import ConeBeam, Pose
from fracturax.simulation.film import Exposure, expose
from fracturax.simulation.scene import Scene
from fracturax.simulation.soft_tissue import fill_zeros
from fracturax.simulation.spectrum import Spectrum

BONES = ("LI", "RI", "SA")
AIR_HU = -1000
_MARGIN_MM = 32.0
_FAR_MM = 6.0
_COARSE = 4
_RIM_VOXELS = 8
_FILM_SIDE = 640
_BONE_LABEL, _FRACTURE_LABEL = 1, 2

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int16]
Place = npt.NDArray[np.intp]


@dataclass(frozen=True)
class PairPlan:
    """How pairs are made.

    Args:
        places: Places a patient: half with a fracture, half without, as far as they are found.
        films: Films a patient; each place is cut out of `poses` of them, drawn at random.
        poses: Films a place.
        inner_voxels: Side of the cube in the middle of a patch in which a fracture counts.
        apart_mm: Least distance of two places along an axis.
        surface_mm: A voxel belongs to a fracture surface within this distance of two fragments.
        least_voxels: Voxels of a fracture surface that make a patch fractured.
        jitter_voxels: How far a fracture may lie off the middle.
        seed: Of flesh, places, poses and exposures.

    Raises:
        DataError: If a number is impossible.
    """

    places: int = 280
    films: int = 10
    poses: int = 2
    inner_voxels: int = 48
    apart_mm: float = 4.0
    surface_mm: float = 2.0
    least_voxels: int = 60
    jitter_voxels: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.places >= 2 and 1 <= self.poses <= self.films):
            raise DataError(
                "pairs need two places or more, and as many films as poses or more",
                got=f"{self.places} places, {self.films} films, {self.poses} poses",
            )
        if not 0 < self.inner_voxels <= CT_VOXELS:
            raise DataError("the inner cube lies in the patch", got=str(self.inner_voxels))


@dataclass(frozen=True, eq=False)
class Body:
    """A patient on an even grid: slices to the head, rows to the back, columns to the left.

    Args:
        hu: With soft tissue, int16.
        bones: Number of the bone in `BONES` from 1, 0 elsewhere.
        surface: Fracture surfaces.
        affine: From `(slice, row, column, 1)` to patient coordinates, shape `(4, 4)`.
        broken: Names of the bones that have fragments.
    """

    hu: npt.NDArray[np.int16]
    bones: Labels
    surface: Mask
    affine: npt.NDArray[np.float64]
    broken: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Film:
    beam: ConeBeam
    pixels: npt.NDArray[np.float32]
    fracture: Mask
    bone: Mask


def prepare_pairs(
    root: Path,
    out: Path,
    *,
    patients: Sequence[str] | None = None,
    plan: PairPlan | None = None,
    progress: Progress = silent,
) -> PairedData:
    """Make pairs of the patients of a folder laid out like FracSegNet's data.

    `<patient>/<patient>_<bone>.nii.gz` is a bone in HU with 0 elsewhere, `…_mask.nii.gz` its
    fragments, numbered from 1. Patches and crops go to `ct/` and `film/`, one file each;
    `pairs.csv` lists the cases; `pairs.json` says how they were made, and how they may be split.

    Args:
        root: The folder.
        out: Folder to write into; must be new or empty.
        patients: Which patients; all by default. The films of one do not depend on the others.
        plan: How; the default one if not given.
        progress: Where to tell how far the work is.

    Raises:
        DataError: If a patient is not there, a mask does not fit its bone, or no bone is broken.
        GeometryError: If a bone has no place in the patient, or lies on another grid.
    """
    chosen = plan or PairPlan()
    every = sorted(path.name for path in root.iterdir() if _bones_in(path)) if root.is_dir() else []
    wanted = list(patients) if patients else every
    unknown = [name for name in wanted if name not in every]
    if unknown or not every:
        raise DataError(
            "there is no such patient" if unknown else "there are no bones",
            got=unknown[0] if unknown else f"nothing in {root.name}",
            cure="the folder holds 001/001_LI.nii.gz and 001/001_LI_mask.nii.gz",
        )
    make_folder(out)
    if any(out.iterdir()):
        raise DataError("the folder holds something", got=out.name, cure="give a new --out")
    for part in ("ct", "film"):
        (out / part).mkdir()
    rows: list[tuple[Any, ...]] = []
    told: dict[str, Any] = {}
    for name in progress(wanted, "preparing pairs"):
        generator = np.random.default_rng([chosen.seed, every.index(name)])
        body = read_body(root / name, generator, surface_mm=chosen.surface_mm)
        made = list(_cases(name, body, chosen, generator, out))
        rows += made
        told[name] = {
            "broken": list(body.broken),
            "cases": len(made),
            "fractured": sum(row[COLUMNS.index("label")] for row in made),
        }
    if not any(one["fractured"] for one in told.values()):
        raise DataError("no bone is broken", got=f"patients {', '.join(wanted)}")
    return _written(out, rows, told, chosen)


def read_body(folder: Path, generator: np.random.Generator, *, surface_mm: float = 2.0) -> Body:
    """Read the bones of a patient, fill everything else with flesh, and bring it to an even grid.

    Raises:
        DataError: If a mask does not fit its bone, or there is no bone.
        GeometryError: If a bone has no place in the patient, or lies on another grid.
    """
    names = _bones_in(folder)
    volumes = {name: _volume(folder / f"{folder.name}_{name}.nii.gz") for name in names}
    first = next(iter(volumes.values()))
    if first.geometry.affine is None:
        raise GeometryError("a bone has no place in the patient", got=first.name)
    affine = np.array(first.geometry.affine)
    hu = np.zeros(first.pixels.shape, np.float32)
    fragments = np.zeros(hu.shape, np.int16)
    for name, volume in volumes.items():
        mask = _mask_of(folder, name, volume, first)
        inside = volume.pixels != 0
        hu[inside] = volume.pixels[inside]
        fragments[mask > 0] = (BONES.index(name) + 1) * 10 + mask[mask > 0]
    hu[(fragments > 0) & (hu == 0)] = 1
    bones = Volume(hu.astype(np.int16), geometry=first.geometry)
    margin_mm = float(generator.uniform(35, 60))
    body = fill_zeros(bones, rng=generator, margin_mm=margin_mm)
    points = np.argwhere(fragments > 0)[::20] @ affine[:3, :3].T + affine[:3, 3]
    low, high = points.min(axis=0) - _MARGIN_MM, points.max(axis=0) + _MARGIN_MM
    target = np.eye(4)
    target[:3, :3] = np.eye(3)[::-1] * CT_MM
    target[:3, 3] = low
    back = np.linalg.inv(affine) @ target
    shape = tuple(np.ceil((high - low) / CT_MM).astype(int)[::-1].tolist())
    even = _moved(body.pixels.astype(np.float32), back, shape, order=1, outside=AIR_HU)
    labels = _moved(fragments, back, shape, order=0, outside=0)
    surface, broken = _surfaces(labels, surface_mm)
    return Body(np.rint(even).astype(np.int16), labels // 10, surface, target, broken)


def _moved(
    values: npt.NDArray[Any],
    back: npt.NDArray[np.float64],
    shape: tuple[int, ...],
    *,
    order: Literal[0, 1],
    outside: int,
) -> npt.NDArray[Any]:
    """Return values on another grid, whose indices `back` maps to theirs."""
    from scipy.ndimage import affine_transform

    moved: npt.NDArray[Any] = affine_transform(
        values, back[:3, :3], back[:3, 3], shape, order=order, cval=outside
    )
    return moved


def _bones_in(folder: Path) -> tuple[str, ...]:
    return tuple(name for name in BONES if (folder / f"{folder.name}_{name}.nii.gz").is_file())


def _volume(path: Path) -> Volume:
    images = open_study(path).images
    if len(images) != 1 or not isinstance(images[0], Volume):
        raise DataError("a bone is one volume", got=f"{len(images)} images in {path.name}")
    return images[0]


def _mask_of(folder: Path, name: str, bone: Volume, first: Volume) -> Labels:
    path = folder / f"{folder.name}_{name}_mask.nii.gz"
    if not path.is_file():
        raise DataError("a bone has no mask", got=f"no {path.name}")
    mask = _volume(path)
    if mask.pixels.shape != bone.pixels.shape:
        raise DataError(
            f"the mask {path.name} does not fit its bone",
            got=f"shape {mask.pixels.shape}, the bone {bone.pixels.shape}",
        )
    known = bone.geometry.affine is not None
    if not known or not np.allclose(
        np.array(bone.geometry.affine), np.array(first.geometry.affine)
    ):
        raise GeometryError(
            "the bones of a patient lie on one grid",
            got=f"{bone.name} on another than {first.name}",
        )
    numbers = np.rint(mask.pixels).astype(np.int16)
    if numbers.min() < 0 or numbers.max() > 9:
        raise DataError("fragments are numbered from 1 to 9", got=f"up to {int(numbers.max())}")
    return numbers


def _surfaces(labels: Labels, surface_mm: float) -> tuple[Mask, tuple[str, ...]]:
    """Return where fragments of one bone lie close to each other, and which bones are broken."""
    from scipy import ndimage

    surface = np.zeros(labels.shape, bool)
    broken = []
    for number, name in enumerate(BONES, start=1):
        inside = labels // 10 == number
        fragments = np.unique(labels[inside]).tolist()
        if len(fragments) < 2:
            continue
        broken.append(name)
        places = np.argwhere(inside)
        box = tuple(
            slice(max(0, int(start) - _RIM_VOXELS), int(end) + _RIM_VOXELS + 1)
            for start, end in zip(places.min(axis=0), places.max(axis=0), strict=True)
        )
        distances = np.stack(
            [
                ndimage.distance_transform_edt(labels[box] != fragment, sampling=CT_MM)
                for fragment in fragments
            ]
        )
        distances.sort(axis=0)
        surface[box] |= distances[1] <= surface_mm
    return surface, tuple(broken)


def _cases(
    patient: str, body: Body, plan: PairPlan, generator: np.random.Generator, out: Path
) -> Iterator[tuple[Any, ...]]:
    """Write the patches and crops of a patient, and yield the rows of the table."""
    fractured, healthy = _places(body, plan, generator)
    films = _films(body, plan, generator)
    rim = (CT_VOXELS - plan.inner_voxels) // 2
    inner = (slice(rim, CT_VOXELS - rim),) * 3
    numbered = [*((place, 1) for place in fractured), *((place, 0) for place in healthy)]
    for number, (place, label) in enumerate(numbered):
        low = place - CT_VOXELS // 2
        surface = _cut(body.surface, low, False)
        count = int(surface[inner].sum())
        if (label and count < plan.least_voxels) or (not label and count):
            continue
        bones = _cut(body.bones, low, 0)
        name = f"{patient}-{number:03d}"
        patch = {
            "hu": _cut(body.hu, low, AIR_HU),
            "fracture": surface.astype(np.uint8),
            "bone": (bones > 0).astype(np.uint8),
        }
        save_file(patch, out / "ct" / f"{name}.safetensors")
        center = place @ body.affine[:3, :3].T + body.affine[:3, 3]
        most = int(np.bincount(bones[bones > 0]).argmax()) if (bones > 0).any() else 0
        drawn = generator.choice(len(films), plan.poses, replace=False)
        for pose, index in enumerate(drawn.tolist()):
            crop = _crop(films[index], center)
            if crop is None:
                continue
            case = f"{name}-p{pose}"
            save_file(crop, out / "film" / f"{case}.safetensors")
            yield (
                *(case, patient, hashlib.sha256(patient.encode()).hexdigest()[:12]),
                *(BONES[most - 1], " ".join(f"{one:.1f}" for one in center), pose, label),
                *(f"ct/{name}.safetensors", f"film/{case}.safetensors"),
            )


def _places(
    body: Body, plan: PairPlan, generator: np.random.Generator
) -> tuple[list[Place], list[Place]]:
    """Choose the middles of patches: about fracture surfaces, and in bone far from any."""
    from scipy import ndimage

    shape = body.hu.shape
    reach = int(np.ceil((CT_VOXELS * CT_MM + _FAR_MM) / (CT_MM * _COARSE))) | 1
    near = ndimage.maximum_filter(body.surface[::_COARSE, ::_COARSE, ::_COARSE], size=reach)
    for axis in range(3):
        near = np.repeat(near, _COARSE, axis)
    near = near[: shape[0], : shape[1], : shape[2]]
    in_bone = np.argwhere(body.bones > 0)
    on_surface = np.argwhere(body.surface & (body.bones > 0))
    far = in_bone[~near[tuple(in_bone.T)]]
    found = _apart(on_surface, plan.places // 2, plan.apart_mm, generator)
    jitter = plan.jitter_voxels
    last = np.array(shape) - 1
    fractured = [
        np.clip(one + generator.integers(-jitter, jitter + 1, 3), 0, last) for one in found
    ]
    healthy = _apart(far, plan.places - len(found), plan.apart_mm, generator)
    return fractured, healthy


def _apart(
    candidates: Place, count: int, apart_mm: float, generator: np.random.Generator
) -> list[Place]:
    chosen: list[Place] = []
    for index in generator.permutation(len(candidates)).tolist():
        one = candidates[index]
        if all(np.abs(one - other).max() * CT_MM > apart_mm for other in chosen):
            chosen.append(one)
        if len(chosen) == count:
            break
    return chosen


def _films(body: Body, plan: PairPlan, generator: np.random.Generator) -> list[_Film]:
    """Take films of the body: about anteroposterior, tilted and turned, each exposed anew."""
    labels = np.where(body.bones > 0, _BONE_LABEL, 0).astype(np.int16)
    labels[body.surface] = _FRACTURE_LABEL
    geometry = Geometry.from_affine(body.affine)
    scene = Scene(Volume(body.hu, geometry=geometry), Volume(labels, geometry=geometry))
    films = []
    for _ in range(plan.films):
        turn = (generator.normal(0, 14), generator.normal(0, 5), generator.normal(0, 12))
        distance = generator.uniform(1050, 1200)
        beam = ConeBeam(
            distance,
            distance - generator.uniform(220, 280),
            rows=_FILM_SIDE,
            columns=_FILM_SIDE,
            pixel_mm=(FILM_MM, FILM_MM),
            pose=Pose(
                (float(turn[0]), float(turn[1]), float(turn[2])),
                (float(generator.normal(0, 10)), 0.0, float(generator.normal(0, 10))),
            ),
            center_mm=scene.center_mm,
        )
        exposure = Exposure(
            spectrum=Spectrum(kvp=generator.uniform(65, 95)),
            photons_per_mm2=float(np.exp(generator.uniform(np.log(7e5), np.log(5e6)))),
            scatter=generator.uniform(0.02, 0.3),
            blur_mm=generator.uniform(0.2, 0.7),
        )
        projection = scene.cast(beam)
        pixels = expose(projection, exposure, rng=generator).pixels
        paths = dict(zip(projection.labels, np.moveaxis(projection.paths_mm, -1, 0), strict=True))
        fracture = paths.get(_FRACTURE_LABEL, np.zeros(pixels.shape)) > 0.5
        bone = sum(paths.values()) > 1
        around = FILM_PIXELS // 2
        films.append(
            _Film(beam, *(np.pad(one, around) for one in (pixels, fracture, np.asarray(bone))))
        )
    return films


def _crop(film: _Film, center_mm: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[Any]] | None:
    row, column = np.round(film.beam.project(center_mm[None])[0]).astype(int).tolist()
    if not (0 <= row < _FILM_SIDE and 0 <= column < _FILM_SIDE):
        return None
    part = (slice(row, row + FILM_PIXELS), slice(column, column + FILM_PIXELS))
    return {
        "film": np.ascontiguousarray(film.pixels[part], np.float32),
        "fracture": np.ascontiguousarray(film.fracture[part]).astype(np.uint8),
        "bone": np.ascontiguousarray(film.bone[part]).astype(np.uint8),
    }


def _cut(values: npt.NDArray[Any], low: Place, fill: int | bool) -> npt.NDArray[Any]:
    """Return a cube of a volume from a corner, filled where it reaches outside."""
    cube = np.full((CT_VOXELS,) * 3, fill, values.dtype)
    source, target = [], []
    for start, size in zip(low.tolist(), values.shape, strict=True):
        first, last = max(0, start), min(size, start + CT_VOXELS)
        source.append(slice(first, last))
        target.append(slice(first - start, last - start))
    cube[tuple(target)] = values[tuple(source)]
    return cube


def _written(
    out: Path, rows: list[tuple[Any, ...]], told: dict[str, Any], plan: PairPlan
) -> PairedData:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    (out / TABLE).write_text(text.getvalue(), encoding="utf-8")
    facts = {
        "notice": RESEARCH_USE_NOTICE,
        "synthetic": "the films are simulated, the flesh is drawn; bones and fractures are real",
        "software": f"fracturax {software_version()}",
        "plan": asdict(plan),
        "patients": told,
        "table_sha256": sha256_of_file(out / TABLE),
        "split": {
            "rule": "leave one patient out",
            "folds": {name: {"test": [name]} for name in sorted(told)},
        },
    }
    (out / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return open_pairs(out)
