"""A path → the studies that lie there: found, grouped and named without decoding a pixel."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydicom.dataset import Dataset

from fracturax.core.errors import UnreadableImageError
from fracturax.core.study import UnreadableFile
from fracturax.imaging.archive import files_of_dicomdir, is_hidden, members_of
from fracturax.imaging.attributes import numbers_of, text_of, value_of
from fracturax.imaging.dicom import is_cross_section
from fracturax.imaging.guard import DEFAULT_LIMITS, Limits, as_unreadable, check_at_most, quiet
from fracturax.imaging.header import read_header
from fracturax.imaging.kind import Kind, claims_to_be_image, kind_of
from fracturax.imaging.nifti import nifti_head
from fracturax.imaging.source import FileSource, Source, clean_name, opened, read_head
from fracturax.imaging.study import StudyFile, StudyFiles

_NO_IMAGE_HERE = "give a DICOM, PNG, JPEG, TIFF or NIfTI file, or a folder or zip archive of them"
_NO_UID = "no uid in "
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class _Found:
    """A file assigned to a study: an image to read, or the reason why it is none."""

    key: str
    entry: StudyFile | UnreadableFile


@quiet()
def find_studies(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> tuple[StudyFiles, ...]:
    """Find the studies at a path without decoding a pixel.

    DICOM files are grouped by their StudyInstanceUID; a raster or NIfTI file is a study of its
    own, named by the hash of its bytes. Folders are walked in natural order, links in them are
    not followed. A file that promises an image and is none comes in a study without files.

    Args:
        path: A file, a folder, a zip archive or a DICOMDIR.
        limits: What is accepted.

    Returns:
        The studies in the order of their first files.

    Raises:
        UnreadableImageError: If nothing is there, or nothing that could be an image.

    Example:
        >>> find_studies(Path("nowhere"))
        Traceback (most recent call last):
        ...
        fracturax.core.errors.UnreadableImageError: there is no such file or folder; got nowhere; \
check the path
    """
    if not path.exists():
        raise UnreadableImageError(
            "there is no such file or folder", got=clean_name(path.name), cure="check the path"
        )
    groups: dict[str, list[StudyFile | UnreadableFile]] = {}
    for candidate in _candidates(path, limits):
        for found in _examine(candidate, limits, is_asked_for=path.is_file()):
            groups.setdefault(found.key, []).append(found.entry)
    studies = tuple(_study_files(key, entries, limits) for key, entries in groups.items())
    if not studies:
        raise UnreadableImageError(
            "there is no image", got=clean_name(path.name) or "an empty folder", cure=_NO_IMAGE_HERE
        )
    return studies


def natural_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts `IM2` before `IM10`.

    Example:
        >>> sorted(["IM10", "IM2"], key=natural_order)
        ['IM2', 'IM10']
    """
    return tuple(
        (0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part)
        for part in _DIGITS.split(name)
    )


def _candidates(path: Path, limits: Limits) -> Iterator[Source | UnreadableFile]:
    """Yield what lies at a path, containers opened one level deep, in natural order."""
    if path.is_dir():
        for entry in _walk(path, limits):
            if isinstance(entry, FileSource) and _kind_at(entry) == "zip":
                yield from _members(entry.path, entry.name + "/", limits)
            else:
                yield entry
        return
    source = FileSource(clean_name(path.name), path)
    if not path.is_file():
        raise UnreadableImageError(
            "the path is neither a file nor a folder", got=source.name, cure=_NO_IMAGE_HERE
        )
    kind = kind_of(read_head(source))
    if kind == "zip":
        members = list(members_of(path, "", limits))
        yield from sorted(members, key=lambda member: natural_order(member.name))
    elif kind == "dicom" and _is_dicomdir(source, limits):
        yield from files_of_dicomdir(path, limits)
    else:
        yield source


def _is_dicomdir(source: Source, limits: Limits) -> bool:
    try:
        dataset = read_header(source, limits).dataset
        with as_unreadable("the DICOM header cannot be understood"):
            return value_of(dataset, "DirectoryRecordSequence") is not None
    except UnreadableImageError:  # said again, with its reason, when the file is examined
        return False


def _members(path: Path, prefix: str, limits: Limits) -> Iterator[Source | UnreadableFile]:
    try:
        members = list(members_of(path, prefix, limits))
    except UnreadableImageError as error:
        yield UnreadableFile(prefix.rstrip("/"), str(error))
        return
    yield from sorted(members, key=lambda member: natural_order(member.name))


def _kind_at(source: Source) -> Kind | None:
    try:
        return kind_of(read_head(source))
    except UnreadableImageError:  # said again, with its reason, when the file is examined
        return None


def _walk(root: Path, limits: Limits) -> Iterator[FileSource | UnreadableFile]:
    """Yield the files below a folder; links are not followed, hidden entries left out."""
    files: list[FileSource | UnreadableFile] = []
    pending = [(root, 0)]
    while pending:
        folder, depth = pending.pop()
        check_at_most(depth, limits.folder_depth, "the depth of the folders")
        with as_unreadable("the folder cannot be listed"):
            entries = list(os.scandir(folder))
        for entry in entries:
            name = clean_name(Path(entry.path).relative_to(root).as_posix())
            if is_hidden(name):
                continue
            if entry.is_symlink():
                if claims_to_be_image(name) and _leads_out(Path(entry.path), root):
                    files.append(
                        UnreadableFile(
                            name, "the link leads out of the folder; copy the file into it"
                        )
                    )
            elif entry.is_dir(follow_symlinks=False):
                pending.append((Path(entry.path), depth + 1))
            elif entry.is_file(follow_symlinks=False):
                files.append(FileSource(name, Path(entry.path)))
        check_at_most(len(files), limits.members, "the number of files in the folder")
    yield from sorted(files, key=lambda file: natural_order(file.name))


def _leads_out(link: Path, root: Path) -> bool:
    try:
        return not link.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop of links leads nowhere
        return True


def _examine(
    candidate: Source | UnreadableFile, limits: Limits, *, is_asked_for: bool
) -> Iterator[_Found]:
    """Yield the study a candidate belongs to; nothing for a file that never claimed to be one."""
    if isinstance(candidate, UnreadableFile):
        yield _unassigned(candidate.name, candidate.reason, b"")
        return
    head = b""
    try:
        head = read_head(candidate)
        kind = kind_of(head)
        if kind is None or kind in ("zip", "gzip"):
            yield from _no_image(candidate, kind, head, is_asked_for=is_asked_for)
        elif kind == "dicom":
            yield from _examine_dicom(candidate, limits)
        else:
            key = _hash_of(candidate, limits)
            yield _Found(key, StudyFile(candidate, kind))
    except UnreadableImageError as error:
        yield _unassigned(candidate.name, str(error), head)


def _no_image(
    source: Source, kind: Kind | None, head: bytes, *, is_asked_for: bool
) -> Iterator[_Found]:
    if kind == "gzip":
        reason = _reason_against_gzip(head)
        if reason is None:
            key = _hash_of(source, DEFAULT_LIMITS)
            yield _Found(key, StudyFile(source, "nifti_gz"))
            return
    elif kind == "zip":
        reason = "an archive inside an archive is not opened; give it by itself"
    else:
        got = "an empty file" if not head else "no known kind of image"
        reason = str(UnreadableImageError("the file is no image", got=got, cure=_NO_IMAGE_HERE))
    if is_asked_for or claims_to_be_image(source.name):
        yield _unassigned(source.name, reason, head)


def _reason_against_gzip(head: bytes) -> str | None:
    try:
        nifti_head(head)
    except UnreadableImageError as error:
        return str(error)
    return None


def _examine_dicom(source: Source, limits: Limits) -> Iterator[_Found]:
    header = read_header(source, limits)
    with as_unreadable("the DICOM header cannot be understood"):
        dataset = header.dataset
        if value_of(dataset, "DirectoryRecordSequence") is not None:
            return
        uid = text_of(dataset, "StudyInstanceUID")
        is_stack = header.pixels is not None and is_cross_section(header)
        folder = PurePosixPath(source.name).parent.as_posix()
        if uid:
            key = _key(b"study" + uid.encode())
        else:
            # Slices that lost their UIDs belong to those beside them; a film stands for itself.
            key = _NO_UID + folder if is_stack else _hash_of(source, limits)
        if header.pixels is None:
            modality = text_of(dataset, "Modality") or "no modality"
            reason = UnreadableImageError(
                "the DICOM file has no pixels", got=clean_name(modality), cure="give the images"
            )
            yield _Found(key, UnreadableFile(source.name, str(reason)))
            return
        image_type = value_of(dataset, "ImageType") or ()
        series = text_of(dataset, "SeriesInstanceUID") or _NO_UID + folder
        alone = not is_stack or "LOCALIZER" in list(image_type) or _frames(header.dataset) > 1
        numbers = tuple(
            (numbers_of(dataset, keyword) or (0.0,))[0]
            for keyword in ("SeriesNumber", "AcquisitionNumber", "InstanceNumber")
        )
        yield _Found(
            key,
            StudyFile(
                source,
                "dicom",
                series=_key((source.name if alone else series).encode()),
                is_stack=is_stack,
                order=numbers,
            ),
        )


def _frames(dataset: Dataset) -> float:
    return (numbers_of(dataset, "NumberOfFrames") or (1.0,))[0]


def _hash_of(source: Source, limits: Limits) -> str:
    digest = hashlib.sha256()
    check_at_most(source.size, limits.file_bytes, "the size of the file in bytes")
    with opened(source) as stream, as_unreadable("the file cannot be read"):
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()[:16]


def _key(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _unassigned(name: str, reason: str, head: bytes) -> _Found:
    return _Found(_key(b"unreadable" + name.encode() + head), UnreadableFile(name, reason))


def _study_files(
    key: str, entries: Iterable[StudyFile | UnreadableFile], limits: Limits
) -> StudyFiles:
    entries = tuple(entries)
    if key.startswith(_NO_UID) and isinstance(entries[0], StudyFile):
        key = _hash_of(entries[0].source, limits)
    return StudyFiles(
        key,
        tuple(entry for entry in entries if isinstance(entry, StudyFile)),
        tuple(entry for entry in entries if isinstance(entry, UnreadableFile)),
        limits,
    )
