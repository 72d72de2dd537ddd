"""FractureMNIST3D of MedMNIST v2: small cubes around rib fractures, all fractured, three kinds."""

from __future__ import annotations

import hashlib
import logging
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from fracturax.core.case import Case, Reference
from fracturax.core.errors import DataError, UnreadableImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Step, Volume
from fracturax.core.study import Study
from fracturax.datasets.scans import key_of_public_patient
from fracturax.datasets.words import cases_of_split
from fracturax.imaging.guard import DEFAULT_LIMITS, TRUNCATED, as_unreadable, check_at_most
from fracturax.imaging.source import clean_name

logger = logging.getLogger(__name__)

KINDS = ("buckle", "nondisplaced", "displaced")
"""Kinds of rib fracture by their numbers in the file. There is no healthy class."""

OFFICIAL_MD5 = {
    "fracturemnist3d.npz": "6aa7b0143a6b42da40027a9dda61302f",
    "fracturemnist3d_64.npz": "f01d7e6316aedf4210da0da5b7437b42",
}
_PARTS = {"train": "train", "val": "valid", "test": "test"}
_CUBE_MM = 64.0
_CURE = "download it again, from doi 10.5281/zenodo.10519652"


@dataclass(frozen=True)
class _Array:
    """An array of an archive: its member, where its numbers begin, and what they are."""

    member: str
    start: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def open_fracture_mnist(root: Path, *, split: str = "all") -> tuple[Case, ...]:
    """Open FractureMNIST3D (1,370 cubes of 64 mm around rib fractures, by 28 or 64 voxels).

    **Every case is a fracture**: the task is its kind, `reference.kind`, one of three; there is
    no healthy class, so nothing of it tells how well a model finds fractures. The grey values are
    8 bit, not HU (`Volume.unit` is `arbitrary`), and the file has no position; voxels are
    `64 mm / size` by the authors' description. In which order the axes are stored, and of which
    patient a fracture is, MedMNIST does not say (neither could be verified here): each part of the
    official split is one group, so that a split of one's own cannot tear a patient apart.

    Args:
        root: The folder that holds `fracturemnist3d.npz` or `fracturemnist3d_64.npz`, or the file.
        split: `all`, `train`, `valid` or `test` as the authors split it.

    Raises:
        DataError: If the file is missing, lacks an array, or a label is none of the three.

    References:
        Yang et al., "MedMNIST v2", Scientific Data 10, 41 (2023), doi 10.1038/s41597-022-01721-8.
    """
    path = root if root.is_file() else _file_in(root)
    if not is_official(path):
        logger.warning("%s is not the file that MedMNIST publishes: another MD5", path.name)
    cases: list[Case] = []
    with _archive(path) as archive:
        for part, name in _PARTS.items():
            images = _array(archive, f"{part}_images")
            labels = _labels(archive, f"{part}_labels")
            if images.dtype != np.uint8 or len(images.shape) != 4 or not math.prod(images.shape):
                raise _damaged(path, f"{part}_images are {images.dtype} of shape {images.shape}")
            if len(labels) != images.shape[0]:
                raise _damaged(path, f"{images.shape[0]} {part}_images, {len(labels)} labels")
            for index, label in enumerate(labels.tolist()):
                if not 0 <= label < len(KINDS):
                    raise _damaged(path, f"{part}_labels, row {index}: none of 0, 1, 2")
                cases.append(
                    Case(
                        name=f"{name}/{index}",
                        reference=Reference(True, kind=KINDS[label]),
                        patient_key=key_of_public_patient("fracture_mnist", name),
                        open=partial(_open, path, images, index),
                        split=name,
                        modality="ct",
                    )
                )
    return cases_of_split(cases, split, data="FractureMNIST3D")


def is_fracture_mnist(root: Path) -> bool:
    """Whether a path is the file of FractureMNIST3D, or a folder that holds it."""
    if root.is_file():
        return root.name in OFFICIAL_MD5
    return any((root / name).is_file() for name in OFFICIAL_MD5)


def is_official(path: Path) -> bool:
    """Whether a file is, byte for byte, the one that MedMNIST publishes under its name."""
    with path.open("rb") as stream:
        # MD5 is what the authors publish; it finds damage, and is no protection.
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
    return found.hexdigest() == OFFICIAL_MD5.get(path.name)


def _file_in(root: Path) -> Path:
    found = [root / name for name in OFFICIAL_MD5 if (root / name).is_file()]
    if len(found) == 1:
        return found[0]
    raise DataError(
        "this is not FractureMNIST3D" if not found else "there are two sizes of FractureMNIST3D",
        got=f"no {next(iter(OFFICIAL_MD5))}" if not found else ", ".join(p.name for p in found),
        cure="give the file itself" if found else _CURE,
    )


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise _damaged(path, type(error).__name__) from None


def _array(archive: zipfile.ZipFile, name: str) -> _Array:
    """Read what an array is, and none of its numbers; a pickle is refused."""
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise DataError("FractureMNIST3D lacks an array", got=f"no {name}", cure=_CURE) from None
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in read:
            raise ValueError("a form of array that there is not")
        shape, is_fortran, dtype = read[version](cast(BinaryIO, stream))
        start = stream.tell()
    size = math.prod(shape) * dtype.itemsize
    check_at_most(size, DEFAULT_LIMITS.volume_bytes, f"the size of {name} in bytes")
    if dtype.hasobject or is_fortran or member.file_size != start + size:
        raise ValueError("an array that is no plain numbers")
    return _Array(member.filename, start, dtype, tuple(shape))


def _labels(archive: zipfile.ZipFile, name: str) -> npt.NDArray[np.int64]:
    array = _array(archive, name)
    if array.dtype.kind not in "iu" or array.shape[1:] not in ((), (1,)):
        raise ValueError("labels that are no whole numbers")
    with archive.open(array.member) as stream:
        stream.read(array.start)
        data = stream.read()
    return np.frombuffer(data, array.dtype).astype(np.int64)


def _open(path: Path, images: _Array, index: int) -> Study:
    """Read one cube; what stands before it is unpacked piece by piece and never held."""
    shape = images.shape[1:]
    size = math.prod(shape)
    with (
        as_unreadable("the file of FractureMNIST3D is damaged"),
        zipfile.ZipFile(path) as archive,
        archive.open(images.member) as stream,
    ):
        stream.seek(images.start + index * size)
        data = stream.read(size)
    if len(data) < size:
        raise UnreadableImageError(TRUNCATED, got=f"{len(data)} of {size} bytes", cure=_CURE)
    sha256 = hashlib.sha256(data).hexdigest()
    cube = np.frombuffer(data, np.uint8).reshape(shape).astype(np.int16)
    spacing = tuple(_CUBE_MM / side for side in shape)
    name = f"{clean_name(path.stem)}-{images.member.partition('_')[0]}-{index}"
    steps = (Step("resample", (("from_mm", _CUBE_MM), ("by", "the authors of MedMNIST"))),)
    volume = Volume(cube, name, sha256, Geometry(spacing), history=steps, unit="arbitrary")
    return Study(sha256[:16], (volume,))


def _damaged(path: Path, got: str) -> DataError:
    return DataError(
        f"{clean_name(path.name)} is no FractureMNIST3D, or damaged", got=got, cure=_CURE
    )
