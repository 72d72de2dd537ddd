"""Films of the pelvis with bone masks, simulated from CT: images/, masks/ and cases.csv.

    python benchmarks/accuracy/pelvis/films.py --root ../shared/data --out films

Five patients: four of `pelvic-ct` (real hip bones and sacrum; their zeros become flesh, femurs and
lumbar vertebrae are drawn in) and one of `totalsegmentator-ct` (everything real, masks by a
machine). A mask is the projection of hip bones and sacrum; femurs are not in it. Same seed, same
films.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from anatomy import Canvas, add_gas, add_neighbours
from scipy import ndimage

from fracturax.core.geometry import Geometry
from fracturax.core.image import Volume
from fracturax.imaging import open_study
from fracturax.simulation.cone_beam import ConeBeam, Pose
from fracturax.simulation.film import Exposure, expose
from fracturax.simulation.scene import Scene
from fracturax.simulation.soft_tissue import fill_zeros
from fracturax.simulation.spectrum import Spectrum
from fracturax.transforms.body import fill_holes, keep_parts

TRAUMA = ("001", "003", "004", "005")
WHOLE = "totalsegmentator"
_BONES = {"LI": 1, "RI": 2, "SA": 3}
_MACHINE_LABELS = {77: 1, 78: 2, 25: 3}
_SPACING_MM = 1.8
_MARGIN_MM = (150.0, 90.0, 110.0)
_FILMS_A_BODY = 12
_THINNEST_MM = 1.0
"""A pixel is bone where its ray runs so far through it."""
_LONGEST_SIDE = 320
_LARGEST_HOLE_PX = 40
"""Where a wing of the hip bone is thinner than a voxel, its mask has holes no reader would draw."""


def main() -> None:
    """Write the films of all patients."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the CT data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--films", type=int, default=48, help="films a patient")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for folder in ("images", "masks"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    rows = []
    for number, patient in enumerate((*TRAUMA, WHOLE)):
        make = _whole_bodies if patient == WHOLE else _trauma_bodies
        for index in range(options.films):
            rng = np.random.default_rng([options.seed, number, index])
            if index % _FILMS_A_BODY == 0:
                scene = make(options.root, patient, rng)
            name = f"{patient}-{index:03d}.png"
            image, mask = take_film(scene, rng)
            cv2.imwrite(str(options.out / "images" / name), image)
            cv2.imwrite(str(options.out / "masks" / name), mask.astype(np.uint8) * 255)
            rows.append((name, patient))
        print(patient, options.films, flush=True)
    with (options.out / "cases.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("image", "patient"), *rows])


def take_film(
    scene: Scene, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Return a film in a random pose and exposure, and its mask."""
    is_oblique = rng.random() < 0.12
    turn = (rng.normal(0, 9), rng.normal(0, 4), rng.normal(0, 7))
    if is_oblique:
        turn = (turn[0], turn[1], rng.choice([-1, 1]) * rng.uniform(12, 32))
    field_mm = rng.uniform(330, 450)
    rows = round(_LONGEST_SIDE * rng.uniform(0.72, 1))
    distance = rng.uniform(1000, 1250)
    beam = ConeBeam(
        source_detector_mm=distance,
        source_object_mm=distance - rng.uniform(220, 300),
        rows=rows,
        columns=_LONGEST_SIDE,
        pixel_mm=(field_mm / _LONGEST_SIDE,) * 2,
        pose=Pose(
            tuple(float(one) for one in turn),
            (float(rng.normal(0, 15)), 0.0, float(rng.normal(0, 20))),
        ),
        center_mm=scene.center_mm,
    )
    exposure = Exposure(
        spectrum=Spectrum(kvp=rng.uniform(65, 100), filter_mm_al=rng.uniform(2.5, 5)),
        photons_per_mm2=float(np.exp(rng.uniform(np.log(5e5), np.log(5e6)))),
        scatter=rng.uniform(0.02, 0.4),
        blur_mm=rng.uniform(0.2, 1.0),
    )
    projection = scene.cast(beam)
    film = expose(projection, exposure, rng=rng).pixels
    mask = fill_holes((projection.paths_mm > _THINNEST_MM).any(axis=-1), most=_LARGEST_HOLE_PX)
    mask = keep_parts(mask, least=_LARGEST_HOLE_PX)
    field = _collimated(film.shape, rng)
    image = np.where(field, film, np.float32(0))
    return np.round(image * 255).astype(np.uint8), mask & field


def _collimated(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    field = np.ones(shape, bool)
    if rng.random() < 0.6:
        top, bottom, left, right = (
            round(side * rng.uniform(0, 0.09)) for side in (shape[0], shape[0], shape[1], shape[1])
        )
        field[:top], field[shape[0] - bottom :] = False, False
        field[:, :left], field[:, shape[1] - right :] = False, False
    return field


def _trauma_bodies(root: Path, patient: str, rng: np.random.Generator) -> Scene:
    """Return a patient of `pelvic-ct` in a new body: bones real, the rest drawn."""
    canvas, labels, geometry = _trauma_bones(root / "pelvic-ct" / patient, patient)
    bones = Volume(np.rint(add_neighbours(canvas, rng)).astype(np.int16), geometry=geometry)
    body = fill_zeros(bones, rng=rng, margin_mm=rng.uniform(30, 95), flesh_hu=rng.uniform(20, 60))
    hu = add_gas(body.pixels.astype(np.float32), _SPACING_MM, rng)
    return Scene(
        replace(body, pixels=np.rint(hu).astype(np.int16)), Volume(labels, geometry=geometry)
    )


@lru_cache(maxsize=1)
def _trauma_bones(folder: Path, patient: str) -> tuple[Canvas, npt.NDArray[np.int16], Geometry]:
    """Read the bones of a patient onto one grid that leaves room for a body."""
    volumes = {name: _volume(folder / f"{patient}_{name}.nii.gz") for name in _BONES}
    first = next(iter(volumes.values()))
    affine = np.array(first.geometry.affine)
    hu = np.zeros(first.pixels.shape, np.float32)
    labels = np.zeros(first.pixels.shape, np.int16)
    for name, label in _BONES.items():
        inside = volumes[name].pixels != 0
        hu[inside], labels[inside] = volumes[name].pixels[inside], label
    points = np.argwhere(labels > 0)[::50] @ affine[:3, :3].T + affine[:3, 3]
    low = points.min(axis=0) - _MARGIN_MM[::-1]
    high = points.max(axis=0) + _MARGIN_MM[::-1]
    shape = tuple(np.ceil((high - low) / _SPACING_MM).astype(int)[::-1].tolist())
    target = np.eye(4)
    target[:3, :3] = np.eye(3)[::-1] * _SPACING_MM
    target[:3, 3] = low
    back = np.linalg.inv(affine) @ target
    place = {"matrix": back[:3, :3], "offset": back[:3, 3], "output_shape": shape}
    moved = ndimage.affine_transform(labels, order=0, **place)
    values = ndimage.affine_transform(hu, order=1, **place)
    # A voxel half bone and half zero would be a voxel of fat.
    values = np.where(moved > 0, np.where(values == 0, 1, values), 0).astype(np.float32)
    canvas = Canvas(values, moved == 1, moved == 2, moved == 3, _SPACING_MM)
    return canvas, moved, Geometry.from_affine(target)


def _whole_bodies(root: Path, patient: str, rng: np.random.Generator) -> Scene:
    """Return the patient with soft tissue; a little more or less gas is all that changes."""
    folder = root / "totalsegmentator-ct"
    volume = _volume(folder / "example_ct.nii.gz")
    machine = _volume(folder / "example_seg_fast_force_split.nii.gz").pixels
    labels = np.zeros(machine.shape, np.int16)
    for theirs, ours in _MACHINE_LABELS.items():
        labels[machine == theirs] = ours
    hu = np.asarray(add_gas(volume.pixels.astype(np.float32), 3.0, rng) * rng.uniform(0.95, 1.05))
    pixels = np.rint(np.clip(hu, -1000, 3000)).astype(np.int16)
    return Scene(replace(volume, pixels=pixels), Volume(labels, geometry=volume.geometry))


def _volume(path: Path) -> Volume:
    (image,) = open_study(path).images
    assert isinstance(image, Volume)
    return image


if __name__ == "__main__":
    main()
