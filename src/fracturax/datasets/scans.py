"""CT scans of a data set: how they and their masks are opened, and the keys of public patients."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, ImageError
from fracturax.core.image import Volume
from fracturax.core.labels import LabelVolume
from fracturax.core.study import Study
from fracturax.datasets.files import open_film
from fracturax.imaging.discover import natural_order
from fracturax.imaging.metaimage import EXTENSIONS, read_metaimage
from fracturax.imaging.source import clean_name

NIFTI = (".nii.gz", ".nii")
VERTEBRAE: dict[int, str] = {
    **{number: f"C{number}" for number in range(1, 8)},
    **{number: f"T{number - 7}" for number in range(8, 20)},
    **{number: f"L{number - 19}" for number in range(20, 26)},
    28: "T13",
}
"""Names of the vertebrae by their labels in the masks of VerSe (26 and 27 are no vertebrae)."""

_LARGEST_LABEL = 1 << 31


def open_scan(path: Path) -> Study:
    """Open the study of one scan: a NIfTI or MetaImage file, or the folder of a DICOM series.

    Raises:
        ImageError: If it cannot be read, or holds no volume or several.
    """
    if path.suffix.lower() in EXTENSIONS:
        volume = read_metaimage(path)
        return Study(volume.file_sha256[:16], (volume,))
    study = open_film(path)
    volumes = [image for image in study.images if isinstance(image, Volume)]
    if len(volumes) != 1:
        raise ImageError("a scan is one volume", got=f"{len(volumes)} volumes")
    return study


def read_labels(path: Path) -> LabelVolume:
    """Read a mask whose voxels are whole numbers, within the limits of any volume.

    Raises:
        ImageError: If it cannot be read.
        DataError: If its voxels are no labels.
    """
    (image,) = open_scan(path).images
    values: npt.NDArray[Any] = image.pixels
    if values.dtype.kind == "f":
        whole = np.rint(values)
        if np.abs(values - whole).max() > 1e-3 or np.abs(whole).max() >= _LARGEST_LABEL:
            raise DataError(
                f"the mask {clean_name(path.name)} holds no labels",
                got="voxels that are no whole numbers",
                cure="export it without resampling or scaling",
            )
        values = whole.astype(np.int32)
    return LabelVolume(values, image.geometry)


def key_of_public_patient(dataset: str, number: str) -> str:
    """Return the key of a patient whom a public data set itself has numbered.

    It needs no salt, as the number tells nothing to hide, and is the same on every machine.

    Example:
        >>> key_of_public_patient("verse", "4") == key_of_public_patient("ribfrac", "4")
        False
    """
    return "public-" + hashlib.sha256(f"{dataset} {number}".encode()).hexdigest()[:16]


def files_below(root: Path, endings: Iterable[str]) -> list[Path]:
    """Return the files below a folder whose names end so, in natural order; hidden ones are not.

    Raises:
        DataError: If there are too many files, or a link leads out of the folder.
    """
    from fracturax.datasets.files import walk

    ends = tuple(endings)
    found = [path for path in walk(root, root) if path.name.lower().endswith(ends)]
    return sorted(found, key=lambda path: natural_order(path.relative_to(root).as_posix()))


def stem_of(path: Path) -> str:
    """Return a file's name without its ending, `.nii.gz` being one.

    Example:
        >>> stem_of(Path("RibFrac1-image.nii.gz")), stem_of(Path("001.mha"))
        ('RibFrac1-image', '001')
    """
    name = path.name
    for ending in (*NIFTI, *EXTENSIONS):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return path.stem


def missing_labels(data: str, *, cure: str) -> DataError:
    """Return the error for a data set of which no scan has a label."""
    return DataError(f"{data} holds no scan with a label", got="scans without labels", cure=cure)
