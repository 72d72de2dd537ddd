"""FracAtlas gives its outlines in several formats; this reads the others, to compare them.

A copy of the release may lack any of them: what is not there is not compared.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fracturax.core.audit import Pixels

_VOC, _YOLO, _VGG = (Path("Annotations") / name for name in ("PASCAL VOC", "YOLO", "VGG JSON"))
_BOX = re.compile(r"<bndbox>(.*?)</bndbox>", re.DOTALL)
_SIDE = re.compile(r"<(xmin|ymin|xmax|ymax)>\s*([-+0-9.eE]+)\s*</")
_LARGEST_BYTES = 64 << 20
_APART_PX, _APART_SHARE = 3.0, 0.05

Size = tuple[int, int]
Marked = Mapping[str, Sequence[Pixels] | int]
"""Boxes of each image by file name, or their number where a format gives no box."""


def other_formats(
    root: Path, sizes: Mapping[str, Size | None]
) -> Iterator[tuple[str, Marked, Mapping[str, str]]]:
    """Yield each other format with what it marks, and what in it cannot be read.

    Args:
        root: The folder of the release.
        sizes: Rows and columns of the images the COCO annotations list, by file name; YOLO gives
            shares of them.

    Returns:
        Name of the format; its boxes; reasons by file, where one cannot be read.
    """
    yield "PASCAL VOC", *_read(root / _VOC, "*.xml", sizes, lambda text, _: _voc(text))
    yield "YOLO", *_read(root / _YOLO, "*.txt", sizes, _yolo)
    marked: dict[str, Sequence[Pixels] | int] = {}
    wrong: dict[str, str] = {}
    for path in sorted((root / _VGG).glob("*.json")):
        try:
            marked |= _vgg(json.loads(_text(path)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            wrong[path.name] = type(error).__name__
    yield "VGG", marked, wrong


def differ(ours: Sequence[Pixels], theirs: Sequence[Pixels] | int) -> str:
    """Say how two formats differ about one image; an empty text if they agree.

    Boxes agree if no side is further apart than 3 px or 5 % of the box: formats round.

    Example:
        >>> differ([(10.0, 10.0, 50.0, 60.0)], [(11, 10, 50, 59)])
        ''
        >>> differ([(10.0, 10.0, 50.0, 60.0)], [(10.0, 80.0, 50.0, 130.0)])
        'the boxes lie up to 70 px apart'
    """
    count = theirs if isinstance(theirs, int) else len(theirs)
    if count != len(ours):
        return f"{len(ours)} and {count} fractures"
    if isinstance(theirs, int):
        return ""
    left = list(theirs)
    worst = 0.0
    for box in ours:
        nearest = min(left, key=lambda other: _apart(box, other))
        left.remove(nearest)
        side = max(box[2] - box[0], box[3] - box[1])
        if (apart := _apart(box, nearest)) > max(_APART_PX, _APART_SHARE * side):
            worst = max(worst, apart)
    return f"the boxes lie up to {worst:.0f} px apart" if worst else ""


def _apart(one: Pixels, other: Pixels) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def _read(
    folder: Path,
    pattern: str,
    sizes: Mapping[str, Size | None],
    parse: Callable[[str, Size], list[Pixels]],
) -> tuple[dict[str, Sequence[Pixels] | int], dict[str, str]]:
    """Read a file an image, named as the image is."""
    by_stem = {PurePosixPath(name).stem: name for name in sizes}
    marked: dict[str, Sequence[Pixels] | int] = {}
    wrong: dict[str, str] = {}
    for path in sorted(folder.glob(pattern)):
        if path.name == "classes.txt":
            continue
        name = by_stem.get(path.stem, f"{path.stem}.jpg")
        try:
            text = _text(path)
            size = sizes.get(name)
            if size is None:
                # Where the size is unknown the number is all that can be compared.
                marked[name] = len(parse(text, (1, 1)))
            else:
                marked[name] = parse(text, size)
        except ValueError as error:
            wrong[path.name] = str(error)
    return marked, wrong


def _text(path: Path) -> str:
    with path.open("rb") as stream:
        data = stream.read(_LARGEST_BYTES + 1)
    if len(data) > _LARGEST_BYTES:
        raise ValueError("is too large")
    return data.decode("utf-8-sig", "replace")


def _voc(text: str) -> list[Pixels]:
    # No XML parser: an entity of a hostile file would be expanded.
    boxes = []
    for found in _BOX.finditer(text):
        sides = {name: float(value) for name, value in _SIDE.findall(found[1])}
        if len(sides) < 4:
            raise ValueError("has a box without four sides")
        boxes.append((sides["ymin"], sides["xmin"], sides["ymax"], sides["xmax"]))
    return boxes


def _yolo(text: str, size: Size) -> list[Pixels]:
    boxes = []
    for line in text.splitlines():
        cells = line.split()
        if not cells:
            continue
        values = [float(cell) for cell in cells[1:]]
        if (
            len(values) < 4
            or (len(values) > 4 and len(values) % 2)
            or not all(map(math.isfinite, values))
        ):
            raise ValueError("has a line that is no box and no outline")
        if len(values) == 4:
            column, row, width, height = values
            columns, rows = (
                (column - width / 2, column + width / 2),
                (
                    row - height / 2,
                    row + height / 2,
                ),
            )
        else:
            columns, rows = _ends(values[0::2]), _ends(values[1::2])
        boxes.append(
            (rows[0] * size[0], columns[0] * size[1], rows[1] * size[0], columns[1] * size[1])
        )
    return boxes


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _vgg(document: Any) -> dict[str, int]:
    """Return the number of regions of each image of a VIA project."""
    entries = document.get("_via_img_metadata", document)
    return {
        PurePosixPath(str(entry["filename"])).name: len(entry["regions"])
        for entry in entries.values()
    }
