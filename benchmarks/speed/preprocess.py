"""How fast a film is preprocessed, beside the same steps of scikit-image in the same run.

    OMP_NUM_THREADS=1 python benchmarks/speed/preprocess.py [--runs 15] [--out FILE]

A SYNTHETIC film of 2140 x 1760 (a limb in air, a shutter, a marker, noise), medians of several
runs, in memory:
  film      the default plan: markers, border, collimator, percentiles
  contrast  the same, then median 3 x 3 and CLAHE
  peer      scikit-image: markers and field by threshold and regionprops at the same reduced sizes,
            percentiles by rescale_intensity; then median and equalize_adapthist
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import skimage
from skimage import exposure, filters, measure, morphology, transform

from fracturax.core.image import Radiograph
from fracturax.transforms.step_plan import load_plan

ROWS, COLUMNS = 2140, 1760


def made_up() -> np.ndarray:
    """Draw the film."""
    column = np.mgrid[:ROWS, :COLUMNS][1]
    film = np.full((ROWS, COLUMNS), 0.04, np.float32)
    film[np.abs(column - COLUMNS / 2) < 0.27 * COLUMNS] = 0.35
    film[np.abs(column - COLUMNS / 2) < 0.08 * COLUMNS] = 0.72
    film = cv2.GaussianBlur(film, (0, 0), 4)
    film += np.random.default_rng(0).normal(0, 0.012, film.shape).astype(np.float32)
    marker = np.zeros(film.shape, np.uint8)
    cv2.putText(marker, "L", (150, 300), cv2.FONT_HERSHEY_SIMPLEX, 5, 255, 14)
    film[marker > 0] = 0.97
    film[:90] = film[-90:] = 0.0
    film[:, :70] = film[:, -70:] = 0.0
    return np.clip(film, 0, 1)


def peer_film(film: np.ndarray) -> np.ndarray:
    """Do with scikit-image what the plan `film` does."""
    small = transform.resize(film, (1024, round(1024 * COLUMNS / ROWS)), anti_aliasing=True)
    bright = morphology.dilation(small >= 0.6 * small.max(), morphology.disk(3))
    labels = measure.label(bright)
    painted = film.copy()
    scale = ROWS / small.shape[0]
    for part in measure.regionprops(labels, intensity_image=small):
        if part.area < 0.01 * small.size and part.axis_major_length < 0.2 * max(small.shape):
            top, left, bottom, right = (round(side * scale) for side in part.bbox)
            painted[top:bottom, left:right] = np.median(small)
    spread = painted.std(axis=1) > 0.01, painted.std(axis=0) > 0.01
    rows, columns = (np.flatnonzero(one) for one in spread)
    cut = painted[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = transform.resize(cut, (512, round(512 * cut.shape[1] / cut.shape[0])))
    field = filters.median(small, morphology.footprint_rectangle((3, 3))) > 0.06
    rows, columns = (np.flatnonzero(field.any(axis=axis)) for axis in (1, 0))
    scale = cut.shape[0] / 512
    top, bottom = int(rows[0] * scale), int((rows[-1] + 1) * scale)
    left, right = int(columns[0] * scale), int((columns[-1] + 1) * scale)
    cut = cut[top:bottom, left:right]
    low, high = np.percentile(cut, (0.5, 99.5))
    return exposure.rescale_intensity(cut, in_range=(low, high), out_range=(0.0, 1.0))


def peer_contrast(film: np.ndarray) -> np.ndarray:
    """Do with scikit-image what the plan `contrast` does."""
    cut = peer_film(film)
    even = filters.median(cut, morphology.footprint_rectangle((3, 3)))
    tiles = (even.shape[0] // 8, even.shape[1] // 8)
    return exposure.equalize_adapthist(even, kernel_size=tiles, clip_limit=2 / 256)


def median_ms(work: Callable[[], object], *, runs: int) -> dict[str, float]:
    """Return the median time of several runs on the wall and on the cores, after one to warm up.

    Beside other work on the same cores the wall says how busy they are, the cores what it costs.
    """
    work()
    wall, cores = [], []
    for _ in range(runs):
        start = time.perf_counter(), time.process_time()
        work()
        wall.append(1e3 * (time.perf_counter() - start[0]))
        cores.append(1e3 * (time.process_time() - start[1]))
    return {"wall": round(statistics.median(wall), 1), "cpu": round(statistics.median(cores), 1)}


def main() -> None:
    """Run both and print or write the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    film = made_up()
    result: dict[str, object] = {
        "film": "synthetic, 2140 x 1760, float32",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average": round(os.getloadavg()[0], 1),
        "opencv_threads": cv2.getNumThreads(),
        "scikit_image": skimage.__version__,
    }
    for name, peer in (("film", peer_film), ("contrast", peer_contrast)):
        plan = load_plan(name)
        radiograph = Radiograph(film.copy())
        ours = median_ms(lambda plan=plan, one=radiograph: plan.apply(one), runs=options.runs)
        theirs = median_ms(lambda peer=peer: peer(film), runs=max(3, options.runs // 4))
        steps, image = {}, radiograph
        for transform_ in plan.transforms:
            steps[transform_.name] = median_ms(
                lambda one=transform_, given=image: one.apply(given), runs=options.runs
            )
            image = transform_.apply(image).image
        result[name] = {
            "ms": ours,
            "scikit_image_ms": theirs,
            "cpu_ratio": round(theirs["cpu"] / ours["cpu"], 1),
            "steps_ms": steps,
        }
    text = json.dumps(result, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
