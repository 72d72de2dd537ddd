"""How exactly films are registered: known warps of real films, and films of different patients.

    OMP_NUM_THREADS=1 python benchmarks/accuracy/registration/films.py \
        --root ../shared/data/fracatlas [--films 15] [--out FILE]

Films are drawn at random from those of FracAtlas that can be read. Each is registered with
  rigid    itself turned by up to 20 degrees and shifted by up to 8 % of its sides
  affine   the same, also scaled by 0.9 to 1.1 along each axis and sheared by up to 0.1
  other    the next film drawn, of another patient as a rule: nothing to be found
The warped film has another gamma, another contrast and noise of 2 % of the film's own range (0.5th
to 99.5th percentile). The error is the mean over a grid of landmarks that lie in the body (all,
where no air can be told), in pixels of the film.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import SimpleITK

from fracturax.core.errors import ImageError
from fracturax.core.image import Radiograph
from fracturax.datasets import open_dataset
from fracturax.evaluation.intervals import wilson_interval
from fracturax.transforms.body import enlarge, find_body, small_film
from fracturax.transforms.register import register
from fracturax.transforms.registration import USABLE, Registration, map_points, resample

HERE = Path(__file__).parent
LANDMARKS = 15


def drawn_warp(
    shape: tuple[int, int], *, freedom: str, generator: np.random.Generator
) -> np.ndarray:
    """Draw a matrix about the middle of a film, shape (3, 3)."""
    angle = np.radians(generator.uniform(-20, 20))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if freedom == "affine":
        rows, columns, shear = *generator.uniform(0.9, 1.1, 2), generator.uniform(-0.1, 0.1)
        turn = turn @ np.array([[rows, shear], [0, columns]])
    matrix, middle = np.eye(3), np.divide(shape, 2)
    matrix[:2, :2] = turn
    matrix[:2, 2] = middle + generator.uniform(-0.08, 0.08, 2) * shape - turn @ middle
    return matrix


def warped(film: Radiograph, matrix: np.ndarray, generator: np.random.Generator) -> Radiograph:
    """Return a film moved by a matrix, exposed otherwise."""
    low, high = np.percentile(film.pixels, (0.5, 99.5)).tolist()
    span = max(high - low, 1e-3)
    moved = (resample(film.pixels, matrix, film.pixels.shape, outside=low) - low) / span
    exposed = generator.uniform(0.8, 1.1) * np.clip(moved, 0, None) ** generator.uniform(0.7, 1.4)
    exposed += generator.normal(0, 0.02, exposed.shape)
    return Radiograph(np.clip(low + span * exposed, 0, 1).astype(np.float32))


def landmarks(film: Radiograph) -> np.ndarray:
    """Return `(row, column)` of a grid of points in the body, shape `(n, 2)`."""
    shares = (np.arange(LANDMARKS) + 0.5) / LANDMARKS
    grid = np.stack(np.meshgrid(shares * film.rows, shares * film.columns), -1).reshape(-1, 2)
    body = enlarge(find_body(small_film(film.pixels)).mask, film.pixels.shape)
    return grid[body[tuple(grid.astype(int).T)]]


def error_px(found: Registration, film: Radiograph, matrix: np.ndarray) -> float:
    """Return the mean distance of landmarks from where they are, in pixels."""
    points = landmarks(film)
    true = map_points(matrix, points)
    seen = ((true >= 0) & (true < film.pixels.shape)).all(axis=1)
    apart = np.linalg.norm(found.points_to_fixed(points) - true, axis=1)
    return float(apart[seen].mean())


def main() -> None:
    """Measure, and write the result beside this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--films", type=int, default=15)
    parser.add_argument("--out", type=Path, default=HERE / "films.json")
    options = parser.parse_args()
    cases = open_dataset("fracatlas", root=options.root, split="all")
    generator = np.random.default_rng(0)
    films = []
    for number in generator.permutation(len(cases)).tolist():
        if len(films) == options.films + 1:
            break
        try:
            films += cases[number].open().radiographs[:1]
        except ImageError:
            continue  # a damaged file of the release
    rows = []
    for film, other in pairwise(films):
        for kind in ("rigid", "affine", "other"):
            freedom = "rigid" if kind == "rigid" else "affine"
            matrix = drawn_warp(film.pixels.shape, freedom=freedom, generator=generator)
            fixed = other if kind == "other" else warped(film, matrix, generator)
            start = time.process_time()
            found = register(film, fixed, freedom=freedom)
            rows.append(
                {
                    "kind": kind,
                    "shape": list(film.pixels.shape),
                    "method": found.method,
                    "quality": round(found.quality, 4),
                    "is_usable": found.is_usable,
                    "error_px": None if kind == "other" else error_px(found, film, matrix),
                    "cpu_s": round(time.process_time() - start, 2),
                }
            )
            print(rows[-1], flush=True)
    document = {
        "films": options.films,
        "usable_from_quality": USABLE,
        "summary": {kind: summary(rows, kind) for kind in ("rigid", "affine", "other")},
        "python": platform.python_version(),
        "simpleitk": SimpleITK.Version.VersionString(),
        "rows": rows,
    }
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document["summary"], indent=1))


def summary(rows: list[dict], kind: str) -> dict:
    """Put the rows of one kind together; shares with their 95 % interval (Wilson)."""
    mine = [row for row in rows if row["kind"] == kind]
    usable = [row for row in mine if row["is_usable"]]
    said = {
        "n": len(mine),
        "usable": share(len(usable), len(mine)),
        "cpu_s_median": float(np.median([row["cpu_s"] for row in mine])),
        "quality_range": [min(r["quality"] for r in mine), max(r["quality"] for r in mine)],
    }
    if kind == "other":
        return said
    errors = np.array([row["error_px"] for row in mine])
    told = np.array([row["error_px"] for row in usable])
    return said | {
        "within_1_px": share(int((errors <= 1).sum()), len(errors)),
        "within_1_px_of_usable": share(int((told <= 1).sum()), len(told)),
        "error_px_median": float(np.median(errors)),
        "error_px_90th_percentile": float(np.quantile(errors, 0.9)),
        "error_px_largest_of_usable": float(told.max()),
    }


def share(count: int, n: int) -> dict:
    """Return a share with its interval."""
    low, high = wilson_interval(count, n)
    return {"value": count / n, "low": low, "high": high, "n": n}


if __name__ == "__main__":
    main()
