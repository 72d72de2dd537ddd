"""One's own images with a table: one line an image or a box, in CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fracturax.core.anatomy import Region
from fracturax.core.case import Case, Reference
from fracturax.core.errors import DataError, GeometryError
from fracturax.core.geometry import Box
from fracturax.datasets import rows
from fracturax.datasets.files import inside, open_film
from fracturax.datasets.problems import Problems
from fracturax.datasets.rows import Line, Table, columns_of, parse, parse_label, read_table
from fracturax.datasets.salt import PatientKeys, key_of_film
from fracturax.datasets.words import cases_of_split
from fracturax.imaging.source import clean_name

ValueT = TypeVar("ValueT")

BOX_COLUMNS = ("row_min", "column_min", "row_max", "column_max")
COLUMNS = (
    *("image", "fracture", "patient", "study", "region", "view", "hardware", "split"),
    *("group", "date", *BOX_COLUMNS),
)
REQUIRED = ("image", "fracture")
ALIASES = {
    **dict.fromkeys(("image_path", "file_name", "filename"), "image"),
    **dict.fromkeys(("patient_id", "patientid", "subject", "subject_id"), "patient"),
    **dict.fromkeys(("study_id", "study_instance_uid", "accession_number"), "study"),
}
_CURE = "correct the table; lines are counted as a text editor counts them"


def open_csv(root: Path, *, split: str = "all", salt: str | None = None) -> tuple[Case, ...]:
    """Open images that a table names, with their labels; a case is an image.

    Columns: `image` (path relative to the table), `fracture` (1, 0, yes, no, true, false,
    fracture, normal; `unknown` leaves the image out), and as far as there are any `patient`,
    `study`, `region`, `view`, `hardware`, `split`, `group`, `date`, and a box as `row_min`,
    `column_min`, `row_max`, `column_max` in pixels of the image. An image with several boxes has
    several lines. A fractured image without a box has unmarked fractures.

    Films of one patient share a `patient_key`; where no patient is given, those of one study do;
    else a film stands for itself.

    Args:
        root: The folder that holds the one table, or the table itself.
        split: `all`, or a word of the column `split`.
        salt: Salt of the patient keys; that of the user if None.

    Raises:
        DataError: If the table is missing, or up to twenty problems by line and column.
        ConfigError: If patients are named and there is no salt.
    """
    path = root if root.is_file() else table_in(root)
    problems = Problems(clean_name(path.name), cure=_CURE)
    table = read_table(path, known=COLUMNS, required=REQUIRED, aliases=ALIASES, problems=problems)
    _check_box_columns(table, path)
    lines_of: dict[str, list[Line]] = {}
    for line in table.lines:
        try:
            lines_of.setdefault(str(inside(path.parent, line["image"])), []).append(line)
        except ValueError as error:
            problems.add(line.place("image"), str(error))
    patients = _patients(lines_of, problems)
    keys = PatientKeys(salt)
    read = [
        _case(path.parent, name, lines, patients[name], keys, problems)
        for name, lines in lines_of.items()
    ]
    problems.check()
    return cases_of_split([case for case in read if case], split, data=clean_name(path.name))


def is_csv(root: Path) -> bool:
    """Whether a path is a table of images, or a folder that holds one."""
    if root.is_file():
        return root.suffix.lower() == ".csv" and _is_table(root)
    return any(_is_table(path) for path in root.glob("*.csv"))


def _is_table(path: Path) -> bool:
    columns = {ALIASES.get(column, column) for column in columns_of(path)}
    return set(REQUIRED) <= columns


def table_in(root: Path) -> Path:
    """Return the one table of images in a folder.

    Raises:
        DataError: If there is none, or there are several.
    """
    found = sorted(path for path in root.glob("*.csv") if path.is_file())
    fitting = [path for path in found if _is_table(path)] or found
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise DataError(
            "there is no table",
            got=f"no CSV file in {clean_name(root.name) or 'the folder'}",
            cure="write one with the columns image and fracture",
        )
    raise DataError(
        "there are several tables",
        got=", ".join(clean_name(path.name) for path in fitting[:5]),
        cure="give the table itself instead of its folder",
    )


def _check_box_columns(table: Table, path: Path) -> None:
    missing = [column for column in BOX_COLUMNS if column not in table.columns]
    if 0 < len(missing) < len(BOX_COLUMNS):
        raise DataError(
            f"{clean_name(path.name)} has a part of the columns of a box",
            got=f"no {', '.join(missing)}",
            cure=f"a box has {', '.join(BOX_COLUMNS)}",
        )


def _patients(lines_of: dict[str, list[Line]], problems: Problems) -> dict[str, str]:
    """Return what each image's patient is told by, or an empty text where nothing tells.

    A study whose patient one line gives has that patient in all its lines.
    """
    patient_of: dict[str, str] = {}
    first_of: dict[str, Line] = {}
    for line in (line for lines in lines_of.values() for line in lines):
        study, patient = line["study"], line["patient"]
        if not study or not patient:
            continue
        first = first_of.setdefault(study, line)
        if patient_of.setdefault(study, patient) != patient:
            place = f"lines {first.number} and {line.number}, column patient"
            problems.add(place, "one study has two patients")
    found: dict[str, str] = {}
    for name, lines in lines_of.items():
        study = _agreed(lines, "study", str, problems) or ""
        patient = _agreed(lines, "patient", str, problems) or patient_of.get(study, "")
        # Marked, so that a study never gets the key of a patient of the same number.
        found[name] = f"patient {patient}" if patient else f"study {study}" if study else ""
    return found


def _case(
    root: Path, name: str, lines: list[Line], patient: str, keys: PatientKeys, problems: Problems
) -> Case | None:
    before = len(problems)
    label = _label(lines, problems)
    # A label that cannot be read is told once, and not again by its boxes.
    boxes = _boxes(lines, label if len(problems) == before else True, problems)
    get: Callable[[str, Callable[[str], Any]], Any] = partial(_agreed_of, lines, problems)
    region: tuple[Region, ...] = get("region", rows.regions) or ()
    view: tuple[str, ...] = get("view", rows.views) or ()
    hardware: bool | None = get("hardware", rows.yes_or_no)
    split: str | None = get("split", rows.part)
    group: str | None = get("group", str)
    date: str | None = get("date", rows.day)
    if label is None or len(problems):
        return None
    return Case(
        name=name,
        reference=Reference(
            fracture=label,
            # A fractured film without a box has unmarked fractures: unknown, which is not none.
            boxes=boxes or (None if label else ()),
            regions=region,
            hardware=hardware,
            views=view,
        ),
        patient_key=_key(patient, name, keys),
        open=partial(open_film, root / name),
        group=group,
        date=date,
        split=split,
        path=root / name,
    )


def _key(patient: str, name: str, keys: PatientKeys) -> str:
    kind, _, identifier = patient.partition(" ")
    if kind == "patient":
        return keys.of(identifier)
    return keys.of(patient) if kind else key_of_film(name)


def _label(lines: Sequence[Line], problems: Problems) -> bool | None:
    before = len(problems)
    labels = [parse_label(line, problems) for line in lines]
    if len(problems) == before:
        for line, label in zip(lines, labels, strict=True):
            if label != labels[0]:
                place = f"lines {lines[0].number} and {line.number}, column fracture"
                problems.add(place, "contradict each other about one image")
    return labels[0]


def _agreed_of(
    lines: Sequence[Line], problems: Problems, column: str, convert: Callable[[str], ValueT]
) -> ValueT | None:
    return _agreed(lines, column, convert, problems)


def _agreed(
    lines: Sequence[Line], column: str, convert: Callable[[str], ValueT], problems: Problems
) -> ValueT | None:
    """Return what the lines of one image say in a column; two that differ are a problem."""
    first: Line | None = None
    found: ValueT | None = None
    for line in lines:
        value = parse(line, column, convert, problems)
        if value is None:
            continue
        if first is None:
            first, found = line, value
        elif value != found:
            place = f"lines {first.number} and {line.number}, column {column}"
            problems.add(place, "contradict each other about one image")
    return found


def _boxes(lines: Sequence[Line], label: bool | None, problems: Problems) -> tuple[Box, ...]:
    found: dict[Box, Line] = {}
    for line in lines:
        box = _box(line, problems)
        if box is None:
            continue
        if label is not True:
            said = "unlabelled" if label is None else "normal"
            problems.add(line.place("row_min"), f"a box in an image that is {said}")
        elif (other := found.setdefault(box, line)) is not line:
            place = f"lines {other.number} and {line.number}"
            problems.add(place, "the same box of one image twice")
    return tuple(found)


def _box(line: Line, problems: Problems) -> Box | None:
    empty = [column for column in BOX_COLUMNS if not line[column]]
    if len(empty) == len(BOX_COLUMNS):
        return None
    for column in empty:
        problems.add(line.place(column), "is empty beside the other sides of a box")
    sides = [parse(line, column, rows.number, problems) for column in BOX_COLUMNS]
    known = [side for side in sides if side is not None]
    if len(known) < len(BOX_COLUMNS):
        return None
    try:
        return Box(*known)
    except GeometryError:
        problems.add(line.place("row_max"), "an empty box; a minimum must lie below its maximum")
        return None
