"""RibFrac: chest CTs with every rib fracture outlined and its kind named."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import partial
from pathlib import Path

from fracturax.core.case import Case, Part, Reference
from fracturax.core.errors import DataError
from fracturax.datasets.files import folder_at
from fracturax.datasets.problems import Problems
from fracturax.datasets.rows import Line, parse, read_table, whole
from fracturax.datasets.scans import (
    NIFTI,
    files_below,
    key_of_public_patient,
    missing_labels,
    open_scan,
    read_labels,
    stem_of,
)
from fracturax.datasets.words import cases_of_split, split_of_word

KINDS = {1: "displaced", 2: "nondisplaced", 3: "buckle", 4: "segmental", -1: ""}
"""Kinds of fracture by `label_code`; 0 is the background, -1 a fracture of a kind not told."""

COLUMNS = ("public_id", "label_id", "label_code")
_TABLE = re.compile(r"ribfrac-(train|val|test)-info.*\.csv", re.IGNORECASE)
_IMAGE, _LABEL = "-image", "-label"


def open_ribfrac(root: Path, *, split: str = "all") -> tuple[Case, ...]:
    """Open RibFrac (660 chest CTs in the release, 500 of them labelled); a case is a CT.

    The layout is what the archives of Zenodo hold: `ribfrac-train-info-1.csv`,
    `ribfrac-train-info-2.csv` and `ribfrac-val-info.csv` with the columns `public_id, label_id,
    label_code`, and `<public_id>-image.nii.gz` and `<public_id>-label.nii.gz` in folders of any
    name. `label_id` is the value of a fracture in the mask. A CT with the background alone is
    without fracture; one that no table names (the test part) has no label, and is no case. The
    fractures stand in `reference.parts`, their masks in `Case.open_labels`; a CT without its mask
    has none. Read of the challenge's own evaluation code and of public readers of the data; the
    release itself was not at hand.

    Args:
        root: The folder that holds tables and CTs.
        split: `all`, or `train`, `valid` as the authors split it.

    Raises:
        DataError: If there is no table, or up to twenty of its lines cannot be used: by line and
            column.

    References:
        Jin et al., "Deep-learning-assisted detection and segmentation of rib fractures from CT
        scans", EBioMedicine 62, 103106 (2020), doi 10.1016/j.ebiom.2020.103106.
    """
    tables = _tables(folder_at(root))
    if not tables:
        raise DataError(
            "this is not RibFrac", got="no ribfrac-*-info.csv", cure="give the folder with the CTs"
        )
    files = {stem_of(path): path for path in files_below(root, NIFTI)}
    cases: list[Case] = []
    seen: set[str] = set()
    for table in tables:
        matched = _TABLE.fullmatch(table.name)
        assert matched is not None, "only such tables are found"
        part = split_of_word(matched.group(1))
        problems = Problems(table.name, cure="download the table again, or the CTs that it names")
        lines: dict[str, list[Line]] = defaultdict(list)
        for line in read_table(
            table, known=COLUMNS, required=COLUMNS, aliases={}, problems=problems
        ).lines:
            if not line["public_id"]:
                problems.add(line.place("public_id"), "is empty")
            lines[line["public_id"]].append(line)
        for name, rows in lines.items():
            parts = _parts(rows, problems)
            path = files.get(name + _IMAGE)
            if path is None:
                problems.add(rows[0].place("public_id"), "names a CT that is not there")
            elif name in seen:
                problems.add(rows[0].place("public_id"), "names a CT of another table again")
            elif not len(problems):
                cases.append(_case(root, name, path, files.get(name + _LABEL), parts, part))
            seen.add(name)
        problems.check()
    if not cases:
        raise missing_labels("RibFrac", cure="the test part has none; add the other parts")
    return cases_of_split(cases, split, data="RibFrac")


def is_ribfrac(root: Path) -> bool:
    """Whether a folder holds a table of RibFrac."""
    return root.is_dir() and bool(_tables(root))


def _tables(root: Path) -> list[Path]:
    found = [path for depth in ("*.csv", "*/*.csv") for path in root.glob(depth)]
    return sorted(path for path in found if _TABLE.fullmatch(path.name) and path.is_file())


def _parts(rows: list[Line], problems: Problems) -> tuple[Part, ...]:
    """Return the fractures that the lines of a CT name; the background is none."""
    found: dict[int, Part] = {}
    for line in rows:
        before = len(problems)
        label = parse(line, "label_id", whole, problems)
        code = parse(line, "label_code", whole, problems)
        for column, value in (("label_id", label), ("label_code", code)):
            if value is None and not line[column]:
                problems.add(line.place(column), "is empty")
        if len(problems) > before or label is None or code is None:
            continue
        if label < 0:
            problems.add(line.place("label_id"), "must be 0 or more")
        elif label in found:
            problems.add(line.place("label_id"), "stands there twice for one CT")
        elif (label == 0) != (code == 0):
            problems.add(line.place("label_code"), "must be 0 for the background and only there")
        elif code and code not in KINDS:
            problems.add(line.place("label_code"), "must be one of -1, 0, 1, 2, 3, 4")
        elif label:
            found[label] = Part(f"fracture {label}", label, fracture=True, kind=KINDS[code])
    return tuple(found.values())


def _case(
    root: Path, name: str, path: Path, labels: Path | None, parts: tuple[Part, ...], split: str
) -> Case:
    return Case(
        name=name,
        reference=Reference(bool(parts), boxes=None if parts else (), parts=parts),
        patient_key=key_of_public_patient("ribfrac", name),
        open=partial(open_scan, path),
        split=split,
        path=path,
        modality="ct",
        open_labels=None if labels is None else partial(read_labels, labels),
    )
