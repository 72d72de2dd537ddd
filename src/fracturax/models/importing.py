"""Import: a bundle from a folder or a zip archive goes into the store, verified, or not at all."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path, PurePosixPath

from fracturax.core.errors import ModelError, UnreadableImageError
from fracturax.core.study import UnreadableFile
from fracturax.imaging.archive import members_of
from fracturax.imaging.guard import DEFAULT_LIMITS
from fracturax.imaging.source import FileSource, Source, opened
from fracturax.models.any_bundle import AnyBundle, open_any
from fracturax.models.sealed import LARGEST_FILE, MANIFEST, open_sealed
from fracturax.models.store import imported_bundles, store_folder

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_FILES = 64


def import_bundle(source: Path) -> AnyBundle:
    """Copy a bundle into the store; `load` then knows it by `name@version`.

    What the manifest does not list stays behind. The copy is verified before it gets its name, so
    that a stopped or damaged import leaves nothing.

    Args:
        source: A bundle's folder, or a zip archive of one.

    Returns:
        The imported bundle; the one that is there, if it is the same.

    Raises:
        ModelError: If it is no bundle, is damaged or was changed, or another one of its name and
            version was imported before.
    """
    store = store_folder()
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".importing-", dir=store) as scratch:
        copy = Path(scratch) / "bundle"
        copy.mkdir()
        for name, part in _parts(source).items():
            _copy(part, copy / name)
        bundle = open_any(copy)
        listed = open_sealed(copy)[1]
        for stray in {path.name for path in copy.iterdir()} - {*listed, MANIFEST}:
            (copy / stray).unlink()
        name = _name(bundle)
        there = imported_bundles().get(name)
        if there is not None:
            if open_any(there).sha256 == bundle.sha256:
                return open_any(there)
            raise ModelError(
                f"another {name} was imported before",
                got=f"{bundle.sha256[:12]} beside it",
                cure=f"delete {there} to replace it, if you trust the new one",
            )
        shutil.move(str(copy), store / name)
    return open_any(store / name)


def _name(bundle: AnyBundle) -> str:
    manifest = bundle.manifest
    for word in (manifest.name, manifest.version):
        if not _PLAIN.fullmatch(word):
            raise ModelError(
                "the name or version of the bundle is no plain word",
                got=repr(word[:64]),
                cure="letters, digits, dots, dashes and underscores",
            )
    return f"{manifest.name}@{manifest.version}"


def _parts(source: Path) -> dict[str, Source]:
    """Return the files that lie beside the manifest, by name."""
    if source.is_dir():
        found: dict[str, Source] = {
            path.name: FileSource(path.name, path)
            for path in sorted(source.iterdir())
            if path.is_file() and not path.is_symlink()
        }
    elif source.is_file():
        found = _members(source)
    else:
        raise ModelError("there is no such file or folder", got=source.name, cure="check the path")
    if MANIFEST not in found:
        raise ModelError(
            f"{source.name} is no bundle",
            got=f"no {MANIFEST}",
            cure="give a folder that fracturax wrote, or a zip archive of it",
        )
    if len(found) > _MOST_FILES:
        raise ModelError("the bundle has too many files", got=str(len(found)))
    return found


def _members(path: Path) -> dict[str, Source]:
    """Return the members of an archive that lie in the folder of its one manifest."""
    try:
        members = list(members_of(path, "", DEFAULT_LIMITS))
    except UnreadableImageError as error:
        raise ModelError(
            "a bundle is a folder or a zip archive", got=path.name, cure="check the file"
        ) from error
    for member in members:
        if isinstance(member, UnreadableFile):
            raise ModelError("a member of the archive is refused", got=member.reason)
    kept = [member for member in members if not isinstance(member, UnreadableFile)]
    homes = {
        PurePosixPath(one.name).parent for one in kept if PurePosixPath(one.name).name == MANIFEST
    }
    if len(homes) > 1:
        raise ModelError("the archive holds several bundles", got=str(len(homes)))
    return {
        PurePosixPath(one.name).name: one for one in kept if PurePosixPath(one.name).parent in homes
    }


def _copy(part: Source, to: Path) -> None:
    if part.size > LARGEST_FILE:
        raise ModelError("a file of the bundle is too large", got=f"{to.name}, {part.size} bytes")
    try:
        with opened(part) as stream, to.open("wb") as out:
            left = LARGEST_FILE
            while left > 0 and (piece := stream.read(min(left, 1 << 20))):
                out.write(piece)
                left -= len(piece)
    except UnreadableImageError as error:
        raise ModelError("a file of the bundle cannot be read", got=to.name) from error
