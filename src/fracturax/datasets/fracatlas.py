"""FracAtlas in its released layout: image labels, region, view, hardware, boxes and polygons."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fracturax.core.anatomy import REGIONS
from fracturax.core.case import Case, Polygon, Reference
from fracturax.core.errors import DataError
from fracturax.core.geometry import Box
from fracturax.datasets.coco import box_of, polygon_of
from fracturax.datasets.files import open_film, read_json, read_text
from fracturax.datasets.registry import Copy
from fracturax.datasets.words import no_such_split

ANNOTATIONS = Path("Annotations/COCO JSON/COCO_fracture_masks.json")
SPLITS = Path("Utilities/Fracture Split")
VIEWS = ("frontal", "lateral", "oblique")
COLUMNS = ("image_id", *REGIONS, "hardware", "fractured", "fracture_count", *VIEWS)
_SMALLEST_NEIGHBOURHOOD = 10
_YES_OR_NO = {"1": True, "0": False}


def open_fracatlas(root: Path, *, split: str = "all") -> tuple[Case, ...]:
    """Open FracAtlas (4,083 radiographs of hand, leg, hip and shoulder).

    The release holds no patient. Neighbouring numbers are often one patient, so `patient_key`
    names a neighbourhood of at least ten numbers, cut only where the region changes. The authors
    split the fractured films only; the `split` of a normal one is None.

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
    part_of = _read_splits(root / SPLITS)
    cases = []
    for row, key in zip(rows, keys, strict=True):
        name, path = Path(row["image_id"]).stem, _film_path(root, row)
        cases.append(
            Case(
                name=name,
                reference=_reference(row, outlines.get(row["image_id"])),
                patient_key=key,
                open=partial(open_film, path),
                split=part_of.get(name),
                path=path,
            )
        )
    if split == "all":
        return tuple(cases)
    known = set(part_of.values())
    if split not in known:
        raise no_such_split(split, known, data="FracAtlas")
    return tuple(case for case in cases if case.split == split)


def is_fracatlas(root: Path) -> bool:
    """Whether a folder is laid out as the release is."""
    return (root / "dataset.csv").is_file() and all(
        (root / "images" / folder).is_dir() for folder in ("Fractured", "Non_fractured")
    )


def check_copy(root: Path) -> Copy:
    """Return how many films a copy of the release lists, and which files it lacks.

    Raises:
        DataError: If the folder is no copy of the release.
    """
    rows = _read_table(root / "dataset.csv")
    films = [_place(row) for row in rows]
    needed = [*films, ANNOTATIONS]
    lists = [SPLITS / f"{split}.csv" for split in ("train", "valid", "test")]
    missing = [path for path in (*needed, *lists) if not (root / path).is_file()]
    return Copy(
        films=len(rows),
        missing=tuple(path.as_posix() for path in missing),
        is_usable=not set(missing) & set(needed),
    )


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


def _read_table(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataError(
            "this is not the FracAtlas release",
            got=f"no {path.name} in {path.parent}",
            cure="give the folder that holds dataset.csv and images/",
        )
    try:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        rows = list(reader)
    except csv.Error as error:
        raise DataError(f"{path.name} is no readable table", got=str(error)) from error
    if missing:
        raise DataError(f"{path.name} lacks columns", got=f"no {', '.join(sorted(missing))}")
    for line, row in enumerate(rows, start=2):
        if any(row[column] is None for column in COLUMNS):
            raise DataError(f"{path.name} is cut off", got=f"too few values in line {line}")
        if row["fractured"] not in ("0", "1"):
            # An empty cell is no normal film.
            raise DataError(
                f"{path.name} has a film without a label",
                got=f"neither 0 nor 1 in line {line}, column fractured",
                cure="unpack the release again",
            )
    return sorted(rows, key=lambda row: _number(row["image_id"]))


def _number(image_id: str) -> int:
    digits = "".join(letter for letter in Path(image_id).stem if letter.isdigit())
    if not digits:
        raise DataError("an image of dataset.csv has no number", got=repr(image_id))
    return int(digits)


def _place(row: Mapping[str, str]) -> Path:
    folder = "Fractured" if row["fractured"] == "1" else "Non_fractured"
    return Path("images") / folder / Path(row["image_id"]).name


def _film_path(root: Path, row: Mapping[str, str]) -> Path:
    path = root / _place(row)
    if not path.is_file():
        raise DataError(
            "dataset.csv names an image that is not there",
            got=_place(row).as_posix(),
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
        document = read_json(path)
        names = {image["id"]: image["file_name"] for image in document["images"]}
        outlines: dict[str, list[_Outline]] = defaultdict(list)
        for annotation in document["annotations"]:
            polygons = tuple(polygon_of(ring) for ring in annotation["segmentation"])
            outline = _Outline(box_of(annotation["bbox"]), polygons)
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
        several_exposures=_YES_OR_NO.get(row.get("multiscan", "")),
    )


def _read_splits(folder: Path) -> dict[str, str]:
    """Return the part each film of the authors' splits is in, by the film's name."""
    part_of: dict[str, str] = {}
    for path in sorted(folder.glob("*.csv")):
        try:
            reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
            names = [Path(row["image_id"]).stem for row in reader]
        except (csv.Error, KeyError, TypeError) as error:
            raise DataError(
                f"the split {path.name} cannot be read", got="no column image_id"
            ) from error
        for name in names:
            if (other := part_of.setdefault(name, path.stem)) != path.stem:
                raise DataError(
                    "a film stands in two splits of the authors",
                    got=f"{name} in {other} and {path.stem}",
                    cure="unpack the release again",
                )
    return part_of
