"""Prepared pairs: patches of CT and crops of simulated films of one place, with their truth."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.core.provenance import sha256_of_file
from fracturax.datasets.files import read_json, read_text

COLUMNS = (
    "case", "patient", "patient_key", "bone", "center_mm", "pose", "label", "ct", "film",
)  # fmt: skip
TABLE, FACTS = "pairs.csv", "pairs.json"
CT_VOXELS, FILM_PIXELS = 56, 128
CT_MM, FILM_MM = 0.75, 0.7
_LARGEST_ARRAY = 1 << 24

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class CtPatch:
    """A cube of CT.

    Args:
        hu: Hounsfield units, int16, shape `(56, 56, 56)`: slices to the head, rows to the back,
            columns to the left, 0.75 mm apart.
        fracture: Where a fracture surface lies, same shape.
        bone: Where bone lies, same shape; for evaluation and radiomics, never an input.
    """

    hu: npt.NDArray[np.int16]
    fracture: Mask
    bone: Mask


@dataclass(frozen=True, eq=False)
class FilmCrop:
    """A crop of a simulated film. It is synthetic.

    Args:
        pixels: Display values in [0, 1], bone bright, shape `(128, 128)`, 0.7 mm at the detector.
        fracture: Where a fracture surface is projected to, same shape.
        bone: Where bone is projected to, same shape.
    """

    pixels: npt.NDArray[np.float32]
    fracture: Mask
    bone: Mask


@dataclass(frozen=True)
class PairedCase:
    """One place in one patient, as CT and on one film.

    Args:
        name: Names the case.
        patient: Number of the patient in the data set.
        patient_key: Cases that share it stand on one side of every split.
        bone: Which bone lies there: LI, RI (left and right hip bone) or SA (sacrum).
        center_mm: Its middle, patient coordinates (LPS).
        pose: Number of the film among those of this place.
        label: Whether a fracture surface lies inside.
        ct_path: File of the CT's patch; cases of one place share it.
        film_path: File of the film's crop.
    """

    name: str
    patient: str
    patient_key: str
    bone: str
    center_mm: tuple[float, float, float]
    pose: int
    label: bool
    ct_path: Path
    film_path: Path

    def ct(self) -> CtPatch:
        """Read the patch.

        Raises:
            DataError: If the file is not what it has to be.
        """
        read = _arrays(self.ct_path, "hu", (CT_VOXELS,) * 3)
        return CtPatch(read["hu"].astype(np.int16), read["fracture"] > 0, read["bone"] > 0)

    def film(self) -> FilmCrop:
        """Read the crop.

        Raises:
            DataError: If the file is not what it has to be.
        """
        read = _arrays(self.film_path, "film", (FILM_PIXELS,) * 2)
        return FilmCrop(read["film"].astype(np.float32), read["fracture"] > 0, read["bone"] > 0)


@dataclass(frozen=True)
class PairedData:
    """A folder of prepared pairs.

    Args:
        folder: Where it lies.
        cases: All cases, in the order of the table.
        sha256: Hash of the table.
    """

    folder: Path
    cases: tuple[PairedCase, ...]
    sha256: str

    @property
    def patients(self) -> tuple[str, ...]:
        """The patients, in order."""
        return tuple(sorted({case.patient for case in self.cases}))

    def of(self, patients: Iterable[str]) -> tuple[PairedCase, ...]:
        """Return the cases of some patients."""
        wanted = set(patients)
        return tuple(case for case in self.cases if case.patient in wanted)

    def places(self) -> tuple[PairedCase, ...]:
        """Return one case a place: the first of those that share a CT patch."""
        first: dict[Path, PairedCase] = {}
        for case in self.cases:
            first.setdefault(case.ct_path, case)
        return tuple(first.values())


def open_pairs(folder: Path) -> PairedData:
    """Open what `fracturax prepare pairs` wrote.

    Raises:
        DataError: If the table is not there, was changed, lacks a column, or a row of it is wrong;
            files are read when they are asked for.
    """
    table = folder / TABLE
    if not (table.is_file() and (folder / FACTS).is_file()):
        raise DataError(
            f"{folder.name} holds no prepared pairs",
            got=f"no {TABLE} with its {FACTS}",
            cure="write them with: fracturax prepare pairs",
        )
    facts = read_json(folder / FACTS)
    text = read_text(table, largest=_LARGEST_ARRAY)
    sha256 = sha256_of_file(table)
    if not isinstance(facts, dict) or facts.get("table_sha256") != sha256:
        raise DataError(
            "the table of pairs is not the one that was written",
            got=f"another hash than {FACTS} states",
            cure="run fracturax prepare pairs again",
        )
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{TABLE} lacks columns", got=f"no {', '.join(missing)}")
    cases = tuple(_case(folder, number, row) for number, row in enumerate(reader, start=2))
    if not cases:
        raise DataError("there are no pairs", got="an empty table")
    label_of: dict[Path, bool] = {}
    for case in cases:
        if label_of.setdefault(case.ct_path, case.label) != case.label:
            raise DataError("one place of a CT has two labels", got=case.ct_path.name)
    return PairedData(folder, cases, sha256)


def _case(folder: Path, line: int, row: dict[str, Any]) -> PairedCase:
    try:
        x, y, z = (float(one) for one in str(row["center_mm"]).split())
        label = {"0": False, "1": True}[row["label"]]
        pose = int(row["pose"])
        paths = [_inside(folder, str(row[name])) for name in ("ct", "film")]
    except (KeyError, ValueError) as error:
        raise DataError(
            f"line {line} of {TABLE} cannot be read", got=f"{type(error).__name__}: {error}"
        ) from error
    return PairedCase(
        *(row["case"], row["patient"], row["patient_key"], row["bone"]),
        *((x, y, z), pose, label),
        *paths,
    )


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{Path(name).name} lies outside the folder")
    if not path.is_file():
        raise ValueError(f"no file {Path(name).name}")
    return path


def _arrays(path: Path, main: str, shape: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        with path.open("rb") as stream:
            read = load(stream.read(_LARGEST_ARRAY))
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path.name} cannot be read", got=type(error).__name__) from error
    for name in (main, "fracture", "bone"):
        if name not in read or read[name].shape != shape:
            got = f"shape {read[name].shape}" if name in read else "nothing"
            raise DataError(f"{path.name} holds no {name} of shape {shape}", got=got)
    return read
