"""The files of one study, and how they become its images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fracturax.core.errors import ConfigError, ImageError, UnreadableImageError
from fracturax.core.image import Image
from fracturax.core.study import Study, UnreadableFile
from fracturax.imaging.attributes import value_of
from fracturax.imaging.dicom import is_cross_section, read_films
from fracturax.imaging.guard import DEFAULT_LIMITS, Limits, as_unreadable, quiet
from fracturax.imaging.header import Header, read_header
from fracturax.imaging.kind import Kind, kind_of
from fracturax.imaging.nifti import nifti_head, read_nifti
from fracturax.imaging.raster import read_raster
from fracturax.imaging.series import read_volume
from fracturax.imaging.source import FileSource, Source, clean_name, read_head


@dataclass(frozen=True)
class StudyFile:
    """One file of a study, as the scan saw it.

    Args:
        source: Its bytes.
        kind: What its first bytes say.
        series: Files that share it become one volume; empty for a raster or NIfTI file.
        is_stack: Whether it belongs to a cross-sectional series.
        order: Series, acquisition and instance number, to put images in order.
    """

    source: Source
    kind: Kind
    series: str = ""
    is_stack: bool = False
    order: tuple[float, ...] = ()


@dataclass(frozen=True)
class StudyFiles:
    """The files of one study, found but not read.

    Args:
        key: Names the study: a hash, never an identifier of the patient.
        files: Files that hold its images.
        unreadable: Files of it that are known not to.
        limits: What is accepted when they are read.
    """

    key: str
    files: tuple[StudyFile, ...]
    unreadable: tuple[UnreadableFile, ...] = ()
    limits: Limits = field(default=DEFAULT_LIMITS, repr=False)

    def open(self) -> Study:
        """Read the images; what cannot be read stands in the study with its reason.

        Raises:
            ImageError: If there is neither a file nor a reason.
        """
        return self._read()[0]

    @quiet()
    def _read(self) -> tuple[Study, tuple[ImageError, ...]]:
        """Read the images; return the errors as well, for who asked for one study only."""
        images: list[Image] = []
        unreadable = list(self.unreadable)
        errors: list[ImageError] = []
        taken: set[str] = set()
        for group in _series(self.files):
            try:
                found = _read_group(group, self.limits)
                if taken & {image.name for image in found}:
                    raise UnreadableImageError("two images of the study share a name")
            except ImageError as error:
                errors.append(error)
                unreadable.append(UnreadableFile(_name(group), str(error)))
                continue
            images.extend(found)
            taken.update(image.name for image in found)
        return Study(self.key, tuple(images), tuple(unreadable)), tuple(errors)


@quiet()
def open_study(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Study:
    """Open the one study at a path: a file, folder, zip archive or DICOMDIR.

    Files beside it that could not be read stand in `Study.unreadable`.

    Args:
        path: Where it lies.
        limits: What is accepted.

    Raises:
        ConfigError: If there are several studies.
        UnreadableImageError: If there is none, or none of its files can be read.
        GeometryError: If its only series has an impossible geometry.

    Example:
        >>> open_study(Path("nowhere"))
        Traceback (most recent call last):
        ...
        fracturax.core.errors.UnreadableImageError: there is no such file or folder; got nowhere; \
check the path
    """
    from fracturax.imaging.discover import find_studies

    found = find_studies(path, limits=limits)
    real = [study for study in found if study.files]
    if len(real) > 1:
        raise ConfigError(
            "the path holds several studies",
            got=f"{len(real)} studies",
            cure="read them all with `fracturax read` or find_studies, or give one of them",
        )
    beside = tuple(entry for study in found for entry in study.unreadable)
    key = real[0].key if real else found[0].key
    files = real[0].files if real else ()
    study, errors = StudyFiles(key, files, beside, limits)._read()
    if study.images:
        return study
    if len(study.unreadable) == 1 and errors:
        raise errors[0]
    if len(study.unreadable) == 1:
        raise UnreadableImageError(study.unreadable[0].reason)
    first = study.unreadable[0]
    raise UnreadableImageError(
        f"none of {len(study.unreadable)} files can be read",
        got=f"for {first.name}: {first.reason}",
    )


def read_image(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> tuple[Image, ...]:
    """Read the images of one file: the frames of a film, the pages of a TIFF, or one volume.

    Args:
        path: A DICOM, PNG, JPEG, TIFF or NIfTI file, told by its content.
        limits: What is accepted.

    Raises:
        UnreadableImageError: If it is none of them, damaged, or larger than the limits.
        GeometryError: If its spacing or position is impossible.

    Example:
        >>> read_image(Path("nowhere.png"))
        Traceback (most recent call last):
        ...
        fracturax.core.errors.UnreadableImageError: there is no such file; got nowhere.png; \
check the path
    """
    if not path.is_file():
        raise UnreadableImageError(
            "there is no such file", got=clean_name(path.name), cure="check the path"
        )
    return read_source(FileSource(clean_name(path.name), path), limits=limits)


def read_source(source: Source, *, limits: Limits = DEFAULT_LIMITS) -> tuple[Image, ...]:
    """Read the images of one file, wherever its bytes lie; otherwise as `read_image`."""
    head = read_head(source)
    kind = kind_of(head)
    if kind == "gzip":
        nifti_head(head)
        kind = "nifti_gz"
    if kind is None or kind == "zip":
        got = "a zip archive" if kind else "an empty file" if not head else "no known kind of image"
        raise UnreadableImageError(
            "the file is no image",
            got=got,
            cure="give a DICOM, PNG, JPEG, TIFF or NIfTI file; open_study opens archives",
        )
    return _read_file(source, kind, limits)


def _read_file(source: Source, kind: Kind, limits: Limits) -> tuple[Image, ...]:
    if kind in ("png", "jpeg", "tiff"):
        return read_raster(source, kind, limits)
    if kind in ("nifti", "nifti_gz"):
        return read_nifti(source, limits)
    header = read_header(source, limits)
    with as_unreadable("the DICOM header cannot be understood"):
        is_directory = value_of(header.dataset, "DirectoryRecordSequence") is not None
        is_stack = is_cross_section(header)
    if is_directory:
        raise UnreadableImageError(
            "the file is the directory of a disc", cure="open it with open_study"
        )
    if is_stack:
        return (read_volume([(source, header)], limits),)
    return read_films(source, header, limits)


def _read_group(group: tuple[StudyFile, ...], limits: Limits) -> tuple[Image, ...]:
    if len(group) == 1:
        return _read_file(group[0].source, group[0].kind, limits)
    files: list[tuple[Source, Header]] = [
        (file.source, read_header(file.source, limits)) for file in group
    ]
    return (read_volume(files, limits),)


def _series(files: Iterable[StudyFile]) -> tuple[tuple[StudyFile, ...], ...]:
    """Put files that become one image together, in the order of acquisition."""
    groups: dict[str, list[StudyFile]] = {}
    for file in files:
        groups.setdefault(file.series if file.is_stack else file.source.name, []).append(file)
    ordered = sorted(groups.values(), key=lambda group: min(file.order for file in group))
    return tuple(tuple(group) for group in ordered)


def _name(group: tuple[StudyFile, ...]) -> str:
    first = group[0].source.name
    return first if len(group) == 1 else f"{first} and {len(group) - 1} more"
