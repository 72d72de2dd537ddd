"""Is it the fracture that the radiograph model looks at? Films with parts of them blanked.

    python benchmarks/accuracy/blank.py --root ../shared/data/fracatlas

Every fractured film of FracAtlas is read by the networks that never saw it
  as it is
  fractures blanked     each box filled from its rim: the score must fall
  elsewhere blanked     boxes of the same sizes, filled in the same way, at places that touch no
                        fracture: the score must hold
and, with windows of three boxes' sides about each fracture,
  all else blanked      only the windows left
against one healthy film in three as it is, and, for the last, these with as large windows at
random places left. Writes `xray/blank.json` and `xray/blank.md`: AUROC with the interval of a
bootstrap of groups. Places that touch no fracture are drawn where the film is not black.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from xray_folds import fold_bundles

import fracturax as fx
from fracturax.core.case import Case
from fracturax.core.geometry import Box
from fracturax.datasets import open_dataset
from fracturax.evaluation import PredictionTable, auroc, group_bootstrap_weighted
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.evaluate import map_films
from fracturax.pipelines.prepare import only_film
from fracturax.transforms.blanking import (
    Grey,
    fill_in,
    only_windows,
    place_elsewhere,
    window_about,
)

HERE = Path(__file__).parent
RESULTS = HERE / "xray"
WINDOW = 3.0
EVERY = 3
"""One healthy film in so many is read: there are far more of them than fractured ones."""

Change = Callable[[Grey, Sequence[Box], np.random.Generator], Grey | None]
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
    healthy = [case for case in cases if not case.reference.fracture][::EVERY]
    sizes = [case.reference.boxes or () for case in fractured]
    calibration = fx.load("xray").bundle.manifest.calibration
    with tempfile.TemporaryDirectory() as folder:
        readers = [XrayPredictor(one, threads=1) for one in fold_bundles(Path(folder))]

        def score(numbered: tuple[int, Case], change: Change) -> float | None:
            number, case = numbered
            generator = np.random.default_rng([0, number])
            film = only_film(case)
            boxes = case.reference.boxes or sizes[int(generator.integers(len(sizes)))]
            grey = change(np.round(film.pixels * 255).astype(np.uint8), boxes, generator)
            if grey is None:
                return None
            changed = replace(film, pixels=grey.astype(np.float32) / np.float32(255))
            raw = readers[fold_of[case.name]].infer(changed)
            return calibration.log_odds(raw.values)

        def scores(group: Sequence[Case], change: Change) -> list[float | None]:
            return map_films(lambda one: score(one, change), list(enumerate(group)), words="")

        whole = scores(healthy, _as_it_is)
        windows = scores(healthy, _windows_at_random)
        rows = [
            _row(name, fractured, scores(fractured, change), healthy, against)
            for name, change, against in (
                ("as it is", _as_it_is, whole),
                ("fractures blanked", _fill_fractures, whole),
                ("elsewhere blanked", _fill_elsewhere, whole),
                ("all else blanked", _windows_about_fractures, windows),
            )
        ]
    (RESULTS / "blank.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "blank.md").write_text(_as_markdown(rows), encoding="utf-8")
    print(_as_markdown(rows))


def _as_it_is(film: Grey, boxes: Sequence[Box], generator: np.random.Generator) -> Grey:
    return film


def _fill_fractures(film: Grey, boxes: Sequence[Box], generator: np.random.Generator) -> Grey:
    return fill_in(film, boxes)


def _fill_elsewhere(
    film: Grey, boxes: Sequence[Box], generator: np.random.Generator
) -> Grey | None:
    places = [place_elsewhere(box, film, free_of=boxes, generator=generator) for box in boxes]
    found = [place for place in places if place is not None]
    return fill_in(film, found) if len(found) == len(boxes) else None


def _windows_about_fractures(
    film: Grey, boxes: Sequence[Box], generator: np.random.Generator
) -> Grey:
    return only_windows(film, [window_about(box, sides=WINDOW) for box in boxes])


def _windows_at_random(
    film: Grey, boxes: Sequence[Box], generator: np.random.Generator
) -> Grey | None:
    places = [place_elsewhere(box, film, free_of=(), generator=generator) for box in boxes]
    # Boxes are those of another film: some may not fit.
    found = [window_about(place, sides=WINDOW) for place in places if place is not None]
    return only_windows(film, found) if found else None


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
        f"said, against one healthy film in {EVERY}. In the last row both show windows alone.",
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
