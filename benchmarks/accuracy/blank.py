"""Is it the fracture that the radiograph model looks at? Films with parts of them blanked.

    python benchmarks/accuracy/blank.py --root ../shared/data/fracatlas

Every fractured film of FracAtlas is read by the networks that never saw it
  as it is
  fractures blanked     each box filled from its rim: the score must fall
  elsewhere blanked     boxes of the same sizes, filled in the same way, at places that touch no
                        fracture: the score must hold
and, with windows of three boxes' sides about each fracture,
  all else blanked      only the windows left
against healthy films as they are, and, for the last, healthy films of which as large windows at
random places are left. Writes `xray/blank.json` and `xray/blank.md`: AUROC with the interval of a
bootstrap of groups. Places that touch no fracture are drawn where the film is not black.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from xray_folds import fold_bundles

import fracturax as fx
from fracturax.core.case import Case
from fracturax.core.geometry import Box
from fracturax.core.image import Radiograph
from fracturax.datasets import open_dataset
from fracturax.evaluation import PredictionTable, auroc, group_bootstrap_weighted
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.evaluate import map_films
from fracturax.pipelines.prepare import only_film

HERE = Path(__file__).parent
RESULTS = HERE / "xray"
WINDOW = 3.0
_TRIES = 200
_BLACK = 0.1
_RIM_PX = 3

Pixels = npt.NDArray[np.float32]
Change = Callable[[Pixels, Sequence[Box], np.random.Generator], Pixels | None]
"""Changes a film; None where that cannot be done."""


def main() -> None:
    """Read all, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    options = parser.parse_args()
    table = PredictionTable.from_csv(RESULTS / "out_of_fold.csv")
    case_of = {case.name: case for case in open_dataset("fracatlas", root=options.root)}
    cases = [case_of[name] for name in table.case.tolist()]
    fold_of = dict(zip(table.case.tolist(), map(int, table.fold), strict=True))
    fractured = [case for case in cases if case.reference.fracture and case.reference.boxes]
    healthy = [case for case in cases if not case.reference.fracture]
    sizes = [case.reference.boxes or () for case in fractured]
    calibration = fx.load("xray").bundle.manifest.calibration
    with tempfile.TemporaryDirectory() as folder:
        readers = [XrayPredictor(one, threads=1) for one in fold_bundles(Path(folder))]

        def score(numbered: tuple[int, Case], change: Change) -> float | None:
            number, case = numbered
            generator = np.random.default_rng([0, number])
            film = only_film(case)
            boxes = case.reference.boxes or sizes[int(generator.integers(len(sizes)))]
            pixels = change(film.pixels, boxes, generator)
            if pixels is None:
                return None
            raw = readers[fold_of[case.name]].infer(_with_pixels(film, pixels))
            return calibration.log_odds(raw.values)

        def scores(group: Sequence[Case], change: Change) -> list[float | None]:
            return map_films(lambda one: score(one, change), list(enumerate(group)), words="")

        whole = scores(healthy, _as_it_is)
        windows = scores(healthy, _windows_at_random)
        rows = [
            _row(name, fractured, scores(fractured, change), healthy, against)
            for name, change, against in (
                ("as it is", _as_it_is, whole),
                ("fractures blanked", _blank_fractures, whole),
                ("elsewhere blanked", _blank_elsewhere, whole),
                ("all else blanked", _windows_about_fractures, windows),
            )
        ]
    (RESULTS / "blank.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "blank.md").write_text(_as_markdown(rows), encoding="utf-8")
    print(_as_markdown(rows))


def _with_pixels(film: Radiograph, pixels: Pixels) -> Radiograph:
    return replace(film, pixels=pixels)


def _as_it_is(pixels: Pixels, boxes: Sequence[Box], generator: np.random.Generator) -> Pixels:
    return pixels


def _blank_fractures(
    pixels: Pixels, boxes: Sequence[Box], generator: np.random.Generator
) -> Pixels:
    return _filled(pixels, boxes)


def _blank_elsewhere(
    pixels: Pixels, boxes: Sequence[Box], generator: np.random.Generator
) -> Pixels | None:
    places = [_place_for(box, pixels, boxes, generator) for box in boxes]
    found = [place for place in places if place is not None]
    return _filled(pixels, found) if len(found) == len(boxes) else None


def _windows_about_fractures(
    pixels: Pixels, boxes: Sequence[Box], generator: np.random.Generator
) -> Pixels:
    return _only(pixels, [_window(box) for box in boxes])


def _windows_at_random(
    pixels: Pixels, boxes: Sequence[Box], generator: np.random.Generator
) -> Pixels | None:
    rows, columns = pixels.shape
    # Boxes are those of another film: they keep their size where they fit.
    fitting = [box for box in boxes if _rows(box) < rows and _columns(box) < columns]
    places = [_place_for(box, pixels, (), generator) for box in fitting]
    found = [_window(place) for place in places if place is not None]
    return _only(pixels, found) if found else None


def _rows(box: Box) -> float:
    return box.row_max - box.row_min


def _columns(box: Box) -> float:
    return box.column_max - box.column_min


def _window(box: Box) -> Box:
    row, column = (box.row_min + box.row_max) / 2, (box.column_min + box.column_max) / 2
    half = WINDOW * max(_rows(box), _columns(box)) / 2
    return Box(row - half, column - half, row + half, column + half)


def _place_for(
    box: Box, pixels: Pixels, free_of: Sequence[Box], generator: np.random.Generator
) -> Box | None:
    """Return a place for a box on the film, not black, that touches none of some others."""
    rows, columns = pixels.shape
    if _rows(box) >= rows or _columns(box) >= columns:
        return None
    for _ in range(_TRIES):
        row = generator.uniform(0, rows - _rows(box))
        column = generator.uniform(0, columns - _columns(box))
        place = Box(row, column, row + _rows(box), column + _columns(box))
        if _cut(pixels, place).mean() > _BLACK and all(place.iou(one) == 0 for one in free_of):
            return place
    return None


def _sides(pixels: Pixels, box: Box) -> tuple[slice, slice]:
    rows, columns = pixels.shape
    return (
        slice(max(0, round(box.row_min)), min(rows, round(box.row_max))),
        slice(max(0, round(box.column_min)), min(columns, round(box.column_max))),
    )


def _cut(pixels: Pixels, box: Box) -> Pixels:
    return pixels[_sides(pixels, box)]


def _filled(pixels: Pixels, boxes: Sequence[Box]) -> Pixels:
    """Return the film with boxes filled from what lies about them (Telea, 2004)."""
    mask = np.zeros(pixels.shape, np.uint8)
    for box in boxes:
        mask[_sides(pixels, box)] = 1
    grey = np.round(pixels * 255).astype(np.uint8)
    filled = cv2.inpaint(grey, mask, _RIM_PX, cv2.INPAINT_TELEA).astype(np.float32) / 255
    return np.where(mask > 0, filled, pixels).astype(np.float32)


def _only(pixels: Pixels, windows: Sequence[Box]) -> Pixels:
    kept = np.zeros_like(pixels)
    for window in windows:
        kept[_sides(pixels, window)] = _cut(pixels, window)
    return kept


def _row(
    name: str,
    fractured: Sequence[Case],
    scores: Sequence[float | None],
    healthy: Sequence[Case],
    against: Sequence[float | None],
) -> dict[str, object]:
    told = [
        (value, label, case.patient_key)
        for cases, values, label in ((fractured, scores, 1), (healthy, against, 0))
        for case, value in zip(cases, values, strict=True)
        if value is not None
    ]
    values = np.array([value for value, _, _ in told])
    labels = np.array([label for _, label, _ in told])

    def area(weights: npt.NDArray[np.int64]) -> float:
        return auroc(labels, values, weights=weights)

    drawn = group_bootstrap_weighted(
        np.array([key for _, _, key in told]), area, generator=np.random.default_rng(0)
    )
    low, high = drawn.interval(0)
    return {
        "films": name,
        "fractured": int(labels.sum()),
        "healthy": int((1 - labels).sum()),
        "auroc": area(np.ones(len(told), np.int64)),
        "low": float(low),
        "high": float(high),
        "median_log_odds_fractured": float(np.median(values[labels == 1])),
        "median_log_odds_healthy": float(np.median(values[labels == 0])),
    }


def _as_markdown(rows: Sequence[dict[str, object]]) -> str:
    lines = [
        "# Films with parts blanked",
        "",
        "Networks of the folds on films that they never saw; AUROC of fractured films, changed as",
        "said, against healthy ones. In the last row both show windows alone.",
        "",
        "| fractured films | fractured | healthy | AUROC | median log-odds, fractured | healthy |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['films']} | {row['fractured']} | {row['healthy']} | {row['auroc']:.3f} "
            f"({row['low']:.3f} to {row['high']:.3f}) | {row['median_log_odds_fractured']:.2f} "
            f"| {row['median_log_odds_healthy']:.2f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
