"""Films with masks: a folder of images, a folder of masks, and who the patients are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, ImageError
from fracturax.core.image import Radiograph
from fracturax.core.study import Study
from fracturax.datasets.files import folder_at, image_files, open_film
from fracturax.datasets.problems import Problems
from fracturax.datasets.rows import read_table
from fracturax.datasets.salt import PatientKeys, key_of_film
from fracturax.imaging.source import clean_name

IMAGES, MASKS_FOLDER, TABLE = "images", "masks", "cases.csv"
_LARGEST_MASK_BYTES = 256 << 20
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MaskedFilm:
    """A film and the mask of what was marked in it; both are read when they are asked for.

    Args:
        name: Names it within its data set.
        patient_key: Films that share it are never put on two sides of a split.
        open: Reads the study of the film.
        open_mask: Reads the mask, for a film of a shape.
        path: The film's file.
    """

    name: str
    patient_key: str
    open: Callable[[], Study] = field(compare=False, repr=False)
    open_mask: Callable[[tuple[int, int]], Mask] = field(compare=False, repr=False)
    path: Path

    def read(self) -> tuple[Radiograph, Mask]:
        """Return the film and its mask, both of shape `(rows, columns)`.

        Raises:
            ImageError: If the film cannot be read or is no single film.
            DataError: If the mask cannot be read, is empty, has more than two values, or does not
                fit the film.
        """
        study = self.open()
        if study.unreadable:
            raise ImageError(study.unreadable[0].reason)
        if len(study.radiographs) != 1:
            raise ImageError("a mask belongs to one film", got=f"{len(study.radiographs)} films")
        film = study.radiographs[0]
        return film, self.open_mask((film.rows, film.columns))


def open_masked_films(root: Path, *, salt: str | None = None) -> tuple[MaskedFilm, ...]:
    """Open films in `images/` whose masks lie in `masks/` under the same stem.

    PXR150 and most public sets of pelvic films with masks are given like this. `cases.csv` may say
    in the columns `image` and `patient` who is who; without it each film is a patient of its own.

    Args:
        root: The folder that holds both folders.
        salt: Salt of the patient keys; that of the user if None.

    Raises:
        DataError: If a folder is missing or empty, a film has no mask or several, a mask has no
            film, or the table does not name every film.
        ConfigError: If patients are named and there is no salt.
    """
    folder_at(root)
    films = _by_stem(root, IMAGES)
    masks = _by_stem(root, MASKS_FOLDER)
    for missing, words in (
        (films.keys() - masks.keys(), "film has no mask"),
        (masks.keys() - films.keys(), "mask has no film"),
    ):
        if missing:
            raise DataError(
                f"a {words}",
                got=f"{len(missing)}, such as {clean_name(sorted(missing)[0])}",
                cure=f"give both the same name, in {IMAGES}/ and {MASKS_FOLDER}/",
            )
    keys = _patient_keys(root, films, salt)
    return tuple(
        MaskedFilm(
            name=path.relative_to(root).as_posix(),
            patient_key=keys[stem],
            open=partial(open_film, path),
            open_mask=partial(read_mask, masks[stem]),
            path=path,
        )
        for stem, path in films.items()
    )


def read_mask(path: Path, shape: tuple[int, int]) -> Mask:
    """Read the mask of a film: zero is outside, one other value is inside.

    Args:
        path: A PNG, TIFF or BMP file.
        shape: Rows and columns of the film.

    Returns:
        The mask, of that shape.

    Raises:
        DataError: If it cannot be read, does not fit, is empty or has more than two values.
    """
    name = clean_name(path.name)
    values = None
    if path.stat().st_size <= _LARGEST_MASK_BYTES:
        values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise DataError(f"the mask {name} cannot be read", got="no image", cure="save it as PNG")
    values = np.asarray(values)
    if values.ndim == 3:  # grey saved in colour; an opaque alpha channel says nothing
        values = values[..., :3].max(axis=-1)
    if values.shape != shape:
        raise DataError(
            f"the mask {name} does not fit its film",
            got=f"{values.shape[0]} x {values.shape[1]}, the film {shape[0]} x {shape[1]}",
            cure="mark the film itself, not a copy of another size",
        )
    found = np.unique(values)
    if not found.any():
        raise DataError(
            f"the mask {name} is empty", got="zeros only", cure="mark the film, or leave it out"
        )
    if found.size > 2 or (found.size == 2 and found[0] != 0):
        raise DataError(
            f"the mask {name} has more than one value inside",
            got=f"{found.size} values from {found[0]} to {found[-1]}",
            cure="save zero outside and one value inside, without losses (PNG)",
        )
    return np.asarray(values > 0)


def _by_stem(root: Path, name: str) -> dict[str, Path]:
    folder = root / name
    found: dict[str, Path] = {}
    for path in image_files(folder, root=root) if folder.is_dir() else ():
        if (other := found.setdefault(path.stem, path)) != path:
            raise DataError(
                f"two files in {name}/ have one stem",
                got=clean_name(f"{other.name} and {path.name}"),
                cure="rename one",
            )
    if not found:
        raise DataError(f"there is no image in {name}/", got=clean_name(root.name), cure="put some")
    return found


def _patient_keys(root: Path, films: Mapping[str, Path], salt: str | None) -> dict[str, str]:
    path = root / TABLE
    if not path.is_file():
        return {stem: key_of_film(film.name) for stem, film in films.items()}
    problems = Problems(TABLE, cure="name each film once, as it lies in images/")
    columns = ("image", "patient")
    table = read_table(path, known=columns, required=columns, aliases={}, problems=problems)
    keys, found = PatientKeys(salt), dict[str, str]()
    for line in table.lines:
        stem = Path(line["image"]).stem
        if stem not in films:
            problems.add(line.place("image"), "names no film in images/")
        elif stem in found:
            problems.add(line.place("image"), "the same film twice")
        elif not line["patient"]:
            problems.add(line.place("patient"), "is empty")
        else:
            found[stem] = keys.of(line["patient"])
    problems.check()
    unnamed = sorted(films.keys() - found.keys())
    if unnamed:
        raise DataError(
            f"{TABLE} does not name every film",
            got=f"{len(unnamed)} missing, such as {clean_name(unnamed[0])}",
            cure="add a line for each, or remove the table",
        )
    return found
