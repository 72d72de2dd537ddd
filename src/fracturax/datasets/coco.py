"""One's own images with COCO annotations: boxes and outlines in JSON."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fracturax.core.case import Case, Polygon, Reference
from fracturax.core.errors import DataError, GeometryError
from fracturax.core.geometry import Box
from fracturax.datasets.files import folder_at, folders_in, inside, open_film, read_json
from fracturax.datasets.problems import Problems
from fracturax.datasets.salt import key_of_film
from fracturax.datasets.words import (
    OTHER_CLASSES,
    box_class_of,
    cases_of_split,
    is_split_word,
    no_such_split,
    split_of_word,
)
from fracturax.imaging.source import clean_name

_ROBOFLOW = "_annotations.coco.json"
_FOLDERS = ("annotations", "Annotations")
_HEAD_CHARACTERS = 1 << 16
_LOOKS_LIKE_COCO = re.compile(r'"(images|annotations|categories)"\s*:\s*\[')
_PART_IN_NAME = re.compile(r"(?:^|[^a-z])(train|valid|val|test)(?:ing|idation)?(?![a-z])")
_LARGEST_SIDE = 1e9
_LISTS = ("images", "annotations", "categories")
_CURE = "correct the annotations and export them again"


def open_coco(root: Path, *, split: str = "all") -> tuple[Case, ...]:
    """Open images with COCO annotations; a case is an image that an annotation file lists.

    Annotation files: `_annotations.coco.json` in the folder of each part (Roboflow), else
    `annotations/*.json`, else `*.json` at the top; JSON of another kind is left out. A file, or
    its folder, whose name has the word `train`, `valid`, `val` or `test` is that part. An image is
    looked for beside the file, in the root, in `images/`, and in the part's folder of either.

    An image that is listed without an annotation is normal: that is what COCO means. A category
    is a fracture if its name says so (`box_class_of`); boxes of a normal class and of
    `OTHER_CLASSES` are left out; a box of a category whose name does not tell is an error.
    Polygons are outlines. A mask in RLE is not read, its box is. `iscrowd` marks fractures that
    are not told apart: such an image is fractured with unmarked fractures.

    Args:
        root: The folder of the data set, or one annotation file.
        split: `all`, or a part.

    Raises:
        DataError: If there is no annotation file, or up to twenty problems in one.
    """
    files = annotation_files(root)
    base = root if root.is_dir() else root.parent
    if root.is_file() and base.name in _FOLDERS:
        base = base.parent
    cases: list[Case] = []
    listed: dict[str, Path] = {}
    for path in files:
        word = part_of(path, base)
        if split != "all" and split_of_word(split) != word:
            continue
        document = read_document(path)
        if document is None:
            continue
        for case in _Reader(base, path, word, document).cases():
            other = listed.setdefault(case.name, path)
            if other != path:
                raise DataError(
                    "an image stands in two annotation files",
                    got=f"{clean_name(other.name)} and {clean_name(path.name)}",
                    cure="keep one, or give the file itself instead of its folder",
                )
            cases.append(case)
    if split != "all" and not cases:
        words = {part_of(path, base) for path in files}
        raise no_such_split(split, {word for word in words if word}, data="the COCO data set")
    return cases_of_split(cases, split, data="the COCO data set")


def is_coco(root: Path) -> bool:
    """Whether there is a COCO annotation file at one of the usual places."""
    try:
        return any(_begins_like_coco(path) for path in annotation_files(root))
    except DataError:
        return False


def box_of(xywh: Sequence[float]) -> Box:
    """Return the box of a COCO `bbox`: left, top, width, height.

    Example:
        >>> box_of([10, 20, 30, 40])
        Box(row_min=20, column_min=10, row_max=60, column_max=40)
    """
    column, row, width, height = xywh
    return Box(row, column, row + height, column + width)


def polygon_of(ring: Sequence[float]) -> Polygon:
    """Return the outline of a COCO ring `x, y, x, y, ...`.

    Example:
        >>> polygon_of([1, 2, 3, 4, 5, 6]).points
        ((2.0, 1.0), (4.0, 3.0), (6.0, 5.0))
    """
    points = zip(ring[1::2], ring[0::2], strict=True)
    return Polygon(tuple((float(row), float(column)) for row, column in points))


def annotation_files(root: Path) -> list[Path]:
    """Return the annotation files of a folder, or the one that was given.

    Raises:
        DataError: If there is none.
    """
    if root.is_file() and root.suffix.lower() == ".json":
        return [root]
    folder_at(root)
    found = [folder / _ROBOFLOW for folder in [root, *folders_in(root)]]
    found = [path for path in found if path.is_file()]
    if not found:
        for folder in _FOLDERS:
            found += sorted(path for path in (root / folder).glob("*.json") if path.is_file())
    found = found or sorted(path for path in root.glob("*.json") if path.is_file())
    found = [path for path in found if _begins_like_coco(path)]
    if not found:
        raise DataError(
            "there is no COCO annotation file",
            got=f"none in {clean_name(root.name) or 'the folder'}",
            cure=f"put it into annotations/, or {_ROBOFLOW} into each part's folder",
        )
    return found


def _begins_like_coco(path: Path) -> bool:
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        return _LOOKS_LIKE_COCO.search(stream.read(_HEAD_CHARACTERS)) is not None


def read_document(path: Path) -> dict[str, list[Any]] | None:
    """Read an annotation file; None for JSON that lists no images."""
    document = read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        return None
    missing = [key for key in _LISTS if not isinstance(document.get(key), list)]
    if missing:
        # What COCO gives for its test part: images nobody has labelled, which are not normal.
        raise DataError(
            f"{clean_name(path.name)} lists images and lacks what is known of them",
            got=f"no list {', '.join(missing)}",
            cure="export it with its annotations, or take the file away",
        )
    return {key: document[key] for key in _LISTS}


def part_of(path: Path, base: Path) -> str | None:
    """Return the part of the data set that a file's folder or name tells."""
    if path.parent != base and is_split_word(path.parent.name):
        return split_of_word(path.parent.name)
    found = set(_PART_IN_NAME.findall(path.stem.lower()))
    return split_of_word(found.pop()) if len(found) == 1 else None


@dataclass
class _Marks:
    """What the annotations of one image say."""

    boxes: list[Box] = field(default_factory=list)
    polygons: list[Polygon] = field(default_factory=list)
    is_crowded: bool = False


class _Reader:
    """Reads one annotation file.

    Args:
        root: The folder no image may lie outside of.
        path: The file.
        part: The part of the data set it holds.
        document: What it says.
    """

    def __init__(
        self, root: Path, path: Path, part: str | None, document: Mapping[str, list[Any]]
    ) -> None:
        self._root, self._part, self._document = root, part, document
        self._problems = Problems(clean_name(path.name), cure=_CURE)
        self._folders = image_folders(root, path, part)

    def cases(self) -> list[Case]:
        """Return a case an image.

        Raises:
            DataError: With up to twenty problems.
        """
        names = self._images()
        marks = self._marks(names)
        self._problems.check()
        twice = [name for name in names.values() if name]
        if len(set(twice)) != len(twice):
            raise DataError(
                "an annotation file lists an image twice",
                got=clean_name(next(name for name in twice if twice.count(name) > 1)),
                cure=_CURE,
            )
        return [self._case(name, marks[key]) for key, name in names.items()]

    def _case(self, name: str, marks: _Marks) -> Case:
        is_fractured = bool(marks.boxes) or marks.is_crowded
        is_marked = not marks.is_crowded
        return Case(
            name=name,
            reference=Reference(
                fracture=is_fractured,
                boxes=tuple(marks.boxes) if is_marked else None,
                polygons=tuple(marks.polygons) if is_marked else (),
            ),
            patient_key=key_of_film(name),
            open=partial(open_film, self._root / name),
            split=self._part,
            path=self._root / name,
        )

    def _images(self) -> dict[Any, str]:
        names: dict[Any, str] = {}
        for index, image in enumerate(self._document["images"]):
            place = f"images[{index}]"
            try:
                key, file_name = image["id"], image["file_name"]
                is_new = key not in names
            except (KeyError, TypeError):
                self._problems.add(place, "needs an id and a file_name")
                continue
            if not is_new:
                self._problems.add(place, "its id is that of another image")
                continue
            names[key] = ""
            if not isinstance(file_name, str):
                self._problems.add(f"{place}.file_name", "must be a text")
                continue
            try:
                names[key] = self._name(file_name)
            except ValueError as error:
                self._problems.add(f"{place}.file_name", str(error))
        return names

    def _name(self, file_name: str) -> str:
        """Return where an image lies, from the root; the first of the usual folders that has it."""
        first: ValueError | None = None
        for folder in self._folders:
            try:
                entry = file_name if folder == "." else f"{folder}/{_checked(file_name)}"
                return str(inside(self._root, entry))
            except ValueError as error:
                first = first or error
        assert first is not None
        raise first

    def _marks(self, names: Mapping[Any, str]) -> dict[Any, _Marks]:
        classes = self._categories()
        marks: dict[Any, _Marks] = defaultdict(_Marks)
        for index, annotation in enumerate(self._document["annotations"]):
            place = f"annotations[{index}]"
            try:
                image, category = annotation["image_id"], annotation["category_id"]
                is_known = image in names, category in classes
            except (KeyError, TypeError):
                self._problems.add(place, "needs an image_id and a category_id")
                continue
            if not is_known[0]:
                self._problems.add(f"{place}.image_id", "is the id of no image")
            elif not is_known[1]:
                self._problems.add(f"{place}.category_id", "is the id of no category")
            elif self._is_fracture(classes[category], place):
                self._add(annotation, marks[image], place)
        return marks

    def _categories(self) -> dict[Any, str]:
        classes: dict[Any, str] = {}
        for index, category in enumerate(self._document["categories"]):
            try:
                classes[category["id"]] = str(category["name"])
            except (KeyError, TypeError):
                self._problems.add(f"categories[{index}]", "needs an id and a name")
        return classes

    def _is_fracture(self, name: str, place: str) -> bool:
        kind = box_class_of(name)
        if kind is None:
            self._problems.add(
                f"{place}.category_id",
                f"the category {clean_name(name)[:40]!r} does not say whether it is a fracture; "
                f"put 'fracture' into its name, or one of: {', '.join(sorted(OTHER_CLASSES))}",
            )
        return kind == "fracture"

    def _add(self, annotation: Mapping[str, Any], marks: _Marks, place: str) -> None:
        if annotation.get("iscrowd"):
            marks.is_crowded = True
            return
        try:
            marks.boxes.append(box_of([_finite(side) for side in annotation["bbox"]]))
        except GeometryError:
            self._problems.add(f"{place}.bbox", "is empty")
        except (KeyError, TypeError, ValueError):
            self._problems.add(f"{place}.bbox", "must be four numbers: x, y, width, height")
        outline = annotation.get("segmentation")
        if not isinstance(outline, list):  # none, or a mask in RLE
            return
        for ring in outline:
            try:
                polygon = polygon_of([_finite(value) for value in ring])
            except (TypeError, ValueError):
                polygon = Polygon(())
            if len(polygon.points) < 3:
                self._problems.add(
                    f"{place}.segmentation", "a polygon must be x, y of three points or more"
                )
            else:
                marks.polygons.append(polygon)


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if not -_LARGEST_SIDE < value < _LARGEST_SIDE:  # NaN is not, either
        raise ValueError
    return value


def _checked(file_name: str) -> str:
    """Return a file name that is put below a folder; an absolute one must not lose its slash."""
    if file_name.startswith(("/", "\\")):
        raise ValueError("is an absolute path; give it relative to the data set's folder")
    return file_name


def image_folders(root: Path, path: Path, part: str | None) -> list[str]:
    """Return the folders where images are looked for, from the root, in order."""
    beside = path.parent.relative_to(root).as_posix()
    found = [beside, ".", "images"]
    if part is not None:
        found += [
            (folder / inner.name).relative_to(root).as_posix()
            for folder in (root, root / "images")
            if folder.is_dir()
            for inner in folders_in(folder)
            # train2017 too
            if split_of_word(inner.name.rstrip("0123456789")) == part
        ]
    return list(dict.fromkeys(found))
