"""Synthetic pairs of three patients: slabs of bone, every other one with a gap through it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from fracturax.core.provenance import sha256_of_file
from fracturax.datasets.pairs import COLUMNS, CT_VOXELS, FACTS, FILM_PIXELS, TABLE
from fracturax.training.volume import StoredCube


def synthetic_cube(name: str, *, is_broken: bool, seed: int, side: int = 40) -> StoredCube:
    """A slab of bone in flesh, with a gap through it if it is broken."""
    generator = np.random.default_rng(seed)
    hu = generator.normal(60, 20, (side, side, side))
    hu[10:30] += 700
    fracture = np.zeros(hu.shape, np.uint8)
    if is_broken:
        fracture[10:30, :, 19:21] = 1
        hu[fracture > 0] -= 650
    return StoredCube(name, hu.astype(np.int16), fracture, int(is_broken))


def synthetic_crop(is_broken: bool, *, seed: int) -> dict[str, np.ndarray]:
    """A bright band in grey, with a dark line through it if it is broken."""
    generator = np.random.default_rng(seed)
    film = generator.normal(0.3, 0.03, (FILM_PIXELS, FILM_PIXELS))
    bone = np.zeros(film.shape, np.uint8)
    bone[40:90] = 1
    film[40:90] += 0.4
    fracture = np.zeros(film.shape, np.uint8)
    if is_broken:
        fracture[40:90, 60:66] = 1
        film[fracture > 0] -= 0.35
    pixels = np.clip(film, 0, 1).astype(np.float32)
    return {"film": pixels, "fracture": fracture, "bone": bone}


def write_pairs(folder: Path) -> None:
    """Synthetic pairs of three patients in the layout that `prepare pairs` writes."""
    for part in ("ct", "film"):
        (folder / part).mkdir(parents=True)
    rows = []
    for patient in ("001", "002", "003"):
        for number in range(6):
            bone, label = ("LI", "RI")[number % 2], number % 2
            cube = synthetic_cube("", is_broken=bool(label), seed=number, side=CT_VOXELS)
            name = f"ct/{patient}-{number}.safetensors"
            arrays = {"hu": cube.hu, "fracture": cube.fracture, "bone": cube.fracture}
            save_file(arrays, folder / name)
            for pose in range(2):
                case = f"{patient}-{number}-p{pose}"
                film = f"film/{case}.safetensors"
                save_file(synthetic_crop(bool(label), seed=2 * number + pose), folder / film)
                where = ("0 0 0", pose, label, name, film)
                rows.append((case, patient, f"k{patient}", bone, *where))
    with (folder / TABLE).open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])
    seal(folder)


def seal(folder: Path) -> None:
    """Write the hash of the table as it is."""
    sha256 = sha256_of_file(folder / TABLE)
    (folder / FACTS).write_text(json.dumps({"table_sha256": sha256}))
