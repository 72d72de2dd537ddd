"""A FracAtlas release in miniature, drawn by a program: bright bones, some with a dark gap.

The folders, tables and columns are those of the real release, so that the real loader reads it.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

ROWS, COLUMNS = 128, 112
COLUMN_NAMES = [
    "image_id",
    "hand",
    "leg",
    "hip",
    "shoulder",
    "mixed",
    "hardware",
    "multiscan",
    "fractured",
    "fracture_count",
    "frontal",
    "lateral",
    "oblique",
]
REGIONS = ("hand", "leg", "hip", "shoulder")
BLOCK = 10
"""Films of one region in a row: one neighbourhood of the loader."""


@dataclass(frozen=True)
class DrawnFilm:
    """A film and where its bone is broken: `(row_min, column_min, row_max, column_max)`."""

    pixels: npt.NDArray[np.uint8]
    gap: tuple[int, int, int, int] | None


def draw_film(generator: np.random.Generator, *, fractured: bool) -> DrawnFilm:
    """Draw a bone on soft tissue, broken across if asked."""
    rows, columns = np.indices((ROWS, COLUMNS), np.float32)
    axis = generator.uniform(44, 68) + generator.uniform(-0.25, 0.25) * (rows - ROWS / 2)
    half = generator.uniform(8, 15)
    canvas = np.where(abs(columns - axis) < half, 160, 40).astype(np.float32)
    canvas[abs(abs(columns - axis) - half) < 2] = 200
    # Marks of its own on every film, or one would pass for a copy of another.
    for row, column in generator.integers(0, (ROWS, COLUMNS), (60, 2)).tolist():
        grey = float(canvas[row, column] + generator.uniform(-60, 60))
        cv2.circle(canvas, (column, row), int(generator.integers(1, 5)), grey, -1)
    gap = None
    if fractured:
        top = int(generator.integers(40, 72))
        middle = round(float(axis[top + 10, 0]))
        reach = round(half) + 4
        gap = (top, middle - reach, top + 20, middle + reach)
        canvas[gap[0] : gap[2], gap[1] : gap[3]] = 20.0
    canvas = cv2.GaussianBlur(canvas, (0, 0), 1.0) + generator.normal(0, 6, canvas.shape)
    return DrawnFilm(np.clip(canvas, 0, 255).astype(np.uint8), gap)


def write_release(
    root: Path,
    *,
    films: int = 80,
    first_number: int = 0,
    seed: int = 0,
    fractured_quality: int = 95,
) -> Path:
    """Write a release of `films` films, every second of them fractured and outlined.

    Regions change every ten films; the authors' `train` split names the first half of the
    fractured films, `valid` the rest. The JPEG quality is 95; that of the fractured may be another.
    """
    generator = np.random.default_rng(seed)
    rows: list[dict[str, str]] = []
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number in range(first_number, first_number + films):
        is_fractured = number % 2 == 0
        film = draw_film(generator, fractured=is_fractured)
        name = f"IMG{number:07d}.jpg"
        region = REGIONS[number // BLOCK % len(REGIONS)]
        row = dict.fromkeys(COLUMN_NAMES, "0")
        row |= {"image_id": name, region: "1", "frontal": "1", "hardware": str(int(number == 1))}
        if film.gap is not None:
            row |= {"fractured": "1", "fracture_count": "1"}
            images.append({"id": number, "width": COLUMNS, "height": ROWS, "file_name": name})
            annotations.append(_annotation(number, film.gap))
        rows.append(row)
        folder = root / "images" / ("Fractured" if is_fractured else "Non_fractured")
        folder.mkdir(parents=True, exist_ok=True)
        quality = fractured_quality if is_fractured else 95
        assert cv2.imwrite(str(folder / name), film.pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    _write_csv(root / "dataset.csv", rows)
    annotated = [str(image["file_name"]) for image in images]
    half = len(annotated) // 2
    for split, names in (("train", annotated[:half]), ("valid", annotated[half:])):
        _write_csv(
            root / f"Utilities/Fracture Split/{split}.csv", [{"image_id": name} for name in names]
        )
    document = {
        "info": {},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 0, "name": "fractured"}],
    }
    path = root / "Annotations/COCO JSON/COCO_fracture_masks.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return root


def _annotation(number: int, gap: tuple[int, int, int, int]) -> dict[str, object]:
    top, left, bottom, right = gap
    ring = [left, top, right, top, right, bottom, left, bottom]
    return {
        "id": number,
        "iscrowd": 0,
        "image_id": number,
        "category_id": 0,
        "segmentation": [[float(value) for value in ring]],
        "bbox": [float(left), float(top), float(right - left), float(bottom - top)],
        "area": float((right - left) * (bottom - top)),
    }


def _write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
