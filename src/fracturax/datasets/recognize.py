"""Which data set lies in a folder: told by its layout, a known release first."""

from __future__ import annotations

from pathlib import Path

from fracturax.core.errors import DataError
from fracturax.datasets.registry import DATASETS
from fracturax.imaging.source import clean_name


def recognize(root: Path) -> str:
    """Return the name of the data set whose layout a folder has; no image is opened.

    A public release is recognized before any layout of one's own data, as it may look like one.

    Args:
        root: A folder, or a table or annotation file that is given instead of its folder.

    Raises:
        DataError: If there is nothing, no layout fits, or two do.
    """
    if not root.exists():
        raise DataError(
            "there is no such folder", got=clean_name(str(root)), cure="give the data set's folder"
        )
    for are_own in (False, True):
        entries = [entry for entry in DATASETS.values() if entry.is_own == are_own]
        fitting = [entry.name for entry in entries if entry.fits(root)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise DataError(
                "the folder has the layout of several data sets",
                got=", ".join(fitting),
                cure="say which one is meant by its name",
            )
    shapes = "\n".join(f"  {entry.name}: {entry.shape}" for entry in DATASETS.values())
    raise DataError(
        "no known layout fits the folder",
        got=clean_name(root.name) or "a folder without a name",
        cure=f"looked for:\n{shapes}",
    )
