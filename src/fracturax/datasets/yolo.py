"""One's own images with YOLO labels: a text file beside each image, in shares of its sides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fracturax.core.case import Case, Polygon, Reference
from fracturax.core.errors import DataError, ImageError
from fracturax.core.geometry import Box
from fracturax.datasets.class_names import read_class_names
from fracturax.datasets.files import folder_at, folders_in, image_files, open_film, read_text
from fracturax.datasets.problems import Problems
from fracturax.datasets.salt import key_of_film
from fracturax.datasets.words import (
    OTHER_CLASSES,
    BoxClass,
    box_class_of,
    cases_of_split,
    is_split_word,
    no_such_split,
    split_of_word,
)
from fracturax.imaging.size import image_size
from fracturax.imaging.source import clean_name

_NAMES_FILES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt")
_LARGEST_LABEL_BYTES = 16 << 20
_ROUNDING = 1e-3
_NO_LABELS = (".cache", "classes.txt")


@dataclass(frozen=True)
class Part:
    """A folder of images, the folder of their labels, and the part of the data they are."""

    images: Path
    labels: Path
    split: str | None


@dataclass(frozen=True)
class _Mark:
    """A fracture in shares of the image's height and width: a ring of points, drawn or a box."""

    points: tuple[tuple[float, float], ...]
    is_drawn: bool


def open_yolo(root: Path, *, split: str = "all") -> tuple[Case, ...]:
    """Open images with YOLO labels; a case is an image.

    Folders: `images/` and `labels/`, with a folder per part in both or without; or `train/`,
    `valid/`, `test/` with `images/` and `labels/` in each. The folders say which part an image is;
    paths in `data.yaml` are not followed, only its `names` are read (else `classes.txt`).

    A line is `class x y width height` or `class x y x y x y ...`, in shares of the image's sides.
    An image without a label file, or with an empty one, is normal: that is what YOLO means. But a
    folder of images without any label file is unlabelled, and an error. A class is a fracture if
    its name says so (`box_class_of`); boxes of a normal class and of `OTHER_CLASSES` are left
    out; a box of a class whose name does not tell is an error. Where the size of a fractured image
    cannot be read, its fractures are unmarked.

    Args:
        root: The folder of the data set.
        split: `all`, or a part.

    Raises:
        DataError: If folders or names are missing, or up to twenty problems by file and line.
    """
    parts = parts_of(folder_at(root))
    if not parts:
        raise DataError(
            "these are no images with YOLO labels",
            got=f"no images/ and labels/ in {clean_name(root.name) or 'the folder'}",
            cure="give the folder that holds them",
        )
    if split != "all":
        chosen = [part for part in parts if part.split == split_of_word(split)]
        if not chosen:
            known = {part.split for part in parts if part.split}
            raise no_such_split(split, known, data="the YOLO data set")
        parts = chosen
    classes = [box_class_of(name) for name in class_names(root, parts)]
    problems = Problems("the YOLO data set", cure="correct the labels and export them again")
    cases = [case for part in parts for case in _cases(root, part, classes, problems)]
    problems.check()
    return cases_of_split(cases, "all", data="the YOLO data set")


def is_yolo(root: Path) -> bool:
    """Whether there are `images/` and `labels/`, here or in a part of the data."""
    if not root.is_dir():
        return False
    parts = [folder for folder in folders_in(root) if is_split_word(folder.name)]
    return any(
        (folder / "images").is_dir() and (folder / "labels").is_dir() for folder in [root, *parts]
    )


def parts_of(root: Path) -> list[Part]:
    """Return the folders of images with those of their labels.

    Raises:
        DataError: If an image lies outside the parts.
    """
    found: list[Part] = []
    for folder in [root, *folders_in(root)]:
        images, labels = folder / "images", folder / "labels"
        if folder != root and not is_split_word(folder.name):
            continue
        if not images.is_dir():
            continue
        if folder != root:
            found.append(Part(images, labels, split_of_word(folder.name)))
            continue
        inner = [one for one in folders_in(images) if is_split_word(one.name)]
        found += [Part(one, labels / one.name, split_of_word(one.name)) for one in inner]
        if not inner:
            found.append(Part(images, labels, None))
        elif strays := [path for path in image_files(images, root=root) if path.parent == images]:
            raise DataError(
                "an image lies outside the parts of the data set",
                got=clean_name(strays[0].name),
                cure=f"the parts are {', '.join(one.name for one in inner)}",
            )
    return found


def class_names(root: Path, parts: Sequence[Part]) -> tuple[str, ...]:
    """Return the names of the classes, in the order of their numbers.

    Raises:
        DataError: If nothing says them.
    """
    beside = [part.labels / "classes.txt" for part in parts]
    known = [*(root / name for name in _NAMES_FILES), root / "labels" / "classes.txt", *beside]
    for path in known:
        if path.is_file():
            return read_class_names(path)
    others = sorted([*root.glob("*.yaml"), *root.glob("*.yml")])
    if len(others) == 1:
        return read_class_names(others[0])
    raise DataError(
        "nothing says what the class numbers of the YOLO labels mean",
        got="no data.yaml and no classes.txt" if not others else f"{len(others)} YAML files",
        cure='write data.yaml with names: ["fracture"]',
    )


def _cases(
    root: Path, part: Part, classes: Sequence[BoxClass | None], problems: Problems
) -> Iterator[Case]:
    images = image_files(part.images, root=root)
    labels = label_files(part.labels)
    if images and not labels:
        raise DataError(
            "a folder of images has no label file, and an image without labels is not normal",
            got=clean_name(part.images.relative_to(root).as_posix()),
            cure=f"put the labels into {clean_name(part.labels.relative_to(root).as_posix())}, "
            "or take the images away",
        )
    for path in images:
        label = part.labels / path.relative_to(part.images).with_suffix(".txt")
        marks = _marks(root, label, classes, problems) if label in labels else []
        yield _case(root, path, marks, part.split)
    wanted = {part.labels / path.relative_to(part.images).with_suffix(".txt") for path in images}
    for label in sorted(labels - wanted):
        problems.add(clean_name(label.relative_to(root).as_posix()), "belongs to no image")


def label_files(folder: Path) -> set[Path]:
    """Return the label files below a folder."""
    found = folder.rglob("*.txt") if folder.is_dir() else ()
    return {path for path in found if path.is_file() and path.name not in _NO_LABELS}


def _case(root: Path, path: Path, marks: Sequence[_Mark], split: str | None) -> Case:
    name = path.relative_to(root).as_posix()
    boxes: tuple[Box, ...] | None = ()
    polygons: tuple[Polygon, ...] = ()
    if marks:
        try:
            rows, columns = image_size(path)
        except ImageError:
            boxes = None  # the case itself will say, when it is opened, why it cannot be read
        else:
            rings = [_ring(mark, rows, columns) for mark in marks]
            boxes = tuple(_box_around(ring) for ring in rings)
            polygons = tuple(ring for ring, mark in zip(rings, marks, strict=True) if mark.is_drawn)
    return Case(
        name=name,
        reference=Reference(fracture=bool(marks), boxes=boxes, polygons=polygons),
        patient_key=key_of_film(name),
        open=partial(open_film, path),
        split=split,
        path=path,
    )


def _ring(mark: _Mark, rows: int, columns: int) -> Polygon:
    return Polygon(tuple((row * rows, column * columns) for row, column in mark.points))


def _box_around(ring: Polygon) -> Box:
    rows, columns = zip(*ring.points, strict=True)
    return Box(min(rows), min(columns), max(rows), max(columns))


def _marks(
    root: Path, path: Path, classes: Sequence[BoxClass | None], problems: Problems
) -> list[_Mark]:
    """Return the fractures of a label file."""
    name = clean_name(path.relative_to(root).as_posix())
    if not path.resolve().is_relative_to(root.resolve()):
        problems.add(name, "is a link that leads out of the data set's folder")
        return []
    try:
        text = read_text(path, largest=_LARGEST_LABEL_BYTES)
    except DataError as error:
        problems.add(name, str(error))
        return []
    marks: list[_Mark] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            kind, mark = _mark(line.split(), classes)
        except ValueError as error:
            problems.add(f"{name}, line {number}", str(error))
            continue
        if kind == "fracture":
            marks.append(mark)
    return marks


def _mark(cells: list[str], classes: Sequence[BoxClass | None]) -> tuple[BoxClass, _Mark]:
    if len(cells) != 5 and (len(cells) < 7 or len(cells) % 2 == 0):
        raise ValueError(
            f"{len(cells)} values; must be class x y width height, or class and three points"
        )
    if not cells[0].isdecimal() or not cells[0].isascii() or int(cells[0]) >= len(classes):
        raise ValueError(f"the class must be a number from 0 to {len(classes) - 1}")
    kind = classes[int(cells[0])]
    if kind is None:
        raise ValueError(
            f"the name of class {int(cells[0])} does not say whether it is a fracture; put "
            f"'fracture' into it, or one of: {', '.join(sorted(OTHER_CLASSES))}"
        )
    try:
        values = [float(cell) for cell in cells[1:]]
    except ValueError:
        values = [math.nan]
    if not all(-_ROUNDING <= value <= 1 + _ROUNDING for value in values):  # NaN is not, either
        raise ValueError("a value that is no share of the image's side, from 0 to 1")
    if len(cells) > 5:
        points = tuple(zip(values[1::2], values[0::2], strict=True))
    else:
        column, row, width, height = values
        points = _corners(row, column, height, width)
    if any(max(axis) <= min(axis) for axis in zip(*points, strict=True)):
        raise ValueError("a box or outline without an area")
    return kind, _Mark(points, is_drawn=len(cells) > 5)


def _corners(
    row: float, column: float, height: float, width: float
) -> tuple[tuple[float, float], ...]:
    top, bottom = row - height / 2, row + height / 2
    left, right = column - width / 2, column + width / 2
    return ((top, left), (top, right), (bottom, right), (bottom, left))
