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
    canvas = np.full((ROWS, COLUMNS), 40.0, np.float32)
    left = int(generator.integers(36, 60))
    cv2.rectangle(canvas, (left, 0), (left + 22, ROWS), 180.0, -1)
    cv2.line(canvas, (left, 0), (left, ROWS), 230.0, 3)
    cv2.line(canvas, (left + 22, 0), (left + 22, ROWS), 230.0, 3)
    gap = None
    if fractured:
        top = int(generator.integers(40, 72))
        gap = (top, left - 4, top + 14, left + 27)
        canvas[top : top + 14, left - 4 : left + 27] = 20.0
    canvas = cv2.GaussianBlur(canvas, (0, 0), 1.0) + generator.normal(0, 6, canvas.shape)
    return DrawnFilm(np.clip(canvas, 0, 255).astype(np.uint8), gap)


def write_release(root: Path, *, films: int = 80, fractured_every: int = 2, seed: int = 0) -> Path:
    """Write a release of `films` films, every n-th of them fractured and outlined.

    Regions change every ten films; the authors' `train` split names the first half of the
    fractured films, `valid` the rest.
    """
    generator = np.random.default_rng(seed)
    rows: list[dict[str, str]] = []
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number in range(films):
        is_fractured = number % fractured_every == 0
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
        assert cv2.imwrite(str(folder / name), film.pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])
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
