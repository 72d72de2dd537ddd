"""Film and CT that lie apart become one study: because a user says so, or a folder holds both."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fracturax.core.errors import ConfigError, UnreadableImageError
from fracturax.imaging import StudyFiles, find_studies
from fracturax.imaging.header import read_header
from fracturax.imaging.patient import are_of_one_patient
from fracturax.imaging.source import BytesSource, FileSource, MemberSource
from fracturax.imaging.study import StudyFile

_MOST_FILMS = 6


def pair_of(xray: Path, ct: Path) -> StudyFiles:
    """Return films and the one CT of a pair as one study.

    Args:
        xray: A film, or a folder or archive of the films of one examination.
        ct: NIfTI, or a folder or archive of one series.

    Raises:
        UnreadableImageError: If nothing is there, or nothing of it can be read.
        ConfigError: If there is another kind of image, or more than one CT.
    """
    films = [study for study in find_studies(xray) if study.files]
    volumes = [study for study in find_studies(ct) if study.files]
    if not films or not volumes:
        missing = ct if films else xray
        raise UnreadableImageError("nothing of the pair can be read there", got=missing.name)
    strange = [file for study in films for file in study.files if is_volume(file)]
    if strange:
        raise ConfigError("--xray takes films", got="a CT", cure="give it by --ct")
    series = _series(volumes)
    if len(series) != 1 or not all(is_volume(file) for one in volumes for file in one.files):
        raise ConfigError(
            "--ct takes one CT",
            got=f"{len(series)} images or series",
            cure="give the folder of one series, or a NIfTI file",
        )
    return _joined(films, volumes[0])


def join_pair(studies: Sequence[StudyFiles]) -> tuple[StudyFiles, ...]:
    """Return the studies of a folder, as one if they are films and one CT of one patient.

    Where both say whose they are, it has to be the same; where neither does, one folder is taken
    as one patient's. A folder that holds anything else stays as it is.

    Args:
        studies: What was found in one folder.
    """
    with_files = [study for study in studies if study.files]
    volumes = [one for one in with_files if all(is_volume(file) for file in one.files)]
    films = [one for one in with_files if not any(is_volume(file) for file in one.files)]
    count = sum(len(one.files) for one in films)
    is_pair = (
        len(volumes) == 1
        and len(_series(volumes)) == 1
        and 1 <= count <= _MOST_FILMS
        and len(films) + 1 == len(studies)
        and all(_may_go_together(film.files[0], volumes[0]) for film in films)
    )
    return (_joined(films, volumes[0]),) if is_pair else tuple(studies)


def is_volume(file: StudyFile) -> bool:
    """Whether a file is a scan in slices, or a slice of one."""
    return file.is_stack or file.kind in ("nifti", "nifti_gz")


def _series(studies: Sequence[StudyFiles]) -> set[str]:
    return {file.series or file.source.name for one in studies for file in one.files}


def _may_go_together(film: StudyFile, ct: StudyFiles) -> bool:
    slice_ = ct.files[0]
    if film.kind != "dicom" or slice_.kind != "dicom":
        return film.kind != "dicom" and slice_.kind != "dicom"
    try:
        headers = [read_header(one.source, ct.limits).dataset for one in (film, slice_)]
        return are_of_one_patient(*headers) is True
    except UnreadableImageError:  # said with its reason when the file is read
        return False


def _joined(films: Sequence[StudyFiles], ct: StudyFiles) -> StudyFiles:
    parts = [*films, ct]
    names = [file.source.name for one in parts for file in one.files]
    files = [file for one in films for file in one.files]
    if len(set(names)) < len(names):
        # Files of two places may share their names, images of one study may not.
        files = [_renamed(file, f"film-{number}/") for number, file in enumerate(files, start=1)]
    key = hashlib.sha256("+".join(one.key for one in parts).encode()).hexdigest()[:16]
    unreadable = tuple(entry for one in parts for entry in one.unreadable)
    return StudyFiles(key, (*files, *ct.files), unreadable, ct.limits)


def _renamed(file: StudyFile, prefix: str) -> StudyFile:
    assert isinstance(file.source, FileSource | MemberSource | BytesSource)
    return replace(file, source=replace(file.source, name=prefix + file.source.name))
