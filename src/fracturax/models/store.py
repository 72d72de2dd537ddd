"""Where bundles lie: those that come with the package, and those a user imported."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from fracturax.core.errors import ModelError, UnknownNameError
from fracturax.models.sealed import MANIFEST

STORE_VARIABLE = "FRACTURAX_MODELS"
"""Environment variable that names the folder of imported bundles."""


def store_folder() -> Path:
    """Return the folder of imported bundles; it may not be there yet."""
    return Path(os.environ.get(STORE_VARIABLE) or Path.home() / ".fracturax" / "models")


def packaged_bundles() -> dict[str, Path]:
    """Return the bundles that come with the package, by name."""
    root = Path(str(files("fracturax"))) / "bundles"
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{MANIFEST}"))}


def imported_bundles() -> dict[str, Path]:
    """Return the bundles that were imported, by `name@version`."""
    return {
        path.parent.name: path.parent for path in sorted(store_folder().glob(f"*@*/{MANIFEST}"))
    }


def find_bundle(source: str | Path) -> Path:
    """Return the folder of a bundle.

    Args:
        source: Name of one that comes with the package; `name@version` of an imported one, or its
            name where only one version was imported and none comes with the package; or a folder.

    Raises:
        UnknownNameError: If there is none.
        ModelError: If several versions were imported.
    """
    packaged, imported = packaged_bundles(), imported_bundles()
    if isinstance(source, str):
        if source in packaged:
            return packaged[source]
        if source in imported:
            return imported[source]
        versions = [name for name in imported if name.startswith(f"{source}@")]
        if len(versions) > 1:
            raise ModelError(
                f"several versions of {source} were imported",
                got=", ".join(versions),
                cure="name one of them",
            )
        if versions:
            return imported[versions[0]]
    folder = Path(source)
    if folder.is_dir():
        return folder
    raise UnknownNameError("model", str(source), [*packaged, *imported])
