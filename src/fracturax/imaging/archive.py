"""Containers of images: zip archives, never unpacked to disk, and the DICOMDIR of a disc."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from fracturax.core.errors import UnreadableImageError
from fracturax.core.study import UnreadableFile
from fracturax.imaging.attributes import items_of, value_of
from fracturax.imaging.guard import Limits, as_unreadable, check_at_most
from fracturax.imaging.header import read_header
from fracturax.imaging.source import FileSource, MemberSource, Source, clean_name

_ENCRYPTED = 0x1
_NO_TRUST = "do not trust this archive; pack the images again"
_OUTSIDE = "the DICOMDIR refers to a file outside its folder; do not trust this disc"


def is_hidden(name: str) -> bool:
    """Whether a path holds a hidden part or one that packers add (`__MACOSX`).

    Example:
        >>> is_hidden("__MACOSX/._a.dcm"), is_hidden("wrist/a.dcm")
        (True, False)
    """
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def members_of(path: Path, prefix: str, limits: Limits) -> Iterator[Source | UnreadableFile]:
    """Yield the members of a zip archive in the order of its directory.

    A member that is encrypted, a link, named out of the archive, doubled, or an implausibly
    small bomb comes as an UnreadableFile; hidden ones are left out.

    Args:
        path: The archive.
        prefix: What to put before the members' names (`""` or `"exam.zip/"`).
        limits: What is accepted.

    Raises:
        UnreadableImageError: If it is no archive, or has too many or too large members.
    """
    with as_unreadable("the zip archive is damaged"), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    check_at_most(len(members), limits.members, "the number of members of the archive")
    total = sum(member.file_size for member in members)
    check_at_most(total, limits.archive_bytes, "the unpacked archive in bytes")
    seen: set[str] = set()
    for index, member in enumerate(members):
        is_folder = bool(member.filename) and member.is_dir()  # looks at the last letter
        if is_folder or (is_hidden(member.filename) and ".." not in member.filename):
            continue
        name = clean_name(prefix + member.filename)
        reason = _reason_to_refuse(member, limits)
        if name in seen:
            reason = "two members of the archive share this name; " + _NO_TRUST
        seen.add(name)
        if reason is not None:
            yield UnreadableFile(name, reason)
        else:
            yield MemberSource(name, path, index, member.file_size)


def _reason_to_refuse(member: zipfile.ZipInfo, limits: Limits) -> str | None:
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    if not parts:
        return "the member has no name; " + _NO_TRUST
    if ".." in parts or parts[:1] == ("/",) or ":" in parts[0]:
        return "the member's name leads out of the archive; " + _NO_TRUST
    if stat.S_ISLNK(member.external_attr >> 16):
        return "the member is a link; " + _NO_TRUST
    if member.flag_bits & _ENCRYPTED:
        return "the member is encrypted; pack the images without a password"
    try:
        check_at_most(member.file_size, limits.file_bytes, "the size of the member in bytes")
        limits.check_expansion(
            stored=member.compress_size, decoded=member.file_size, what="the member"
        )
    except UnreadableImageError as error:
        return str(error)
    return None


def files_of_dicomdir(path: Path, limits: Limits) -> Iterator[Source | UnreadableFile]:
    """Yield the files a DICOMDIR refers to, in its order.

    A reference that leads out of the DICOMDIR's folder, or to nothing, comes as UnreadableFile.

    Args:
        path: The DICOMDIR.
        limits: What is accepted.

    Raises:
        UnreadableImageError: If it cannot be parsed.

    References:
        DICOM PS3.3, F.3 "Basic Directory IOD"; PS3.10, 8.2 "File ID".
    """
    header = read_header(FileSource(path.name, path), limits)
    with as_unreadable("the DICOMDIR is damaged"):
        records = items_of(header.dataset, "DirectoryRecordSequence")
        check_at_most(len(records), limits.members, "the number of records of the DICOMDIR")
        identifiers = [_file_id(value_of(record, "ReferencedFileID")) for record in records]
    for parts in dict.fromkeys(identifiers):
        if parts:
            yield _referenced(path.parent, parts)


def _file_id(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    parts = [value] if isinstance(value, str) else list(value) if hasattr(value, "__iter__") else []
    return tuple(str(part) for part in parts)


def _referenced(folder: Path, parts: tuple[str, ...]) -> Source | UnreadableFile:
    name = clean_name("/".join(parts))
    if any(part in ("", ".", "..") or set(part) & set("/\\:\0") for part in parts):
        return UnreadableFile(name, _OUTSIDE)
    # Discs are case-blind; some systems show their names in lower case.
    for spelling in (parts, tuple(part.lower() for part in parts)):
        target = folder.joinpath(*spelling)
        if target.is_file():
            if not target.resolve().is_relative_to(folder.resolve()):
                return UnreadableFile(name, _OUTSIDE)
            return FileSource(name, target)
    return UnreadableFile(
        name, "the DICOMDIR refers to a file that is missing; copy the whole disc"
    )
