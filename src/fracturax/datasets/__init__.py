"""Data sets: public releases and the layouts of one's own data; copies, groups and splits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fracturax.core.case import Case
from fracturax.core.errors import DataError
from fracturax.datasets.recognize import recognize
from fracturax.datasets.registry import DATASETS, Copy, DatasetEntry, Release

if TYPE_CHECKING:
    from fracturax.datasets.survey import Survey

AUTO = "auto"
"""In place of a name: the data set whose layout the folder has."""


def open_dataset(
    name: str, *, root: str | Path, split: str = "all", salt: str | None = None
) -> tuple[Case, ...]:
    """Open a public data set from a copy of its original release, or one's own data.

    Args:
        name: Name in `DATASETS`, or `auto` to recognize the layout.
        root: Folder of the release, as its authors laid it out, or of one's own data.
        split: `all`, or the name of a split that the data set itself defines.
        salt: Salt of the patient keys, where patients are known; by default `FRACTURAX_SALT`, else
            that of a file made once in the user's configuration folder.

    Returns:
        The cases; pixels are read only when a case is opened.

    Raises:
        UnknownNameError: If there is no such data set.
        DataError: If the folder is not what the name says, or it contradicts itself.
        ConfigError: If patients are known and there is no salt.
    """
    place = Path(root)
    entry = DATASETS[dataset_at(place, name=name)]
    load: Callable[..., tuple[Case, ...]] = DATASETS.load(entry.name)
    try:
        if entry.has_patients:
            return load(place, split=split, salt=salt)
        return load(place, split=split)
    except OSError as error:
        raise _unreadable(error) from error


def dataset_at(root: Path, *, name: str = AUTO) -> str:
    """Return a name that stands in `DATASETS`: the given one, or that of the layout for `auto`.

    Raises:
        UnknownNameError: If there is no such data set.
        DataError: If no layout fits, or two do.
    """
    if name != AUTO:
        return DATASETS[name].name
    try:
        return recognize(root)
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> DataError:
    return DataError(
        "the data set's folder cannot be read",
        got=type(error).__name__,
        cure="check its permissions and the disk",
    )


def survey_dataset(name: str, *, root: Path) -> Survey:
    """Survey a data set: what it claims of its films, with every contradiction noted.

    Args:
        name: Name in `DATASETS`, or `auto` to recognize the layout.
        root: Its folder, or its table or annotation file.

    Raises:
        UnknownNameError: If there is no such data set.
        DataError: If no layout fits, or two do.
    """
    from fracturax.datasets.survey import Survey, survey_cases

    entry = DATASETS[dataset_at(root, name=name)]
    surveyor = entry.surveyor()
    if surveyor is None:
        return survey_cases(entry.name, root, knows_patients=entry.has_patients)
    survey = surveyor(root)
    assert isinstance(survey, Survey)
    return survey


__all__ = [
    "AUTO",
    "DATASETS",
    "Copy",
    "DatasetEntry",
    "Release",
    "dataset_at",
    "open_dataset",
    "recognize",
    "survey_dataset",
]
