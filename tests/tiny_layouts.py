"""Data sets in miniature, one builder a layout: the same drawn films, and what is true of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dicom_builders import film, save
from fracturax.core.geometry import Box
from tiny_ct import CT_BUILDERS, CT_UNLABEL
from tiny_release import COLUMNS, ROWS, DrawnFilm, draw_film, write_release

FILMS = 6
PATIENTS = ("SECRET-4711", "SECRET-4712", "SECRET-4713")
"""Two films each: 0 and 1 show the first patient."""
SALT = "the salt of these tests"


@dataclass(frozen=True)
class Truth:
    """What is true of a film: its label, and its boxes where the layout can tell them."""

    fracture: bool
    boxes: tuple[Box, ...] | None


def drawn(number: int) -> DrawnFilm:
    """Return film 0, 1, ...; those with an even number are fractured."""
    return draw_film(np.random.default_rng(number), fractured=number % 2 == 0)


def box_of(number: int) -> Box | None:
    """Return the gap of a film; that of film 2 is marked so that it sticks out of the image."""
    gap = drawn(number).gap
    if gap is None:
        return None
    top, left, bottom, right = gap
    return Box(top, left, bottom, COLUMNS + 7 if number == 2 else right)


def write_png(path: Path, number: int) -> Path:
    """Write a film as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), drawn(number).pixels)
    return path


def write_rows(path: Path, rows: Iterable[dict[str, object]]) -> Path:
    """Write a table; columns are the keys of the first line."""
    rows = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_fracatlas(root: Path) -> dict[str, Truth]:
    """Write a release of twenty films; no box of it sticks out."""
    write_release(root, films=20)
    truths = {}
    for path in (root / "images").rglob("*.jpg"):
        is_fractured = path.parent.name == "Fractured"
        truths[path.relative_to(root).as_posix()] = Truth(
            is_fractured, () if not is_fractured else None
        )
    document = json.loads((root / "Annotations/COCO JSON/COCO_fracture_masks.json").read_text())
    for annotation in document["annotations"]:
        left, top, width, height = annotation["bbox"]
        name = f"images/Fractured/IMG{annotation['image_id']:07d}.jpg"
        truths[name] = Truth(True, (Box(top, left, top + height, left + width),))
    return truths


def write_folder(root: Path) -> dict[str, Truth]:
    """Write a folder per class in two parts."""
    truths = {}
    for number in range(FILMS):
        is_fractured = number % 2 == 0
        folder = "train" if number < 4 else "val"
        name = f"{folder}/{'Fractured' if is_fractured else 'not fractured'}/{number}.png"
        write_png(root / name, number)
        truths[name] = Truth(is_fractured, None if is_fractured else ())
    return truths


def write_csv(root: Path) -> dict[str, Truth]:
    """Write a table with every column; film 4 is fractured and has no box."""
    rows: list[dict[str, object]] = []
    truths = {}
    for number in range(FILMS):
        name = f"films/{number}.png"
        write_png(root / name, number)
        box = None if number == 4 else box_of(number)
        sides = ("", "", "", "") if box is None else box.as_tuple()
        rows.append(
            {
                "image": name,
                "fracture": number % 2 ^ 1,
                "patient": PATIENTS[number // 2],
                "study": f"study {number}",
                "region": "wrist",
                "view": "ap",
                "hardware": "no",
                "split": "train" if number < 4 else "val",
                "group": "ward" if number < 2 else "clinic",
                "date": f"2024-01-{number + 1:02d}",
                **dict(zip(("row_min", "column_min", "row_max", "column_max"), sides, strict=True)),
            }
        )
        is_fractured = number % 2 == 0
        truths[name] = Truth(is_fractured, () if not is_fractured else (box,) if box else None)
    write_rows(root / "films.csv", rows)
    return truths


def write_coco(root: Path) -> dict[str, Truth]:
    """Write annotations as Roboflow lays them out, with its dummy category."""
    truths = {}
    for part, numbers in (("train", range(4)), ("valid", range(4, FILMS))):
        images, annotations = [], []
        for number in numbers:
            write_png(root / part / f"{number}.png", number)
            images.append(
                {"id": number, "file_name": f"{number}.png", "width": COLUMNS, "height": ROWS}
            )
            box = box_of(number)
            if box is not None:
                top, left, bottom, right = box.as_tuple()
                annotations.append(
                    {
                        "id": number,
                        "image_id": number,
                        "category_id": 1,
                        "bbox": [left, top, right - left, bottom - top],
                        "segmentation": [[left, top, right, top, right, bottom]],
                        "iscrowd": 0,
                    }
                )
            truths[f"{part}/{number}.png"] = Truth(box is not None, (box,) if box else ())
        document = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 0, "name": "bones"}, {"id": 1, "name": "fracture"}],
        }
        (root / part / "_annotations.coco.json").write_text(json.dumps(document))
    return truths


def write_yolo(root: Path) -> dict[str, Truth]:
    """Write labels in shares of the sides; film 5 has no label file, which means normal."""
    truths = {}
    for number in range(FILMS):
        part = "train" if number < 4 else "val"
        write_png(root / f"images/{part}/{number}.png", number)
        box = box_of(number)
        lines = []
        if box is not None:
            top, left, bottom, right = box.as_tuple()
            shares = [
                (left + right) / 2 / COLUMNS,
                (top + bottom) / 2 / ROWS,
                (right - left) / COLUMNS,
                (bottom - top) / ROWS,
            ]
            lines.append(" ".join(["1", *(f"{share:.9f}" for share in shares)]))
        label = root / f"labels/{part}/{number}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        if number != 5:
            label.write_text("\n".join(lines))
        truths[f"images/{part}/{number}.png"] = Truth(box is not None, (box,) if box else ())
    (root / "data.yaml").write_text("path: ..\nnc: 2\nnames: ['metal', 'fracture']\n")
    return truths


def write_dicom(root: Path) -> dict[str, Truth]:
    """Write a study a film, in folders of any depth, with a table by accession number."""
    rows, truths = [], {}
    for number in range(FILMS):
        uid = f"1.2.826.{number}"
        dataset = film(
            drawn(number).pixels,
            StudyInstanceUID=uid,
            SeriesInstanceUID=uid + ".1",
            SOPInstanceUID=uid + ".1.1",
            AccessionNumber=f"A{number}",
            PatientID=PATIENTS[number // 2],
            StudyDate=f"202401{number + 1:02d}",
            Manufacturer="Maker",
            ManufacturerModelName="Model 1",
        )
        name = f"export/{number // 2}/{number}/IM0.dcm"
        save(dataset, root / name)
        is_fractured = number % 2 == 0
        rows.append({"accession_number": f"A{number}", "fracture": "yes" if is_fractured else "no"})
        truths[name] = Truth(is_fractured, None if is_fractured else ())
    write_rows(root / "labels.csv", rows)
    return truths


BUILDERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    **CT_BUILDERS,
    "fracatlas": write_fracatlas,
    "folder": write_folder,
    "csv": write_csv,
    "coco": write_coco,
    "yolo": write_yolo,
    "dicom": write_dicom,
}


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def _unlabel_yolo(root: Path) -> None:
    write_png(root / "images/test/9.png", 9)


UNLABEL: dict[str, tuple[str, Callable[[Path], object]]] = {
    **CT_UNLABEL,
    "fracatlas": (
        "images/Non_fractured/IMG0000001.jpg",
        lambda root: _replace(
            root / "dataset.csv", "IMG0000001.jpg,1,0,0,0,0,1,0,0", "IMG0000001.jpg,1,0,0,0,0,1,0,"
        ),
    ),
    "folder": ("train/9.png", lambda root: write_png(root / "train/9.png", 9)),
    "csv": (
        "films/1.png",
        lambda root: _replace(root / "films.csv", "films/1.png,0", "films/1.png,"),
    ),
    "coco": ("train/9.png", lambda root: write_png(root / "train/9.png", 9)),
    "yolo": ("images/test/9.png", _unlabel_yolo),
    "dicom": (
        "export/0/1/IM0.dcm",
        lambda root: _replace(root / "labels.csv", "A1,no", "A1,unknown"),
    ),
}
"""A film whose label is taken away or never was there, by layout."""
