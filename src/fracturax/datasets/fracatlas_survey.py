"""Survey of FracAtlas as released: every contradiction of its tables noted, none refused."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fracturax.core.anatomy import REGIONS
from fracturax.core.audit import TableConflict, TableConflictKind
from fracturax.datasets.fracatlas import ANNOTATIONS, COLUMNS, SPLITS, VIEWS
from fracturax.datasets.fracatlas_formats import differ, other_formats
from fracturax.datasets.survey import (
    Claim,
    Outline,
    Survey,
    SurveyedFilm,
    image_files,
    outline_conflicts,
    outline_of_coco,
)

_TABLE = "dataset.csv"
_FOLDERS = {"images/Fractured": True, "images/Non_fractured": False}
_FLAGS = tuple(column for column in COLUMNS if column not in ("image_id", "fracture_count"))


@dataclass(frozen=True)
class _Annotated:
    """What the COCO annotations say of one image."""

    size: tuple[int, int] | None
    outlines: tuple[Outline, ...]


class _Conflicts(list[TableConflict]):
    """Collects conflicts."""

    def note(self, kind: TableConflictKind, name: str, words: str, file: str = "") -> None:
        self.append(TableConflict(kind, name, words, file))


def survey_fracatlas(root: Path) -> Survey:
    """Survey a copy of FracAtlas.

    The label of a film is claimed by its folder, by `dataset.csv` and, where a fracture is
    outlined, by the annotations.

    Args:
        root: The folder that holds `dataset.csv` and `images/`.

    References:
        Abedeen et al., Scientific Data 10, 521 (2023).
    """
    conflicts = _Conflicts()
    rows = _read_rows(root / _TABLE, conflicts)
    files = defaultdict(list)
    for file in image_files(root):
        files[PurePosixPath(file).name].append(file)
    annotated = _read_annotations(root / ANNOTATIONS, conflicts)
    films = [
        film
        for name, several in rows.items()
        for film in _listed(name, several, files.pop(name, []), annotated.get(name), conflicts)
    ]
    if rows:
        for name in sorted(annotated.keys() - rows.keys()):
            words = f"{ANNOTATIONS.name} annotates it, {_TABLE} does not list it"
            conflicts.note("unknown_in_annotations", name, words)
    where = {PurePosixPath(film.file).name: film.file for film in films if film.file}
    _compare_formats(root, annotated, where, conflicts)
    films += _unlisted(files, conflicts, has_table=bool(rows))
    for film in films:
        conflicts.extend(outline_conflicts(film))
    splits = _read_splits(root / SPLITS, {film.name for film in films if film.is_listed}, conflicts)
    return Survey("fracatlas", tuple(films), tuple(conflicts), splits)


def _listed(
    image_id: str,
    rows: list[Mapping[str, str]],
    files: list[str],
    annotated: _Annotated | None,
    conflicts: _Conflicts,
) -> Iterator[SurveyedFilm]:
    """Yield the film of a row, once for each file of that name, and note what contradicts it."""
    row, name = rows[0], PurePosixPath(image_id).stem
    said = [_flag(one["fractured"]) for one in rows]
    claims = [Claim(_TABLE, label) for label in said if label is not None]
    outlines = annotated.outlines if annotated is not None else ()
    where = files[0] if files else ""
    _check_row(name, where, rows, outlines, conflicts)
    if outlines:
        claims.append(Claim("the annotations", True))
        if said[0] is False:
            words = f"{_TABLE} says not fractured, the annotations outline {len(outlines)} fracture"
            conflicts.note("table_against_annotation", name, words + _s(len(outlines)), where)
    if not files:
        conflicts.note("listed_but_absent", name, f"{_TABLE} lists it, and no file is there")
    if len(files) > 1:
        conflicts.note("stored_twice", name, f"lies at {' and at '.join(files)}", where)
    for file in files or [""]:
        of_folder = _FOLDERS.get(str(PurePosixPath(file).parent))
        if of_folder is not None and said[0] is not None and of_folder != said[0]:
            words = f"{_TABLE} says {_word(said[0])}, the folder says {_word(of_folder)}"
            conflicts.note("folder_against_table", name, words, file)
        yield SurveyedFilm(
            name=name,
            file=file,
            claims=(*claims, *([] if of_folder is None else [Claim("the folder", of_folder)])),
            folder=_folder(file),
            attributes=_attributes(row),
            outlines=outlines,
            annotated_size=None if annotated is None else annotated.size,
        )


def _check_row(
    name: str,
    file: str,
    rows: list[Mapping[str, str]],
    outlines: tuple[Outline, ...],
    conflicts: _Conflicts,
) -> None:
    row = rows[0]
    if len(rows) > 1:
        apart = [column for column in COLUMNS if len({one[column] for one in rows}) > 1]
        words = f"{_TABLE} has {len(rows)} rows of it, " + (
            f"which differ in {', '.join(apart)}" if apart else "all alike"
        )
        conflicts.note("listed_twice", name, words, file)
    regions = [region for region in REGIONS if row[region] == "1"]
    if not regions:
        conflicts.note("table_against_itself", name, f"{_TABLE} names no region", file)
    mixed, fractured = _flag(row.get("mixed", "")), _flag(row["fractured"])
    if mixed is not None and mixed != (len(regions) > 1):
        words = f"mixed is {row['mixed']}, and {len(regions)} region{_s(len(regions))} are marked"
        conflicts.note("table_against_itself", name, words, file)
    count = int(row["fracture_count"]) if row["fracture_count"].isdigit() else None
    if count is not None and fractured is not None and (count > 0) != fractured:
        words = f"fractured is {row['fractured']}, fracture_count is {count}"
        conflicts.note("table_against_itself", name, words, file)
    elif count is not None and count != len(outlines):
        words = f"fracture_count is {count}, {len(outlines)} fracture{_s(len(outlines))} outlined"
        conflicts.note("count_against_boxes", name, words, file)


def _compare_formats(
    root: Path,
    annotated: Mapping[str, _Annotated],
    where: Mapping[str, str],
    conflicts: _Conflicts,
) -> None:
    """Note where another format of the annotations says what the COCO file does not."""
    sizes = {name: of.size for name, of in annotated.items()}
    for form, marked, wrong in other_formats(root, sizes):
        for file, reason in wrong.items():
            conflicts.note("row_cannot_be_read", f"{form}, {file}", reason)
        for name, theirs in marked.items():
            of = annotated.get(name)
            ours = [outline.box for outline in of.outlines] if of is not None else []
            words = differ(ours, theirs)
            if words:
                words = f"COCO and {form} differ: {words}"
                stem = PurePosixPath(name).stem
                conflicts.note("annotations_differ", stem, words, where.get(name, ""))


def _unlisted(
    files: Mapping[str, list[str]], conflicts: _Conflicts, *, has_table: bool
) -> Iterator[SurveyedFilm]:
    """Yield the films that no row lists; without any table the folders are all there is."""
    for several in files.values():
        for file in several:
            path = PurePosixPath(file)
            of_folder = _FOLDERS.get(str(path.parent))
            if has_table:
                words = f"the file is there, and {_TABLE} does not list it"
                conflicts.note("present_but_not_listed", path.stem, words, file)
            yield SurveyedFilm(
                name=path.stem,
                file=file,
                claims=() if of_folder is None else (Claim("the folder", of_folder),),
                is_listed=False,
                folder=_folder(file),
            )


def _read_rows(path: Path, conflicts: _Conflicts) -> dict[str, list[Mapping[str, str]]]:
    """Return the rows by image; a row that cannot be understood is noted and left out."""
    rows: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for line, row in _read_csv(path, COLUMNS, conflicts):
        wrong = [column for column in _FLAGS if row[column] not in ("0", "1")]
        if not row["fracture_count"].isdigit():
            wrong.append("fracture_count")
        if wrong:
            words = f"what stands under {', '.join(wrong)} is not allowed there"
            conflicts.note("row_cannot_be_read", f"{path.name}, line {line}", words)
        name = PurePosixPath(row["image_id"].replace("\\", "/")).name
        if name:
            rows[name].append(row)
        else:
            words = "it names no image"
            conflicts.note("row_cannot_be_read", f"{path.name}, line {line}", words)
    return dict(rows)


def _read_csv(
    path: Path, columns: Iterable[str], conflicts: _Conflicts
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells of the rows that have all columns."""
    try:
        text = path.read_bytes().decode("utf-8-sig", "replace")
    except OSError as error:
        conflicts.note("tables_cannot_be_read", path.name, f"{type(error).__name__}")
        return
    if "\ufffd" in text or "\0" in text:
        words = "it holds bytes that are no text in UTF-8"
        conflicts.note("tables_cannot_be_read", path.name, words)
    reader = csv.DictReader(io.StringIO(text.replace("\0", "\ufffd"), newline=""))
    try:
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            words = f"it lacks the column{_s(len(missing))} {', '.join(missing)}"
            conflicts.note("tables_cannot_be_read", path.name, words)
            return
        for row in reader:
            if None in row or any(row[column] is None for column in columns):
                words = f"it has {'too many' if None in row else 'too few'} cells"
                conflicts.note("row_cannot_be_read", f"{path.name}, line {reader.line_num}", words)
            elif any(row.values()):
                yield reader.line_num, {key: value.strip() for key, value in row.items()}
    except csv.Error as error:
        words = f"line {reader.line_num}: {error}"
        conflicts.note("tables_cannot_be_read", path.name, words)


def _read_annotations(path: Path, conflicts: _Conflicts) -> dict[str, _Annotated]:
    """Return what the COCO file says of each image; what makes no sense is noted and left out."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        images, annotations = document["images"], document["annotations"]
        by_id = {image["id"]: image for image in images}
        names = {key: str(PurePosixPath(image["file_name"]).name) for key, image in by_id.items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        conflicts.note("tables_cannot_be_read", path.name, f"{type(error).__name__}: {error}")
        return {}
    outlines: dict[str, list[Outline]] = {name: [] for name in names.values()}
    for number, annotation in enumerate(annotations, start=1):
        outline = outline_of_coco(annotation) if isinstance(annotation, dict) else None
        name = names.get(annotation.get("image_id")) if isinstance(annotation, dict) else None
        if outline is None:
            words = f"annotation {number} has no box of four numbers or no outline of pairs"
            conflicts.note("row_cannot_be_read", name or f"annotation {number}", words)
        elif name is None:
            words = f"annotation {number} is of an image that {path.name} does not list"
            conflicts.note("unknown_in_annotations", f"annotation {number}", words)
        else:
            outlines[name].append(outline)
    return {
        names[key]: _Annotated(_size(image), tuple(outlines[names[key]]))
        for key, image in by_id.items()
    }


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    rows, columns = image.get("height"), image.get("width")
    return (rows, columns) if isinstance(rows, int) and isinstance(columns, int) else None


def _read_splits(
    folder: Path, known: set[str], conflicts: _Conflicts
) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the split of the authors: the sides of each film, one as a rule."""
    sides_of: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.glob("*.csv")):
        for line, row in _read_csv(path, ("image_id",), conflicts):
            name = PurePosixPath(row["image_id"]).stem
            if name not in known:
                words = f"{path.name}, line {line}, names a film that {_TABLE} does not list"
                conflicts.note("unknown_in_split", name, words)
                continue
            before = sides_of.get(name, ())
            sides_of[name] = before if path.stem in before else (*before, path.stem)
    return {folder.name: sides_of} if sides_of else {}


def _attributes(row: Mapping[str, str]) -> dict[str, str]:
    attributes = {
        "region": " + ".join(region for region in REGIONS if row[region] == "1"),
        "view": " + ".join(view for view in VIEWS if row[view] == "1"),
        "hardware": {"1": "hardware", "0": "no hardware"}.get(row["hardware"], ""),
    }
    return {name: value for name, value in attributes.items() if value}


def _folder(file: str) -> str:
    """Return a file's folder without the part that is the label."""
    parent = str(PurePosixPath(file).parent)
    return "images" if parent in _FOLDERS else parent


def _flag(cell: str) -> bool | None:
    return {"0": False, "1": True}.get(cell)


def _word(fracture: bool) -> str:
    return "fractured" if fracture else "not fractured"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
