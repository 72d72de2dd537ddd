"""Survey of a table of images: every line that a loader refuses is noted, the rest is read."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from fracturax.core.audit import Pixels, TableConflict
from fracturax.core.errors import DataError
from fracturax.datasets import rows
from fracturax.datasets.csv_table import ALIASES, BOX_COLUMNS, COLUMNS, REQUIRED, table_in
from fracturax.datasets.files import inside
from fracturax.datasets.rows import Line, parse, parse_label, read_table
from fracturax.datasets.salt import PatientKeys
from fracturax.datasets.survey import (
    Claim,
    NotedProblems,
    Outline,
    Survey,
    SurveyedFilm,
    image_files,
    outline_conflicts,
    unlisted_films,
)
from fracturax.imaging.kind import claims_to_be_image
from fracturax.imaging.source import clean_name


def survey_csv(root: Path) -> Survey:
    """Survey images that a table names, with their labels.

    Patients are told apart by keys that live as long as the audit does.

    Args:
        root: The folder that holds the table, or the table itself.
    """
    conflicts: list[TableConflict] = []
    base = root.parent if root.is_file() else root
    lines_of: dict[str, list[Line]] = {}
    try:
        path = root if root.is_file() else table_in(root)
        problems = NotedProblems(path.name, conflicts)
        table = read_table(
            path, known=COLUMNS, required=REQUIRED, aliases=ALIASES, problems=problems
        )
    except DataError as error:
        conflicts.append(TableConflict("tables_cannot_be_read", "the table", str(error)))
    else:
        for line in table.lines:
            _sort(line, base, lines_of, conflicts, path.name)
    keys = PatientKeys(secrets.token_hex(16))
    films = [
        _film(name, lines, keys, conflicts, "the table" if not lines else path.name)
        for name, lines in lines_of.items()
    ]
    for film in films:
        conflicts.extend(outline_conflicts(film))
    films += unlisted_films((file for file in image_files(base) if file not in lines_of), conflicts)
    sides = {
        name: words
        for name, lines in lines_of.items()
        if (words := _sides(lines, NotedProblems("the table", conflicts, file=name)))
    }
    return Survey(
        "csv",
        tuple(films),
        tuple(conflicts),
        {"the column split": sides} if sides else {},
        knows_patients=any(film.patient for film in films),
    )


def _sort(
    line: Line,
    base: Path,
    lines_of: dict[str, list[Line]],
    conflicts: list[TableConflict],
    table: str,
) -> None:
    """Put a line to the image it names, or note why it names none."""
    try:
        lines_of.setdefault(str(inside(base, line["image"])), []).append(line)
    except ValueError as error:
        place = f"{clean_name(table)}, {line.place('image')}"
        entry = clean_name(line["image"])
        # A cell is quoted if it is plainly the name of a file: it may be that of a patient.
        if "not there" in str(error) and PurePosixPath(entry).suffix and claims_to_be_image(entry):
            words = f"line {line.number} of {clean_name(table)} lists it, and no file is there"
            conflicts.append(TableConflict("listed_but_absent", entry, words))
        else:
            conflicts.append(TableConflict("row_cannot_be_read", place, str(error)))


def _film(
    name: str, lines: Sequence[Line], keys: PatientKeys, conflicts: list[TableConflict], table: str
) -> SurveyedFilm:
    problems = NotedProblems(table, conflicts, file=name)
    labels = [(line, parse_label(line, problems)) for line in lines]
    claims = tuple(
        Claim(f"line {line.number}", label) for line, label in labels if label is not None
    )
    boxes = [box for line in lines if (box := _box(line, problems)) is not None]
    if len({claim.fracture for claim in claims}) > 1:
        words = f"its {len(lines)} lines contradict each other about its label"
        conflicts.append(TableConflict("table_against_itself", name, words, name))
    elif len(lines) > max(len(boxes), 1):
        words = f"{table} has {len(lines)} lines of it and {len(boxes)} boxes"
        conflicts.append(TableConflict("listed_twice", name, words, name))
    if boxes and claims and not any(claim.fracture for claim in claims):
        words = f"{table} calls it normal and gives {len(boxes)} box{'es' * (len(boxes) > 1)}"
        conflicts.append(TableConflict("table_against_annotation", name, words, name))
        claims = (*claims, Claim("the boxes", True))
    patient = next((line["patient"] for line in lines if line["patient"]), "")
    study = next((line["study"] for line in lines if line["study"]), "")
    return SurveyedFilm(
        name=name,
        file=name,
        claims=claims,
        folder=str(PurePosixPath(name).parent),
        attributes=_attributes(lines[0], problems),
        # Marked, so that a study never gets the key of a patient of the same number.
        patient=keys.of(f"patient {patient}")
        if patient
        else keys.of(f"study {study}")
        if study
        else None,
        outlines=tuple(Outline(box) for box in boxes),
    )


def _sides(lines: Sequence[Line], problems: NotedProblems) -> tuple[str, ...]:
    said = (parse(line, "split", rows.part, problems) for line in lines)
    return tuple(dict.fromkeys(side for side in said if side is not None))


def _box(line: Line, problems: NotedProblems) -> Pixels | None:
    given = [column for column in BOX_COLUMNS if line[column]]
    if not given:
        return None
    sides = [parse(line, column, rows.number, problems) for column in BOX_COLUMNS]
    if len(given) < len(BOX_COLUMNS):
        problems.add(f"line {line.number}", "has a part of the sides of a box")
    top, left, bottom, right = sides
    if top is None or left is None or bottom is None or right is None:
        return None
    return (top, left, bottom, right)


def _attributes(line: Line, problems: NotedProblems) -> Mapping[str, str]:
    region = parse(line, "region", rows.regions, problems) or ()
    view = parse(line, "view", rows.views, problems) or ()
    hardware = parse(line, "hardware", rows.yes_or_no, problems)
    attributes = {
        "region": " + ".join(region),
        "view": " + ".join(view),
        "hardware": {None: "", True: "hardware", False: "no hardware"}[hardware],
        "group": line["group"],
    }
    return {name: value for name, value in attributes.items() if value}
