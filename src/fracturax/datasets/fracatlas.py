"""FracAtlas in its released layout: image labels, region, view, hardware, boxes and polygons."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fracturax.core.anatomy import REGIONS
from fracturax.core.case import Case, Polygon, Reference
from fracturax.core.errors import DataError
from fracturax.core.geometry import Box
from fracturax.core.study import Study

ANNOTATIONS = Path("Annotations/COCO JSON/COCO_fracture_masks.json")
SPLITS = Path("Utilities/Fracture Split")
VIEWS = ("frontal", "lateral", "oblique")
COLUMNS = ("image_id", *REGIONS, "hardware", "fractured", "fracture_count", *VIEWS)
_SMALLEST_NEIGHBOURHOOD = 10


def open_fracatlas(root: Path, *, split: str = "all") -> tuple[Case, ...]:
    """Open FracAtlas (4,083 radiographs of hand, leg, hip and shoulder).

    The release holds no patient. Neighbouring numbers are often one patient, so `patient_key`
    names a neighbourhood of at least ten numbers, cut only where the region changes.

    Args:
        root: The folder that holds `dataset.csv` and `images/`.
        split: `all`, or `train`, `valid`, `test` as the authors split the fractured images.

    Raises:
        DataError: If a table is missing, lacks a column, or names an image that is not there.

    References:
        Abedeen et al., "FracAtlas: A Dataset for Fracture Classification, Localization and
        Segmentation of Musculoskeletal Radiographs", Scientific Data 10, 521 (2023).
    """
    rows = _read_table(root / "dataset.csv")
    outlines = _read_annotations(root / ANNOTATIONS)
    keys = neighbourhoods(
        [(_number(row["image_id"]), tuple(row[region] for region in REGIONS)) for row in rows]
    )
    cases = [
        Case(
            name=Path(row["image_id"]).stem,
            reference=_reference(row, outlines.get(row["image_id"])),
            patient_key=key,
            open=partial(_open_film, _film_path(root, row)),
        )
        for row, key in zip(rows, keys, strict=True)
    ]
    if split == "all":
        return tuple(cases)
    members = _read_split(root / SPLITS / f"{split}.csv")
    return tuple(case for case in cases if case.name in members)


def neighbourhoods(
    numbered: Sequence[tuple[int, tuple[str, ...]]], *, at_least: int = _SMALLEST_NEIGHBOURHOOD
) -> list[str]:
    """Group images whose numbers are neighbours, so that no examination is torn apart.

    A neighbourhood grows until it holds `at_least` images and the attributes change from one
    number to the next: two films of one examination mostly show one region.

    Args:
        numbered: The number and the attributes of each image, in ascending order of number.
        at_least: Smallest size of a neighbourhood (the last may be smaller).

    Example:
        >>> films = [(0, ("hand",)), (1, ("hand",)), (2, ("leg",)), (3, ("hip",))]
        >>> neighbourhoods(films, at_least=1)
        ['n0', 'n0', 'n2', 'n3']
    """
    keys: list[str] = []
    start, size = None, 0
    for index, (number, attributes) in enumerate(numbered):
        changes = index > 0 and attributes != numbered[index - 1][1]
        if start is None or (size >= at_least and changes):
            start, size = number, 0
        size += 1
        keys.append(f"n{start}")
    return keys


def _open_film(path: Path) -> Study:
    from fracturax.imaging import open_study

    return open_study(path)


def _read_table(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = set(COLUMNS) - set(reader.fieldnames or ())
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} is no table in UTF-8", got=str(error)) from error
    except FileNotFoundError:
        raise DataError(
            "this is not the FracAtlas release",
            got=f"no {path.name} in {path.parent}",
            cure="give the folder that holds dataset.csv and images/",
        ) from None
    if missing:
        raise DataError(f"{path.name} lacks columns", got=f"no {', '.join(sorted(missing))}")
    for line, row in enumerate(rows, start=2):
        if any(row[column] is None for column in COLUMNS):
            raise DataError(f"{path.name} is cut off", got=f"too few values in line {line}")
    return sorted(rows, key=lambda row: _number(row["image_id"]))


def _number(image_id: str) -> int:
    digits = "".join(letter for letter in Path(image_id).stem if letter.isdigit())
    if not digits:
        raise DataError("an image of dataset.csv has no number", got=repr(image_id))
    return int(digits)


def _film_path(root: Path, row: Mapping[str, str]) -> Path:
    folder = "Fractured" if row["fractured"] == "1" else "Non_fractured"
    path = root / "images" / folder / Path(row["image_id"]).name
    if not path.is_file():
        raise DataError(
            "dataset.csv names an image that is not there",
            got=f"images/{folder}/{row['image_id']}",
            cure="unpack the release again",
        )
    return path


@dataclass(frozen=True)
class _Outline:
    """One marked fracture: its box, and the rings of its polygon."""

    box: Box
    polygons: tuple[Polygon, ...]


def _read_annotations(path: Path) -> dict[str, list[_Outline]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        names = {image["id"]: image["file_name"] for image in document["images"]}
        outlines: dict[str, list[_Outline]] = defaultdict(list)
        for annotation in document["annotations"]:
            polygons = tuple(_polygon(ring) for ring in annotation["segmentation"])
            outline = _Outline(_box(annotation["bbox"]), polygons)
            outlines[names[annotation["image_id"]]].append(outline)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "the COCO annotations of FracAtlas cannot be read",
            got=f"{type(error).__name__}: {error}",
            cure=f"the release has them at {ANNOTATIONS}",
        ) from error
    return dict(outlines)


def _reference(row: Mapping[str, str], outlines: list[_Outline] | None) -> Reference:
    fracture = row["fractured"] == "1"
    # A fractured film without outline has unmarked fractures: unknown, which is not none.
    unmarked = None if fracture else ()
    return Reference(
        fracture=fracture,
        boxes=tuple(outline.box for outline in outlines) if outlines else unmarked,
        polygons=tuple(polygon for outline in outlines or () for polygon in outline.polygons),
        regions=tuple(region for region in REGIONS if row[region] == "1"),
        hardware=row["hardware"] == "1",
        views=tuple(view for view in VIEWS if row[view] == "1"),
    )


def _box(xywh: Sequence[float]) -> Box:
    column, row, width, height = xywh
    return Box(row, column, row + height, column + width)


def _polygon(ring: Sequence[float]) -> Polygon:
    points = zip(ring[1::2], ring[0::2], strict=True)
    return Polygon(tuple((float(row), float(column)) for row, column in points))


def _read_split(path: Path) -> set[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return {Path(row["image_id"]).stem for row in csv.DictReader(stream)}
    except (FileNotFoundError, KeyError):
        known = sorted(file.stem for file in path.parent.glob("*.csv"))
        raise DataError(
            "FracAtlas has no such split here",
            got=repr(path.stem),
            cure=f"known: {', '.join(['all', *known])}",
        ) from None
