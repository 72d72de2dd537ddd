"""One's own DICOM files in any folders, with a table that gives each study its label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from fracturax.core.case import Case, Reference
from fracturax.core.errors import DataError, ImageError
from fracturax.datasets import rows
from fracturax.datasets.files import folder_at, inside, open_film
from fracturax.datasets.problems import Problems
from fracturax.datasets.rows import Line, columns_of, parse, parse_label, read_table
from fracturax.datasets.salt import PatientKeys, key_of_film
from fracturax.datasets.words import cases_of_split
from fracturax.imaging.attributes import text_of
from fracturax.imaging.discover import find_studies
from fracturax.imaging.guard import DEFAULT_LIMITS, as_unreadable
from fracturax.imaging.header import read_header
from fracturax.imaging.source import FileSource, MemberSource, Source
from fracturax.imaging.study import StudyFiles

TABLE = "labels.csv"
IDENTIFIERS = ("file", "study_instance_uid", "accession_number", "patient_id")
"""Columns that say which study a line is about, the most exact first."""
COLUMNS = (*IDENTIFIERS, "fracture", "region", "view", "hardware", "split", "group", "date")
_ALIASES = {
    **dict.fromkeys(("studyinstanceuid", "study_uid"), "study_instance_uid"),
    **dict.fromkeys(("accessionnumber", "accession"), "accession_number"),
    **dict.fromkeys(("patientid", "patient"), "patient_id"),
}
_CURE = "correct the table; lines are counted as a text editor counts them"


def open_dicom(root: Path, *, split: str = "all", salt: str | None = None) -> tuple[Case, ...]:
    """Open the DICOM studies below a folder with the labels of `labels.csv`.

    The table has `fracture` (1, 0, yes, no, true, false, fracture, normal; `unknown` leaves the
    study out) and at least one of `file`, `study_instance_uid`, `accession_number`, `patient_id`.
    The first of these that it has says what a line is about; the others must agree with the files.
    By `file` a case is one file, else a study. Every line must have its study and every study its
    line: a label without a study and a study without a label are errors, and so is a line that
    fits several studies. Further columns: `region`, `view`, `hardware`, `split`, `group`, `date`.

    `patient_key` is made of PatientID; without one, a case stands for itself. `group` is the
    table's, else manufacturer and model; `date` the table's, else StudyDate. Files that are no
    DICOM are left out unless a line names them; archives are opened, but not for `file`. Where
    the fractures are, this layout does not say.

    Args:
        root: The folder that holds `labels.csv` and the files.
        split: `all`, or a word of the column `split`.
        salt: Salt of the patient keys; that of the user if None.

    Raises:
        DataError: If the table is missing, or up to twenty problems by line; no identifier is
            quoted.
        ConfigError: If patients are known and there is no salt.
    """
    problems = Problems(TABLE, cure=_CURE)
    table = read_table(
        folder_at(root) / TABLE,
        known=COLUMNS,
        required=("fracture",),
        aliases=_ALIASES,
        problems=problems,
    )
    key = next((column for column in IDENTIFIERS if column in table.columns), None)
    if key is None:
        raise DataError(
            f"{TABLE} does not say which study a line is about",
            got="no known column",
            cure=f"add one of {', '.join(IDENTIFIERS)}",
        )
    found = _studies(root, by_file=key == "file")
    assigned = _assign(table.lines, found, key, root, problems)
    keys = PatientKeys(salt)
    cases = [_case(line, study, keys, problems) for line, study in assigned]
    problems.check()
    return cases_of_split([case for case in cases if case], split, data=TABLE)


def is_dicom(root: Path) -> bool:
    """Whether a folder holds a table of labels that is about studies, not about images."""
    columns = {_ALIASES.get(column, column) for column in columns_of(root / TABLE)}
    return "fracture" in columns and bool(columns & set(IDENTIFIERS)) and "image" not in columns


@dataclass(frozen=True)
class _Unit:
    """What one label is about: a study, or one file of it.

    Args:
        name: Names the case.
        identifiers: What its headers say, by column; without what they do not say.
        device: Manufacturer and model, or None.
        date: Day of the study, or None.
        files: How it is opened.
        path: See `Case`.
    """

    name: str
    identifiers: dict[str, str]
    device: str | None
    date: str | None
    files: StudyFiles | None
    path: Path | None


def _studies(root: Path, *, by_file: bool) -> list[_Unit]:
    try:
        studies = find_studies(root)
    except ImageError as error:
        raise DataError("there are no DICOM files", got=error.got, cure=error.cure) from None
    units: list[_Unit] = []
    owners: dict[Path, set[str]] = defaultdict(set)
    for study in studies:
        for file in study.files:
            owners[_path_of(file.source).parent].add(study.key)
    for study in studies:
        sources = [file.source for file in study.files if file.kind == "dicom"]
        if not sources:
            continue
        if by_file:
            units += [
                _unit(source.name, [source], None, source.path)
                for source in sources
                if isinstance(source, FileSource)
            ]
        else:
            units.append(_unit(study.key, sources, study, _path_of_study(sources, study, owners)))
    if not units:
        raise DataError("there are no DICOM files", got="files of other kinds only")
    return units


def _path_of(source: Source) -> Path:
    assert isinstance(source, FileSource | MemberSource)
    return source.path if isinstance(source, FileSource) else source.archive


def _path_of_study(
    sources: Sequence[Source], study: StudyFiles, owners: dict[Path, set[str]]
) -> Path | None:
    paths = {_path_of(source) for source in sources}
    if len(paths) == 1:
        return next(iter(paths))
    folders = {path.parent for path in paths}
    folder = next(iter(folders))
    return folder if len(folders) == 1 and owners[folder] == {study.key} else None


def _unit(
    name: str, sources: Sequence[Source], study: StudyFiles | None, path: Path | None
) -> _Unit:
    headers = [_header(source) for source in sources]
    patients = {one["patient_id"] for one in headers if "patient_id" in one}
    if len(patients) > 1:
        raise DataError(
            "the files of one study name two patients",
            got=f"study {name}",
            cure="give each patient's study its own StudyInstanceUID",
        )
    said = {column: value for one in reversed(headers) for column, value in one.items()}
    return _Unit(
        name=name,
        identifiers={column: said[column] for column in IDENTIFIERS if column in said},
        device=said.get("device"),
        date=said.get("date"),
        files=study,
        path=path,
    )


def _header(source: Source) -> dict[str, str]:
    """Return what the header of a file says of its study, without what it does not say."""
    with as_unreadable("the DICOM header cannot be understood"):
        dataset = read_header(source, DEFAULT_LIMITS).dataset
        device = [text_of(dataset, key) for key in ("Manufacturer", "ManufacturerModelName")]
        found = {
            "file": source.name,
            "study_instance_uid": text_of(dataset, "StudyInstanceUID"),
            "accession_number": text_of(dataset, "AccessionNumber"),
            "patient_id": text_of(dataset, "PatientID"),
            "device": " ".join(part for part in device if part),
            "date": _date(text_of(dataset, "StudyDate")),
        }
    return {column: value for column, value in found.items() if value}


def _date(text: str | None) -> str | None:
    try:
        return datetime.strptime(text or "", "%Y%m%d").date().isoformat()
    except ValueError:
        return None


def _assign(
    lines: Sequence[Line], units: Sequence[_Unit], key: str, root: Path, problems: Problems
) -> list[tuple[Line, _Unit]]:
    """Give each line its study; whatever is left over on either side is a problem."""
    by_key: dict[str, list[_Unit]] = defaultdict(list)
    for unit in units:
        if key in unit.identifiers:
            by_key[unit.identifiers[key]].append(unit)
    assigned: list[tuple[Line, _Unit]] = []
    line_of: dict[str, Line] = {}
    for line in lines:
        try:
            unit = _unit_of(line, by_key, key, root)
        except ValueError as error:
            problems.add(line.place(key), str(error))
            continue
        first = line_of.setdefault(unit.name, line)
        if first is not line:
            problems.add(f"lines {first.number} and {line.number}", "are about one study")
            continue
        for column in IDENTIFIERS:
            said = unit.identifiers.get(column)
            if column != key and line[column] and said is not None and line[column] != said:
                problems.add(line.place(column), f"is not what the files of its {key} say")
        assigned.append((line, unit))
    if not len(problems):
        for unit in units:
            if unit.name not in line_of:
                kind = "file" if key == "file" else "study"
                problems.add(
                    f"{kind} {unit.name}",
                    "has no line; an unlabelled one is not normal: write unknown to leave it out",
                )
    return assigned


def _unit_of(line: Line, by_key: dict[str, list[_Unit]], key: str, root: Path) -> _Unit:
    value = line[key]
    if not value:
        raise ValueError("is empty")
    if key == "file":
        value = str(inside(root, value))
    found = by_key.get(value, [])
    if not found and key == "file":
        # A file whose header cannot be read is a case all the same, and says so when it is opened.
        return _Unit(value, {}, None, None, None, root / value)
    if not found:
        raise ValueError("no DICOM file here belongs to it")
    if len(found) > 1:
        cure = "study_instance_uid" if key != "study_instance_uid" else "file"
        raise ValueError(f"fits {len(found)} studies; tell them apart by {cure}")
    return found[0]


def _case(line: Line, unit: _Unit, keys: PatientKeys, problems: Problems) -> Case | None:
    label = parse_label(line, problems)
    region = parse(line, "region", rows.regions, problems)
    view = parse(line, "view", rows.views, problems)
    hardware = parse(line, "hardware", rows.yes_or_no, problems)
    split = parse(line, "split", rows.part, problems)
    date = parse(line, "date", rows.day, problems)
    if label is None or len(problems):
        return None
    patient = unit.identifiers.get("patient_id") or line["patient_id"]
    path = unit.path
    if unit.files is not None:
        read = unit.files.open
    else:
        assert path is not None
        read = partial(open_film, path)
    return Case(
        name=unit.name,
        reference=Reference(
            fracture=label,
            boxes=None if label else (),
            regions=region or (),
            hardware=hardware,
            views=view or (),
        ),
        patient_key=keys.of(patient) if patient else key_of_film(unit.name),
        open=read,
        group=line["group"] or unit.device,
        date=date or unit.date,
        split=split,
        path=path,
    )
