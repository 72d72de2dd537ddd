"""VerSe: spine CTs with a mask of each vertebra, and with Genant's grades where they are given."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from fracturax.core.case import Case, Part, Reference
from fracturax.core.errors import DataError
from fracturax.datasets.files import folder_at, read_json
from fracturax.datasets.gradings import Grade, fracture_of, read_gradings
from fracturax.datasets.problems import Problems
from fracturax.datasets.scans import (
    NIFTI,
    VERTEBRAE,
    files_below,
    key_of_public_patient,
    missing_labels,
    open_scan,
    read_labels,
    stem_of,
)
from fracturax.datasets.words import cases_of_split, is_split_word, split_of_word
from fracturax.imaging.source import clean_name

_RAW = ("rawdata", "*/rawdata", "*/*/rawdata")
_TABLES = ("*grading*.csv", "*/*grading*.csv")
_SPLIT = re.compile(r"train(?:ing)?|valid(?:ation)?|test", re.IGNORECASE)
_SERIES = re.compile(r"_split-([A-Za-z0-9]+)")
_LABELS = {name: number for number, name in VERTEBRAE.items()}
_GRADINGS_CURE = (
    "put the authors' gradings beside the CTs as fracture_grading.csv with the columns scan, "
    "vertebra, genant; without them the CTs have masks and no label"
)


def open_verse(root: Path, *, split: str = "all") -> tuple[Case, ...]:
    """Open VerSe'19 and VerSe'20 (374 spine CTs of 355 patients); a case is a CT.

    The layout is the authors' subject-based one: `rawdata/sub-<subject>/<stem>_ct.nii.gz`,
    `derivatives/sub-<subject>/<stem>_seg-vert_msk.nii.gz` (1-7 C1-C7, 8-19 T1-T12, 20-25 L1-L6, 28
    T13) and `<stem>_seg-subreg_ctd.json`, in folders of the parts (`dataset-verse19training`,
    `01_training`, ...). Series of one patient (`sub-verse401_split-verse253`) share a key, and so
    do the copies of a patient in both years.

    A label needs a table of gradings (`*grading*.csv`, form in `gradings.read_gradings`): a CT is
    fractured if one of its vertebrae has a grade from 1 on, not fractured if every vertebra that
    its centroids name was graded 0, and else without label, which is no case. The authors publish
    the gradings of VerSe'19 with the paper; in which columns could not be verified here, so that
    its table may have to be renamed. VerSe'20 has none that we know of.

    Args:
        root: A folder that holds `rawdata/` and `derivatives/`, or several of them.
        split: `all`, `train`, `valid` or `test` by the names of the folders.

    Raises:
        DataError: If it is no such folder, a table or centroid file cannot be read, there is no
            table, or no CT has a label.

    References:
        Löffler et al., Radiology: Artificial Intelligence 2(4), e190138 (2020), doi
        10.1148/ryai.2020190138; Sekuboyina et al., Medical Image Analysis 73, 102166 (2021), doi
        10.1016/j.media.2021.102166.
    """
    raw = _raw_folders(folder_at(root))
    scans = [(folder, path) for folder in raw for path in _scans(folder)]
    if not scans:
        raise DataError(
            "this is not VerSe",
            got="no rawdata/sub-*/*_ct.nii.gz",
            cure="give the folder of the subject-based release",
        )
    tables = sorted(path for pattern in _TABLES for path in root.glob(pattern))
    if not tables:
        raise DataError(
            "this copy of VerSe has no fracture labels", got="no table", cure=_GRADINGS_CURE
        )
    grades: dict[str, tuple[Grade, ...]] = {}
    for table in tables:
        for scan, found in read_gradings(table).items():
            if grades.setdefault(_bare(scan), found) != found:
                raise DataError(
                    "two tables grade one scan of VerSe",
                    got=clean_name(table.name),
                    cure="keep one",
                )
    _check_known(grades, scans)
    cases = [
        case for folder, path in scans if (case := _case(root, folder, path, grades)) is not None
    ]
    if not cases:
        raise missing_labels("VerSe", cure=_GRADINGS_CURE)
    return cases_of_split(cases, split, data="VerSe")


def is_verse(root: Path) -> bool:
    """Whether a folder is laid out as the subject-based release."""
    return any(
        next(folder.glob("sub-*/*_ct.nii*"), None) is not None for folder in _raw_folders(root)
    )


def _raw_folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(path for pattern in _RAW for path in root.glob(pattern) if path.is_dir())


def _scans(folder: Path) -> list[Path]:
    found = files_below(folder, [f"_ct{ending}" for ending in NIFTI])
    return [path for path in found if path.parent.name.startswith("sub-")]


def _bare(scan: str) -> str:
    """Return a scan's or subject's name without what only the layout adds.

    Example:
        >>> _bare("sub-verse004_ct.nii.gz"), _bare("verse004")
        ('verse004', 'verse004')
    """
    return stem_of(Path(scan)).removeprefix("sub-").removesuffix("_ct").lower()


def _names(path: Path) -> tuple[str, str, str]:
    """Return what a table may call a scan, the most exact first: stem, series, subject."""
    stem = _bare(path.name)
    series = _SERIES.search(stem)
    subject = path.parent.name.removeprefix("sub-").lower()
    return stem, series.group(1).lower() if series else stem, subject


def _check_known(grades: Mapping[str, tuple[Grade, ...]], scans: list[tuple[Path, Path]]) -> None:
    known = {name for _, path in scans for name in _names(path)}
    problems = Problems("the gradings of VerSe", cure="download the CTs, or take out their lines")
    for scan, graded in grades.items():
        if scan not in known:
            problems.add(graded[0].place, "names a CT that is not there")
    problems.check()


def _case(
    root: Path, folder: Path, path: Path, grades: Mapping[str, tuple[Grade, ...]]
) -> Case | None:
    subject = path.parent.name
    stem = stem_of(path).removesuffix("_ct")
    beside = folder.parent / "derivatives" / subject
    mask = next(
        (one for end in NIFTI if (one := beside / f"{stem}_seg-vert_msk{end}").is_file()), None
    )
    centroids = beside / f"{stem}_seg-subreg_ctd.json"
    shown = _labels_shown(centroids) if centroids.is_file() else None
    graded = next((grades[name] for name in _names(path) if name in grades), ())
    parts = _parts(graded, shown)
    fracture = fracture_of(parts)
    if fracture is None:
        return None
    return Case(
        name=path.relative_to(root).as_posix(),
        reference=Reference(fracture, boxes=None if fracture else (), parts=parts),
        patient_key=key_of_public_patient("verse", subject),
        open=partial(open_scan, path),
        split=_split_of(folder, root),
        path=path,
        modality="ct",
        open_labels=None if mask is None else partial(read_labels, mask),
    )


def _parts(graded: tuple[Grade, ...], shown: tuple[int, ...] | None) -> tuple[Part, ...]:
    """Return the vertebrae that a CT shows, or those graded where no centroids say which."""
    of_name = {grade.vertebra: grade for grade in graded}
    if shown is None:
        return tuple(grade.as_part(_LABELS[grade.vertebra]) for grade in graded)
    nobody = {VERTEBRAE[label]: Grade(VERTEBRAE[label], None) for label in shown}
    return tuple({**nobody, **of_name}[VERTEBRAE[label]].as_part(label) for label in shown)


def _labels_shown(path: Path) -> tuple[int, ...]:
    """Return the labels of the vertebrae whose centroids a file gives."""
    document = read_json(path)
    try:
        labels = []
        for entry in document:
            if "label" not in entry:  # the first entry says the directions of the axes
                continue
            label = entry["label"]
            if not all(math.isfinite(float(entry[axis])) for axis in "XYZ") or label != int(label):
                raise ValueError("a centroid that is no place")
            labels.append(int(label))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            "a file of centroids of VerSe cannot be read",
            got=f"{type(error).__name__} in {clean_name(path.name)}",
            cure="download it again",
        ) from None
    return tuple(label for label in dict.fromkeys(labels) if label in VERTEBRAE)


def _split_of(folder: Path, root: Path) -> str | None:
    """Return the part that the folders above `rawdata` name, the nearest first."""
    for name in reversed(folder.relative_to(root).parts[:-1] or (root.name,)):
        if (found := _SPLIT.search(name)) and is_split_word(found.group()):
            return split_of_word(found.group())
    return None
