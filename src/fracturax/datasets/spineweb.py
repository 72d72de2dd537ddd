"""SpineWeb's vertebral CTs (xVertSeg) and sets laid out alike: images/, masks/, and grades."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from fracturax.core.case import Case, Reference
from fracturax.core.errors import DataError
from fracturax.datasets.files import folder_at
from fracturax.datasets.gradings import fracture_of, read_gradings
from fracturax.datasets.problems import Problems
from fracturax.datasets.scans import (
    NIFTI,
    files_below,
    key_of_public_patient,
    missing_labels,
    open_scan,
    read_labels,
    stem_of,
)
from fracturax.datasets.words import cases_of_split
from fracturax.imaging.metaimage import EXTENSIONS

XVERTSEG_LABELS = {f"L{number}": 190 + 10 * number for number in range(1, 6)}
"""Values of the vertebrae in the masks of xVertSeg."""

IMAGES, MASKS = "images", "masks"
_TABLES = ("scores/scores.csv", "scores.csv", "fractures.csv")
_NUMBERED = re.compile(r"image(\d+)")
_CURE = "give the folder with images/, masks/ and scores/scores.csv (of xVertSeg: Data1)"


def open_spineweb(root: Path, *, split: str = "all") -> tuple[Case, ...]:
    """Open spine CTs in `images/` with masks in `masks/` and a table of Genant's grades.

    So is xVertSeg.v1 laid out (SpineWeb; lumbar CTs, those with scores in `Data1`):
    `images/imageNNN.mhd`, `masks/maskNNN.mhd` (L1 to L5 are 200, 210, ... 240) and
    `scores/scores.csv`. Other sets may use MetaImage or NIfTI and the same stem in both folders;
    their table may give a mask's values in the column `label`. A CT is fractured if one of its
    vertebrae has a grade from 1 on, not if all were graded 0, and else no case. No set of this kind
    tells of patients: a CT stands for itself.

    Folders, file names and values were read of the authors' page and of public readers. **The
    columns of `scores.csv`, its grades, and the name of the masks could not be verified**: those
    that are read are described in `gradings.read_gradings`, and another table is refused with what
    it lacks.

    Args:
        root: The folder that holds `images/`, or one that holds it in `Data1/`.
        split: `all`; the layout has no parts.

    Raises:
        DataError: If a folder or table is missing, the table names a CT that is not there, or no
            CT has a label.
        MissingExtraError: When a MetaImage is opened and SimpleITK is not installed.

    References:
        Korez et al., IEEE Transactions on Medical Imaging 34(8), 1649-1662 (2015), doi
        10.1109/TMI.2015.2389334; http://lit.fe.uni-lj.si/xVertSeg
    """
    base = _base(folder_at(root))
    if base is None:
        raise DataError("this is no SpineWeb layout", got="no images/ with scores", cure=_CURE)
    table = next(path for name in _TABLES if (path := base / name).is_file())
    endings = (*NIFTI, *EXTENSIONS)
    images = {stem_of(path): path for path in files_below(base / IMAGES, endings)}
    masks = (
        {stem_of(path): path for path in files_below(base / MASKS, endings)}
        if (base / MASKS).is_dir()
        else {}
    )
    grades = read_gradings(table)
    problems = Problems(table.name, cure="add the CTs, or take out their lines")
    cases = []
    for scan, graded in grades.items():
        stem = _stem(scan, images)
        if stem is None:
            problems.add(graded[0].place, "names a CT that is not there")
            continue
        is_xvertseg = _NUMBERED.fullmatch(stem) is not None
        labels = XVERTSEG_LABELS if is_xvertseg else {}
        parts = tuple(grade.as_part(labels.get(grade.vertebra)) for grade in graded)
        fracture = fracture_of(parts)
        if fracture is None:
            continue
        mask = masks.get(stem.replace("image", "mask") if is_xvertseg else stem)
        path = images[stem]
        cases.append(
            Case(
                name=stem,
                reference=Reference(fracture, boxes=None if fracture else (), parts=parts),
                patient_key=key_of_public_patient("spineweb", stem),
                open=partial(open_scan, path),
                path=path,
                modality="ct",
                open_labels=None if mask is None else partial(read_labels, mask),
            )
        )
    problems.check()
    if not cases:
        raise missing_labels("the SpineWeb layout", cure="grade every vertebra in the table")
    return cases_of_split(cases, split, data="the SpineWeb layout")


def is_spineweb(root: Path) -> bool:
    """Whether a folder has this layout."""
    return root.is_dir() and _base(root) is not None


def _base(root: Path) -> Path | None:
    for folder in (root, root / "Data1"):
        if (folder / IMAGES).is_dir() and any((folder / name).is_file() for name in _TABLES):
            return folder
    return None


def _stem(scan: str, images: dict[str, Path]) -> str | None:
    """Return the stem of the CT that a table calls so: by name, or in xVertSeg by number."""
    if (stem := stem_of(Path(scan))) in images:
        return stem
    if scan.isdecimal():
        return next(
            (
                one
                for one in images
                if (found := _NUMBERED.fullmatch(one)) and int(found.group(1)) == int(scan)
            ),
            None,
        )
    return None
