"""Survey of COCO annotations: every entry that a loader refuses is noted, the rest is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from fracturax.core.audit import TableConflict, TableConflictKind
from fracturax.core.errors import DataError
from fracturax.datasets.coco import annotation_files, image_folders, part_of, read_document
from fracturax.datasets.files import inside
from fracturax.datasets.survey import (
    Claim,
    Outline,
    Survey,
    SurveyedFilm,
    image_files,
    outline_conflicts,
    outline_of_coco,
    unlisted_films,
)
from fracturax.datasets.words import box_class_of
from fracturax.imaging.source import clean_name


@dataclass
class _Image:
    """What is said of one image, in all annotation files."""

    file: str
    size: tuple[int, int] | None
    sides: list[str] = field(default_factory=list)
    outlines: list[Outline] = field(default_factory=list)
    is_fractured: bool = False
    is_called_normal: bool = False


class _Surveyor:
    """Reads annotation files and notes what is wrong with them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images: dict[str, _Image] = {}
        self.conflicts: list[TableConflict] = []

    def note(self, kind: TableConflictKind, name: str, words: str, file: str = "") -> None:
        """Note a conflict."""
        self.conflicts.append(TableConflict(kind, clean_name(name), words, file))

    def read(self, path: Path) -> None:
        """Read one annotation file."""
        try:
            document = read_document(path)
        except DataError as error:
            self.note("tables_cannot_be_read", path.name, str(error))
            return
        if document is not None:
            by_id = self._images(path, document["images"])
            self._annotations(path, document, by_id)

    def _images(self, path: Path, entries: list[Any]) -> dict[Any, _Image | None]:
        by_id: dict[Any, _Image | None] = {}
        part = part_of(path, self.root)
        folders = image_folders(self.root, path, part)
        for index, entry in enumerate(entries):
            place = f"{path.name}, images[{index}]"
            try:
                key, name = entry["id"], str(entry["file_name"])
                is_known = key in by_id
            except (KeyError, TypeError):
                self.note("row_cannot_be_read", place, "needs an id and a file_name")
                continue
            if is_known:
                self.note("row_cannot_be_read", place, "its id is that of another image")
                continue
            file = self._file(name, folders)
            if file is None:
                self.note("listed_but_absent", name, f"{path.name} lists it, and no file is there")
                by_id[key] = None
                continue
            image = self.images.get(file)
            if image is None:
                image = self.images[file] = _Image(file, _size(entry))
            elif part is None or part in image.sides:
                self.note("listed_twice", file, f"{path.name} lists it again", file)
            if part is not None and part not in image.sides:
                image.sides.append(part)
            by_id[key] = image
        return by_id

    def _file(self, name: str, folders: list[str]) -> str | None:
        for folder in folders:
            try:
                return str(inside(self.root, name if folder == "." else f"{folder}/{name}"))
            except ValueError:
                continue
        return None

    def _annotations(
        self, path: Path, document: Mapping[str, list[Any]], by_id: Mapping[Any, _Image | None]
    ) -> None:
        names = {
            category["id"]: str(category.get("name", ""))
            for category in document["categories"]
            if isinstance(category, dict) and isinstance(category.get("id"), int | str)
        }
        unclear: set[str] = set()
        for index, annotation in enumerate(document["annotations"]):
            place = f"{path.name}, annotations[{index}]"
            try:
                image, name = by_id[annotation["image_id"]], names[annotation["category_id"]]
            except (KeyError, TypeError):
                words = "names an image or a category that is not listed"
                self.note("unknown_in_annotations", place, words)
                continue
            kind = box_class_of(name)
            if kind is None and name not in unclear:
                unclear.add(name)
                words = f"the category {clean_name(name)[:40]!r} may or may not be a fracture"
                self.note("row_cannot_be_read", place, words)
            if image is not None:
                self._add(image, kind, annotation, place)

    def _add(
        self, image: _Image, kind: str | None, annotation: Mapping[str, Any], place: str
    ) -> None:
        if kind == "normal":
            image.is_called_normal = True
        if kind != "fracture":
            return
        image.is_fractured = True
        outline = outline_of_coco(annotation)
        if outline is None:
            words = "has no box of four numbers or no outline of pairs"
            self.note("row_cannot_be_read", place, words, image.file)
        elif not annotation.get("iscrowd"):
            image.outlines.append(outline)


def survey_coco(root: Path) -> Survey:
    """Survey images with COCO annotations; one that is listed and has no fracture is normal.

    Args:
        root: The folder of the data set, or one annotation file.
    """
    base = root if root.is_dir() else root.parent
    if root.is_file() and base.name in ("annotations", "Annotations"):
        base = base.parent
    surveyor = _Surveyor(base)
    try:
        for path in annotation_files(root):
            surveyor.read(path)
    except DataError as error:
        surveyor.note("tables_cannot_be_read", "the annotations", str(error))
    films = [_film(image, surveyor) for image in surveyor.images.values()]
    for film in films:
        surveyor.conflicts.extend(outline_conflicts(film))
    strays = (file for file in image_files(base) if file not in surveyor.images)
    films += unlisted_films(strays, surveyor.conflicts)
    sides: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for image in surveyor.images.values():
        if image.sides:
            sides[image.file] = tuple(image.sides)
    splits = {"train, valid, test": dict(sides)} if sides else {}
    return Survey("coco", tuple(films), tuple(surveyor.conflicts), splits)


def _film(image: _Image, surveyor: _Surveyor) -> SurveyedFilm:
    claims = [Claim("the annotations", image.is_fractured)]
    if image.is_called_normal and image.is_fractured:
        words = "one annotation calls it normal, another marks a fracture"
        surveyor.note("table_against_itself", image.file, words, image.file)
        claims.append(Claim("an annotation", False))
    return SurveyedFilm(
        name=image.file,
        file=image.file,
        claims=tuple(claims),
        folder=str(PurePosixPath(image.file).parent),
        outlines=tuple(image.outlines),
        annotated_size=image.size,
    )


def _size(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    rows, columns = entry.get("height"), entry.get("width")
    return (rows, columns) if isinstance(rows, int) and isinstance(columns, int) else None
