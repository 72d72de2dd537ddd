"""A zip archive → a new folder: all of it or nothing, and nothing outside it."""

from __future__ import annotations

import secrets
import shutil
import zipfile
import zlib
from pathlib import Path

from fracturax.core.errors import DataError, ImageError
from fracturax.core.progress import Progress, silent
from fracturax.core.study import UnreadableFile
from fracturax.imaging.archive import members_of
from fracturax.imaging.guard import DEFAULT_LIMITS, Limits
from fracturax.imaging.source import Source

_RESERVE_BYTES = 64 << 20


def unpack(
    archive: Path,
    folder: Path,
    *,
    limits: Limits = DEFAULT_LIMITS,
    progress: Progress = silent,
) -> Path:
    """Unpack a zip archive into a folder that is not there yet, or is empty.

    One folder that holds all members is left out: its content becomes the folder's. Hidden members
    are left out too. Everything is unpacked beside the folder first, so that a failure leaves
    nothing behind and nothing is overwritten.

    Args:
        archive: The archive.
        folder: Where to.
        limits: What is accepted.
        progress: Where to tell how far the work is.

    Raises:
        DataError: If the folder holds something, the archive is damaged, a member leads out of it,
            is a link, encrypted, doubled or implausibly large, or the disk is full.
    """
    refuse_filled(folder)
    try:
        members = list(members_of(archive, "", limits))
    except ImageError as error:
        raise DataError(f"{archive.name} cannot be unpacked", got=str(error)) from None
    for member in members:
        if isinstance(member, UnreadableFile):
            raise DataError(
                f"{archive.name} is not unpacked: a member of it is dangerous or damaged",
                got=f"{member.name}: {member.reason}",
            )
    sources = [member for member in members if not isinstance(member, UnreadableFile)]
    check_space(folder, sum(source.size for source in sources))
    staging = folder.parent / f".{folder.name}.{secrets.token_hex(4)}"
    try:
        staging.mkdir(parents=True)
        for source in progress(sources, "unpacking"):
            _write(source, staging)
        if folder.exists():
            folder.rmdir()
        _top_of(staging).rename(folder)
    except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{archive.name} cannot be unpacked",
            got=f"{type(error).__name__}: {error}",
            cure="check the disk, or download it again",
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def refuse_filled(folder: Path) -> None:
    """Refuse a place that holds something: nothing is overwritten.

    Raises:
        DataError: If it is a file, or a folder that is not empty.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()) or _is_filled(folder):
        raise DataError(
            "the folder for the data is not empty",
            got=str(folder),
            cure="give a new one; nothing is overwritten",
        )


def check_space(place: Path, wanted: int) -> None:
    """Refuse to write more than the disk of a place has room for.

    Raises:
        DataError: If there is too little room.
    """
    there = next(one for one in (place, *place.absolute().parents) if one.is_dir())
    free = shutil.disk_usage(there).free
    if free < wanted + _RESERVE_BYTES:
        raise DataError(
            "there is too little room on the disk",
            got=f"{free >> 20} MiB free, {(wanted + _RESERVE_BYTES) >> 20} MiB needed",
            cure="make room, or give a --root on another disk",
        )


def _is_filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _write(source: Source, staging: Path) -> None:
    target = staging.joinpath(*source.name.split("/"))
    # Names were refused above if they lead out; this holds even if that rule should fail.
    if not target.resolve().is_relative_to(staging.resolve()):
        raise OSError("a member leads out of the archive")
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open() as stored, target.open("xb") as stream:
        shutil.copyfileobj(stored, stream, 1 << 20)


def _top_of(staging: Path) -> Path:
    entries = list(staging.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else staging
