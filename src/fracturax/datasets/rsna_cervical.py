"""RSNA 2022: cervical spine CTs with an answer for each vertebra, and boxes on some slices."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path

from fracturax.core.case import Case, Part, Reference, SliceBox
from fracturax.core.errors import DataError, GeometryError
from fracturax.core.geometry import Box
from fracturax.datasets import rows
from fracturax.datasets.files import folder_at
from fracturax.datasets.problems import Problems
from fracturax.datasets.rows import Line, parse, read_table
from fracturax.datasets.scans import NIFTI, key_of_public_patient, open_scan, read_labels
from fracturax.datasets.words import cases_of_split

TABLE, BOXES, IMAGES, MASKS = (
    "train.csv",
    "train_bounding_boxes.csv",
    "train_images",
    "segmentations",
)
LEVELS = tuple(f"C{number}" for number in range(1, 8))
_UID = "studyinstanceuid"
_COLUMNS = (_UID, "patient_overall", *(level.lower() for level in LEVELS))
_SIDES = ("x", "y", "width", "height")
_CURE = "download it again, or take out the lines of studies that were not downloaded"


def open_rsna_cervical(root: Path, *, split: str = "all") -> tuple[Case, ...]:
    """Open the RSNA 2022 cervical spine data (2,019 CTs with labels); a case is a study.

    The layout is that of Kaggle: `train.csv` with `StudyInstanceUID, patient_overall, C1 ... C7`,
    `train_images/<StudyInstanceUID>/<slice_number>.dcm`, `train_bounding_boxes.csv` with
    `StudyInstanceUID, x, y, width, height, slice_number` for a part of the fractured studies, and
    `segmentations/<StudyInstanceUID>.nii` (1 to 7 are C1 to C7, 8 to 19 T1 to T12) for a few. The
    vertebrae stand in `reference.parts`, the boxes in `reference.slice_boxes` by the number of
    their file: fractured studies without a box have unmarked fractures. The masks are stored along
    other axes than the CT; `LabelVolume.on` turns them. The data set names no patient: each study
    stands for itself. Column names and layout were read of Kaggle's description as others quote
    it; the release itself was not at hand.

    Args:
        root: The folder that holds `train.csv`.
        split: `all`; the data have no other labelled part.

    Raises:
        DataError: If a table or a folder is missing, or up to twenty lines cannot be used: by line
            and column.

    References:
        Lin et al., "The RSNA Cervical Spine Fracture CT Dataset", Radiology: Artificial
        Intelligence 5(5), e230034 (2023), doi 10.1148/ryai.230034.
    """
    folder_at(root)
    if not (root / IMAGES).is_dir():
        raise DataError("this is not the RSNA data", got=f"no folder {IMAGES}", cure=_CURE)
    problems = Problems(TABLE, cure=_CURE)
    table = read_table(
        root / TABLE, known=_COLUMNS, required=_COLUMNS, aliases={}, problems=problems
    )
    known: dict[str, tuple[Line, tuple[Part, ...] | None]] = {}
    for line in table.lines:
        uid = line[_UID]
        if not _is_name(uid) or not (root / IMAGES / uid).is_dir():
            problems.add(line.place("StudyInstanceUID"), "names a study that is not there")
        elif uid in known:
            problems.add(line.place("StudyInstanceUID"), "stands there twice")
        else:
            known[uid] = (line, _parts(line, problems))
    problems.check()
    boxes = _boxes(root, {uid: parts for uid, (_, parts) in known.items()})
    cases = [
        _case(root, uid, parts, tuple(boxes.get(uid, ())))
        for uid, (_, parts) in known.items()
        if parts is not None
    ]
    return cases_of_split(cases, split, data="the RSNA data")


def is_rsna_cervical(root: Path) -> bool:
    """Whether a folder is laid out as Kaggle gives the data."""
    return (
        (root / IMAGES).is_dir()
        and (root / TABLE).is_file()
        and set(_COLUMNS) <= rows.columns_of(root / TABLE)
    )


def _is_name(uid: str) -> bool:
    return bool(uid) and set(uid) <= set("0123456789.") and uid.strip(".") == uid


def _parts(line: Line, problems: Problems) -> tuple[Part, ...] | None:
    """Return the vertebrae of a line; None, and a problem, where an answer is missing."""
    before = len(problems)
    answers: dict[str, bool | None] = {}
    for column in _COLUMNS[1:]:
        if not line[column]:
            problems.add(line.place(column), "is empty")
        answers[column] = parse(line, column, rows.yes_or_no, problems)
    if len(problems) > before:
        return None
    if answers["patient_overall"] != any(answers[level.lower()] for level in LEVELS):
        problems.add(line.place("patient_overall"), "contradicts C1 to C7")
    return tuple(
        Part(level, number, answers[level.lower()]) for number, level in enumerate(LEVELS, start=1)
    )


def _boxes(root: Path, known: dict[str, tuple[Part, ...] | None]) -> dict[str, list[SliceBox]]:
    """Return the boxes of each study; where there is no table of them, none is known."""
    found: dict[str, list[SliceBox]] = defaultdict(list)
    if not (root / BOXES).is_file():
        return found
    problems = Problems(BOXES, cure=_CURE)
    columns = (_UID, *_SIDES, "slice_number")
    table = read_table(root / BOXES, known=columns, required=columns, aliases={}, problems=problems)
    for line in table.lines:
        uid = line[_UID]
        if uid not in known:
            problems.add(line.place("StudyInstanceUID"), f"is no study of {TABLE}")
            continue
        parts = known[uid]
        if parts is not None and not any(part.fracture for part in parts):
            problems.add(line.place("StudyInstanceUID"), "a box in a study without fracture")
            continue
        before = len(problems)
        for column in columns[1:]:
            if not line[column]:
                problems.add(line.place(column), "is empty")
        sides = [parse(line, column, rows.number, problems) for column in _SIDES]
        number = parse(line, "slice_number", rows.whole, problems)
        if len(problems) > before or number is None:
            continue
        x, y, width, height = (side or 0.0 for side in sides)
        if not (root / IMAGES / uid / f"{number}.dcm").is_file():
            problems.add(line.place("slice_number"), "names a slice that is not there")
            continue
        try:
            found[uid].append(SliceBox(number, Box(y, x, y + height, x + width)))
        except GeometryError:
            problems.add(line.place("width"), "an empty box")
    problems.check()
    return found


def _case(root: Path, uid: str, parts: tuple[Part, ...], boxes: tuple[SliceBox, ...]) -> Case:
    fracture = any(part.fracture for part in parts)
    masks = [root / MASKS / (uid + ending) for ending in NIFTI]
    mask = next((path for path in masks if path.is_file()), None)
    folder = root / IMAGES / uid
    return Case(
        name=uid,
        reference=Reference(
            fracture,
            boxes=None if fracture else (),
            parts=parts,
            slice_boxes=boxes or (None if fracture else ()),
        ),
        patient_key=key_of_public_patient("rsna_cervical", uid),
        open=partial(open_scan, folder),
        path=folder,
        modality="ct",
        open_labels=None if mask is None else partial(read_labels, mask),
    )
