"""A release in miniature with every defect an audit has to find, each on films of its own."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tiny_release import write_release

FILMS = 160
COCO = "Annotations/COCO JSON/COCO_fracture_masks.json"
TRUNCATED = {5, 8, 11, 13}
GREY_TAIL = {25}
UNREADABLE = {21, 23}
CONTRARY = (30, 31)
"""A fractured film and its exact copy that is called healthy."""
COPY = (32, 34)
"""A fractured film and its copy in another quality; the authors' split parts them."""
PADDED = range(100, FILMS, 3)
"""Films with zeros after their end, of both labels alike: a property that tells nothing."""

CONFLICTS: dict[str, set[str]] = {
    "folder_against_table": {"IMG0000041"},
    "table_against_annotation": {"IMG0000043"},
    "listed_but_absent": {"IMG0000045"},
    "present_but_not_listed": {"IMG0009999"},
    "count_against_boxes": {"IMG0000041", "IMG0000043", "IMG0000046", "IMG0000058"},
    "size_against_file": {"IMG0000048"},
    "listed_twice": {"IMG0000050"},
    "box_outside": {"IMG0000052"},
    "box_empty": {"IMG0000054"},
    "polygon_outside_box": {"IMG0000056"},
    "box_twice": {"IMG0000058"},
    "table_against_itself": {"IMG0000060"},
    "stored_twice": {"IMG0000063"},
    "unknown_in_annotations": {"annotation 82", "stranger.jpg"},
    "unknown_in_split": {"IMG0008888"},
    "row_cannot_be_read": {"dataset.csv, line 66"},
}
"""Every planted contradiction by kind: the films or entries it is told of."""


def name_of(number: int) -> str:
    """Return the name of a film."""
    return f"IMG{number:07d}"


def path_of(root: Path, number: int) -> Path:
    """Return the file of a film."""
    folder = "Non_fractured" if number % 2 else "Fractured"
    return root / "images" / folder / f"{name_of(number)}.jpg"


def write_planted(root: Path) -> Path:
    """Write the release with all that is listed above; fractured films have another quality."""
    write_release(root, films=FILMS, fractured_quality=80)
    _copy_films(root)
    _damage_files(root)
    for number in PADDED:
        path = path_of(root, number)
        path.write_bytes(path.read_bytes() + bytes(1000))
    _change_files(root)
    _change_table(root)
    _change_annotations(root)
    _change_splits(root)
    return root


def _copy_films(root: Path) -> None:
    fractured, healthy = (path_of(root, number) for number in CONTRARY)
    shutil.copyfile(fractured, healthy)
    original, copy = (path_of(root, number) for number in COPY)
    pixels = cv2.imread(str(original), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    assert cv2.imwrite(str(copy), pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])


def _damage_files(root: Path) -> None:
    for number in TRUNCATED:
        path = path_of(root, number)
        data = path.read_bytes()
        # The last of them lacks its end marker only: every decoder shows the whole picture.
        path.write_bytes(data[:-2] if number == max(TRUNCATED) else data[: len(data) * 6 // 10])
    for number in GREY_TAIL:
        path = path_of(root, number)
        pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None
        pixels[88:] = 128
        assert cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])
    path_of(root, min(UNREADABLE)).write_bytes(b"")
    path_of(root, max(UNREADABLE)).write_bytes(b"this is no picture\n" * 40)


def _change_files(root: Path) -> None:
    path_of(root, 45).unlink()
    stranger = root / "images/Fractured/IMG0009999.jpg"
    noise = np.random.default_rng(9999).integers(0, 255, (128, 112), np.uint8)
    assert cv2.imwrite(str(stranger), noise)
    shutil.copyfile(path_of(root, 63), root / "images" / "IMG0000063.jpg")


def _change_table(root: Path) -> None:
    path = root / "dataset.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    rows[41] |= {"fractured": "1", "fracture_count": "1"}
    rows[46]["fracture_count"] = "2"
    rows[60]["mixed"] = "1"
    rows[64]["oblique"] = "perhaps"
    rows.append(dict(rows[50]))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _change_annotations(root: Path) -> None:
    path = root / COCO
    document = json.loads(path.read_text(encoding="utf-8"))
    of = {annotation["image_id"]: annotation for annotation in document["annotations"]}
    images = {image["id"]: image for image in document["images"]}
    edits: dict[int, Callable[[dict[str, Any]], None]] = {
        52: lambda one: one.update(bbox=[100.0, 40.0, 60.0, 20.0], segmentation=[]),
        54: lambda one: one.update(bbox=[40.0, 40.0, 0.0, 20.0], segmentation=[]),
        56: lambda one: one.update(segmentation=[[1.0, 1.0, 20.0, 1.0, 20.0, 20.0]]),
    }
    for number, edit in edits.items():
        edit(of[number])
    images[48]["width"] = 999
    healthy = {**of[50], "id": 1043, "image_id": 43}
    document["images"].append({**images[50], "id": 43, "file_name": "IMG0000043.jpg"})
    document["images"].append({**images[50], "id": 7777, "file_name": "stranger.jpg"})
    unknown = {**of[50], "id": 1077, "image_id": 123456}
    document["annotations"] += [{**of[58], "id": 1058}, unknown, healthy]
    path.write_text(json.dumps(document), encoding="utf-8")


def _change_splits(root: Path) -> None:
    folder = root / "Utilities/Fracture Split"
    train, valid = folder / "train.csv", folder / "valid.csv"
    names = train.read_text(encoding="utf-8").splitlines()
    moved = f"{name_of(COPY[1])}.jpg"
    train.write_text("\n".join(line for line in names if line != moved) + "\n", encoding="utf-8")
    with valid.open("a", encoding="utf-8") as stream:
        stream.write(f"{moved}\n{name_of(62)}.jpg\nIMG0008888.jpg\n")
