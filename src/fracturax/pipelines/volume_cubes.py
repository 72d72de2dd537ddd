"""The CT half of the prepared pairs, as cubes to train on and to test on."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from fracturax.core.errors import DataError

if TYPE_CHECKING:
    from fracturax.training.volume import StoredCube

_TABLE = "pairs.csv"
_COLUMNS = ("patient", "patient_key", "bone", "label", "ct")


@dataclass(frozen=True, eq=False)
class PlacedCube:
    """A cube, and whose it is.

    Args:
        cube: What a network is trained on.
        patient: Number of the patient in the public data set.
        patient_key: Salted hash of it.
        bone: `LI`, `RI` (hip bones) or `SA` (sacrum).
    """

    cube: StoredCube
    patient: str
    patient_key: str
    bone: str


def read_cubes(root: Path) -> tuple[PlacedCube, ...]:
    """Read the cubes of a folder that `fracturax prepare pairs` wrote, each place once.

    Args:
        root: Holds `pairs.csv` and `ct/`.

    Returns:
        In the order in which the places first stand in the table.

    Raises:
        DataError: If table or a cube cannot be read, or do not fit together.
    """
    from fracturax.training.volume import StoredCube

    rows: dict[str, dict[str, str]] = {}
    for row in _rows(root / _TABLE):
        if row["ct"] in rows and row["label"] != rows[row["ct"]]["label"]:
            raise DataError("one place of a CT has two labels", got=row["ct"])
        rows.setdefault(row["ct"], row)
    placed = []
    for name, row in rows.items():
        if row["label"] not in ("0", "1"):
            raise DataError("a label is 0 or 1", got=repr(row["label"]))
        hu, fracture = _arrays(root, name)
        cube = StoredCube(Path(name).stem, hu, fracture, int(row["label"]))
        placed.append(PlacedCube(cube, row["patient"], row["patient_key"], row["bone"]))
    return tuple(placed)


def patients_of(cubes: Sequence[PlacedCube]) -> tuple[str, ...]:
    """Return the patients, sorted.

    Raises:
        DataError: If there is one only: nothing could be held out.
    """
    patients = tuple(sorted({one.patient for one in cubes}))
    if len(patients) < 2:
        raise DataError(
            "leaving one patient out takes two patients or more", got=str(len(patients))
        )
    return patients


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path.parent.name} holds no prepared pairs",
            got=f"{type(error).__name__} in {_TABLE}",
            cure="write them with: fracturax prepare pairs",
        ) from error
    if missing:
        raise DataError("the table of pairs lacks a column", got=", ".join(missing))
    if not rows:
        raise DataError("the table of pairs is empty", got=path.name)
    return rows


def _arrays(root: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise DataError("a cube lies outside the folder of pairs", got=repr(name))
    try:
        arrays = load_file(path)
        hu, fracture = arrays["hu"], arrays["fracture"]
    except (OSError, SafetensorError, KeyError) as error:
        raise DataError(
            f"the cube {name} cannot be read", got=type(error).__name__, cure="prepare it again"
        ) from error
    return hu.astype(np.int16, copy=False), fracture.astype(np.uint8, copy=False)
