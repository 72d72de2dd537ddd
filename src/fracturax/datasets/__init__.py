"""Public data sets: one file and one registry line each; copies, groups and splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from fracturax.core.case import Case
from fracturax.core.registry import Registry

if TYPE_CHECKING:
    from fracturax.datasets.survey import Survey


@dataclass(frozen=True)
class DatasetEntry:
    """A public data set by name.

    Args:
        name: What `open_dataset` and recipes call it.
        code: Loader, `Callable[[Path], tuple[Case, ...]]`.
        paper: How to cite it.
        licence: Under which its images may be used.
        source: Where the release is found.
        survey: Surveyor for the audit, `Callable[[Path], Survey]`: it notes what the loader
            refuses. Where there is none the audit asks the loader.
    """

    name: str
    code: str
    paper: str
    licence: str
    source: str
    survey: str = ""


DATASETS = Registry(
    "data set",
    (
        DatasetEntry(
            name="fracatlas",
            code="fracturax.datasets.fracatlas:open_fracatlas",
            paper="Abedeen et al., Scientific Data 10, 521 (2023), doi 10.1038/s41597-023-02432-4",
            licence="CC BY 4.0",
            source="doi 10.6084/m9.figshare.22363012",
            survey="fracturax.datasets.fracatlas_survey:survey_fracatlas",
        ),
    ),
)


def open_dataset(name: str, *, root: str | Path, split: str = "all") -> tuple[Case, ...]:
    """Open a public data set from a copy of its original release.

    Args:
        name: Name in `DATASETS`.
        root: Folder of the release, as its authors laid it out.
        split: `all`, or the name of a split that the release itself defines.

    Returns:
        The cases; pixels are read only when a case is opened.

    Raises:
        UnknownNameError: If there is no such data set.
        DataError: If the folder is not the release, or it contradicts itself.
    """
    load: Callable[..., tuple[Case, ...]] = DATASETS.load(name)
    return load(Path(root), split=split)


def survey_dataset(name: str, *, root: Path) -> Survey:
    """Survey a data set: what it claims of its films, with every contradiction noted.

    Args:
        name: Name in `DATASETS`, or `auto` to recognize the layout.
        root: The data set's folder.

    Raises:
        UnknownNameError: If there is no such layout.
        DataError: If the layout cannot be told.
    """
    from fracturax.datasets.survey import survey_cases

    name = "fracatlas" if name == "auto" else name
    entry = DATASETS[name]
    if not entry.survey:
        return survey_cases(name, root, DATASETS.load(name))
    module, _, attribute = entry.survey.partition(":")
    survey: Callable[[Path], Survey] = getattr(import_module(module), attribute)
    return survey(root)


__all__ = ["DATASETS", "DatasetEntry", "open_dataset", "survey_dataset"]
