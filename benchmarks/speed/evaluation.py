"""How fast the numbers come, beside the usual library in the same run; one core.

    OMP_NUM_THREADS=1 python benchmarks/speed/evaluation.py [--scale 1.0] [--out FILE]

Measures, medians of a few runs:
  delong     the paired comparison of 2 models on 100,000 cases, beside the same components from
             all pairs (the textbook's O(n^2), on fewer cases, scaled by the square, and said so)
  bootstrap  2,000 cluster-bootstrap resamples of the AUROC of 10,000 cases of 5,000 patients,
             also with BCa, beside scikit-learn's roc_auc_score on fewer resamples, scaled
  boxes      mAP (COCO's 10 overlaps) and FROC of 10,000 images, beside pycocotools' mAP of the same
`--scale` shrinks all of it, to try the script.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy

from fracturax.evaluation import (
    ImageDetections,
    froc,
    group_bootstrap_weighted,
    mean_average_precision,
)
from fracturax.evaluation.classification import auroc_of_weights
from fracturax.evaluation.comparison import delong_test

HERE = Path(__file__).parent


def median_s(work: Callable[[], object], *, runs: int) -> float:
    """Return the median wall-clock seconds of some work."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def drawn_cases(n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return references and scores of two models."""
    generator = np.random.default_rng(0)
    reference = (generator.uniform(size=n) < 0.2).astype(np.int64)
    scores = generator.normal(size=n) + 0.7 * generator.normal(size=(2, n)) + 1.5 * reference
    return reference, scores


def pairwise_delong(
    reference: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Return difference and variance from all pairs, in blocks so that memory holds."""
    parts = []
    for score in scores:
        positive, negative = score[reference == 1], score[reference == 0]
        above, below = np.empty(positive.size), np.zeros(negative.size)
        for start in range(0, positive.size, 500):
            block = positive[start : start + 500, None]
            wins = (block > negative) + 0.5 * (block == negative)
            above[start : start + 500] = wins.mean(axis=1)
            below += wins.sum(axis=0)
        parts.append((above, below / positive.size))
    above, below = parts[0][0] - parts[1][0], parts[0][1] - parts[1][1]
    variance = above.var(ddof=1) / above.size + below.var(ddof=1) / below.size
    return float(above.mean()), float(variance)


def measure_delong(scale: float) -> dict[str, object]:
    """Compare two models on 100,000 cases."""
    n, few = int(100_000 * scale), int(10_000 * scale)
    reference, scores = drawn_cases(n)
    ours = median_s(lambda: delong_test(reference, *scores), runs=5)
    theirs = median_s(lambda: pairwise_delong(reference[:few], scores[:, :few]), runs=1)
    test = delong_test(reference[:few], *scores[:, :few])
    difference, variance = pairwise_delong(reference[:few], scores[:, :few])
    return {
        "cases": n,
        "ours_s": ours,
        "all_pairs_s": theirs * (n / few) ** 2,
        "all_pairs_note": f"measured on {few} cases in {theirs:.3f} s, scaled by the square",
        "largest_gap": max(
            abs(test.difference - difference), abs(test.standard_error - variance**0.5)
        ),
        "bar_s": 0.5,
    }


def measure_bootstrap(scale: float) -> dict[str, object]:
    """Draw patients 2,000 times."""
    from sklearn.metrics import roc_auc_score

    n, resamples = int(10_000 * scale), 2000
    few = 50
    reference, scores = drawn_cases(n)
    groups = np.arange(n) // 2
    area = auroc_of_weights(reference, scores[0])

    def ours(bca: bool) -> object:
        return group_bootstrap_weighted(
            groups, area, generator=np.random.default_rng(0), resamples=resamples, bca=bca
        )

    def theirs() -> None:
        generator = np.random.default_rng(0)
        rows_of = [np.flatnonzero(groups == group) for group in range(groups[-1] + 1)]
        for _ in range(few):
            chosen = generator.integers(len(rows_of), size=len(rows_of))
            rows = np.concatenate([rows_of[group] for group in chosen])
            roc_auc_score(reference[rows], scores[0][rows])

    usual = median_s(theirs, runs=1)
    return {
        "cases": n,
        "groups": int(groups[-1]) + 1,
        "resamples": resamples,
        "percentile_s": median_s(lambda: ours(False), runs=3),
        "bca_s": median_s(lambda: ours(True), runs=1),
        "sklearn_loop_s": usual * resamples / few,
        "sklearn_note": f"measured on {few} resamples in {usual:.2f} s, scaled",
        "bar_s": 15,
    }


def drawn_images(count: int) -> list[ImageDetections]:
    """Return images with up to 3 fractures and about 5 detections each."""
    generator = np.random.default_rng(0)
    images = []
    for number in range(count):
        corner = generator.uniform(0, 400, size=(int(generator.integers(0, 4)), 2))
        reference = np.hstack([corner, corner + generator.uniform(20, 90, size=corner.shape)])
        near = reference + generator.normal(scale=6, size=reference.shape)
        near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
        corner = generator.uniform(0, 400, size=(int(generator.integers(1, 6)), 2))
        far = np.hstack([corner, corner + generator.uniform(20, 90, size=corner.shape)])
        predicted = np.vstack([near, far])
        scores = generator.uniform(size=predicted.shape[0])
        scores[: near.shape[0]] = np.sqrt(scores[: near.shape[0]])
        images.append(ImageDetections(f"c{number}", "1", predicted, scores, reference))
    return images


def coco_map(images: list[ImageDetections]) -> Callable[[], float]:
    """Return pycocotools' mAP of the images as a function; its tables are made beforehand."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def as_coco(box: npt.NDArray[np.float64]) -> list[float]:
        top, left, bottom, right = box.tolist()
        return [left, top, right - left, bottom - top]

    truth, found = [], []
    for number, image in enumerate(images, 1):
        assert image.reference is not None
        for box in image.reference:
            shape = as_coco(box)
            area = shape[2] * shape[3]
            truth.append(
                {"id": len(truth) + 1, "image_id": number, "category_id": 1, "iscrowd": 0,
                 "bbox": shape, "area": area}
            )  # fmt: skip
        for box, score in zip(image.predicted, image.scores.tolist(), strict=True):
            found.append(
                {"image_id": number, "category_id": 1, "bbox": as_coco(box), "score": score}
            )
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = {
            "images": [{"id": number} for number in range(1, len(images) + 1)],
            "categories": [{"id": 1, "name": "fracture"}],
            "annotations": truth,
        }
        known.createIndex()
        answers = known.loadRes(found)

    def work() -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            judge = COCOeval(known, answers, "bbox")
            judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
            judge.params.maxDets = [100]
            judge.evaluate()
            judge.accumulate()
        return float(judge.eval["precision"].mean())

    return work


def measure_boxes(scale: float) -> dict[str, object]:
    """Judge the boxes of 10,000 images."""
    images = drawn_images(int(10_000 * scale))
    coco = coco_map(images)
    return {
        "images": len(images),
        "detections": int(sum(image.scores.size for image in images)),
        "map_s": median_s(lambda: mean_average_precision(images), runs=1),
        "froc_s": median_s(lambda: froc(images), runs=1),
        "pycocotools_map_s": median_s(coco, runs=1),
        "map_gap": abs(mean_average_precision(images).mean - coco()),
        "bar_s": 20,
    }


def main() -> None:
    """Measure everything and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=HERE / "evaluation.json")
    options = parser.parse_args()
    document: dict[str, object] = {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "load_at_start": os.getloadavg()[0],
        },
        "scale": options.scale,
    }
    for name, measure in (
        ("delong", measure_delong),
        ("bootstrap", measure_bootstrap),
        ("boxes", measure_boxes),
    ):
        document[name] = measure(options.scale)
        print(name, json.dumps(document[name]), flush=True)
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
