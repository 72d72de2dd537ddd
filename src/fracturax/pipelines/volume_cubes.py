"""The CT half of the prepared pairs, as cubes to train on and to test on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fracturax.core.errors import DataError
from fracturax.datasets.pairs import open_pairs

if TYPE_CHECKING:
    from fracturax.training.volume import StoredCube


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
        root: The folder.

    Returns:
        In the order in which the places first stand in the table.

    Raises:
        DataError: If the table or a cube cannot be read, or was changed.
    """
    from fracturax.training.volume import StoredCube

    placed = []
    for case in open_pairs(root).places():
        patch = case.ct()
        fracture = patch.fracture.astype(np.uint8)
        cube = StoredCube(case.ct_path.stem, patch.hu, fracture, int(case.label))
        placed.append(PlacedCube(cube, case.patient, case.patient_key, case.bone))
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
