"""Survey of YOLO labels: every line that a loader refuses is noted, the rest is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fracturax.core.audit import TableConflict
from fracturax.core.errors import DataError, ImageError
from fracturax.datasets.files import read_text
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
from fracturax.datasets.words import BoxClass, box_class_of
from fracturax.datasets.yolo import Part, class_names, label_files, parts_of
from fracturax.imaging.size import image_size


def survey_yolo(root: Path) -> Survey:
    """Survey images with YOLO labels; one without a label file, or with an empty one, is normal.

    Args:
        root: The folder of the data set.
    """
    conflicts: list[TableConflict] = []
    films: dict[str, SurveyedFilm] = {}
    sides: dict[str, tuple[str, ...]] = {}
    classes: list[BoxClass | None] = []
    parts: Sequence[Part] = ()
    try:
        parts = parts_of(root)
        names = class_names(root, parts)
        classes = [box_class_of(name) for name in names]
        for number, kind in enumerate(classes):
            if kind is None:
                words = f"the name of class {number} does not say whether it is a fracture"
                conflicts.append(TableConflict("row_cannot_be_read", "the class names", words))
    except DataError as error:
        conflicts.append(TableConflict("tables_cannot_be_read", "the labels", str(error)))
    for part in parts:
        for film in _films(root, part, classes, conflicts):
            films[film.file] = film
            if part.split is not None:
                sides[film.file] = (part.split,)
    for film in films.values():
        conflicts.extend(outline_conflicts(film))
    strays = (file for file in image_files(root) if file not in films)
    every = [*films.values(), *unlisted_films(strays, conflicts)]
    splits = {"train, valid, test": sides} if sides else {}
    return Survey("yolo", tuple(every), tuple(conflicts), splits)


def _films(
    root: Path, part: Part, classes: Sequence[BoxClass | None], conflicts: list[TableConflict]
) -> list[SurveyedFilm]:
    found = label_files(part.labels)
    images = [part.images / file for file in image_files(part.images)]
    if images and not found:
        folder = part.images.relative_to(root).as_posix()
        words = "no label file belongs to it, and an image without labels is not normal"
        conflicts.append(TableConflict("tables_cannot_be_read", folder, words))
    films = []
    has_labels = bool(found)
    for path in images:
        label = part.labels / path.relative_to(part.images).with_suffix(".txt")
        file = path.relative_to(root).as_posix()
        marked = _marks(root, path, label, classes, conflicts) if label in found else []
        found.discard(label)
        films.append(
            SurveyedFilm(
                name=file,
                file=file,
                claims=(Claim("the labels", marked is None or bool(marked)),) * has_labels,
                folder=str(PurePosixPath(file).parent),
                outlines=tuple(marked or ()),
            )
        )
    for label in sorted(found):
        name = label.relative_to(root).as_posix()
        conflicts.append(
            TableConflict("unknown_in_annotations", name, "the label file belongs to no image")
        )
    return films


def _marks(
    root: Path,
    image: Path,
    label: Path,
    classes: Sequence[BoxClass | None],
    conflicts: list[TableConflict],
) -> list[Outline] | None:
    """Return the fractures of a label file in pixels; None where they are somewhere unknown."""
    file = image.relative_to(root).as_posix()
    name = label.relative_to(root).as_posix()
    problems = NotedProblems(name, conflicts, file=file)
    try:
        text = read_text(label)
    except DataError as error:
        problems.add("the file", str(error))
        return []
    rings = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            kind, ring = _ring(line.split(), classes)
        except ValueError as error:
            problems.add(f"line {number}", str(error))
            continue
        if kind == "fracture":
            rings.append((ring, len(line.split()) > 5))
    if not rings:
        return []
    try:
        rows, columns = image_size(image)
    except ImageError:
        return None
    return [_outline(ring, rows, columns, is_drawn=is_drawn) for ring, is_drawn in rings]


def _ring(
    cells: list[str], classes: Sequence[BoxClass | None]
) -> tuple[BoxClass | None, list[tuple[float, float]]]:
    """Return the class and the points of a line, as shares of the sides, wherever they lie."""
    if len(cells) != 5 and (len(cells) < 7 or len(cells) % 2 == 0):
        raise ValueError(f"has {len(cells)} values")
    if not cells[0].isdecimal() or int(cells[0]) >= len(classes):
        raise ValueError(f"its class is no number from 0 to {len(classes) - 1}")
    values = [float(cell) for cell in cells[1:]]
    if not all(map(math.isfinite, values)):
        raise ValueError("holds a value that is no number")
    kind = classes[int(cells[0])]
    if len(cells) > 5:
        return kind, list(zip(values[1::2], values[0::2], strict=True))
    column, row, width, height = values
    top, left = row - height / 2, column - width / 2
    return kind, [(top, left), (top + height, left + width)]


def _outline(
    ring: Sequence[tuple[float, float]], rows: int, columns: int, *, is_drawn: bool
) -> Outline:
    points = [(row * rows, column * columns) for row, column in ring]
    # A box of two corners keeps their order: one of no area has to show.
    down, across = [point[0] for point in points], [point[1] for point in points]
    if is_drawn:
        return Outline((min(down), min(across), max(down), max(across)), tuple(points))
    return Outline((down[0], across[0], down[1], across[1]))
