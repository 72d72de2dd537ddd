"""Describe pairs: radiomics of every CT patch and film crop, as tables beside them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from fracturax.core.progress import Progress, silent
from fracturax.datasets.pairs import CT_MM, FILM_MM, PairedData, open_pairs
from fracturax.radiomics import FeatureVector, describe_crop, describe_cube

CUBE_VOXELS, CROP_PIXELS = 48, 112
"""The middle of a patch and of a crop, that the streams see."""
CT_TABLE, FILM_TABLE = "radiomics_ct.csv", "radiomics_film.csv"


def describe_pairs(root: Path, *, progress: Progress = silent) -> tuple[Path, Path]:
    """Write `radiomics_ct.csv` (a row a place) and `radiomics_film.csv` (a row a film).

    Args:
        root: Folder of prepared pairs.
        progress: Where to tell how far the work is.

    Returns:
        Both tables.

    Raises:
        DataError: If the pairs cannot be read.
        MissingExtraError: If pyradiomics is not installed.
    """
    data = open_pairs(root)
    ct, film = root / CT_TABLE, root / FILM_TABLE
    _write(ct, "ct", _of_places(data, progress))
    _write(film, "case", _of_films(data, progress))
    return ct, film


def _of_places(data: PairedData, progress: Progress) -> Iterator[tuple[str, FeatureVector]]:
    rim = (data.places()[0].ct().hu.shape[0] - CUBE_VOXELS) // 2
    middle = (slice(rim, rim + CUBE_VOXELS),) * 3
    for place in progress(data.places(), "describing CT"):
        name = place.ct_path.relative_to(data.folder).as_posix()
        yield name, describe_cube(place.ct().hu[middle], CT_MM)


def _of_films(data: PairedData, progress: Progress) -> Iterator[tuple[str, FeatureVector]]:
    rim = (data.cases[0].film().pixels.shape[0] - CROP_PIXELS) // 2
    middle = (slice(rim, rim + CROP_PIXELS),) * 2
    for case in progress(data.cases, "describing films"):
        yield case.name, describe_crop(case.film().pixels[middle], FILM_MM)


def _write(path: Path, key: str, rows: Iterable[tuple[str, FeatureVector]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    header: tuple[str, ...] = ()
    for name, found in rows:
        if not header:
            header = found.names
            writer.writerow([key, *header])
        writer.writerow([name, *(f"{value:.8g}" for value in found.values)])
    # The table comes whole or not at all: a stopped run leaves no half of it.
    path.write_text(text.getvalue(), encoding="utf-8")
