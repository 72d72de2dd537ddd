"""mAP and FROC of 10,000 images on one core, beside pycocotools in the same run.

OMP_NUM_THREADS=1 python benchmarks/speed/localization.py [--images 10000] [--out FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fracturax.evaluation import (
    ImageDetections,
    afroc,
    average_precision,
    free_response,
    froc_of_matches,
    match_images,
)


def made_up(count: int) -> list[ImageDetections]:
    """Return images with up to three fractures and about twenty boxes each."""
    generator = np.random.default_rng(0)
    images = []
    for number in range(count):
        corners = generator.uniform(0, 400, (generator.integers(0, 4), 2))
        there = np.hstack([corners, corners + generator.uniform(20, 90, corners.shape)])
        near = np.repeat(there, 3, axis=0)
        near = near + generator.normal(0, 5, near.shape)
        corners = generator.uniform(0, 400, (generator.integers(8, 24), 2))
        false = np.hstack([corners, corners + generator.uniform(20, 90, corners.shape)])
        seen = np.vstack([near, false])
        seen = seen[(seen[:, :2] < seen[:, 2:]).all(axis=1)]
        images.append(ImageDetections(f"{number}", "1", seen, generator.random(len(seen)), there))
    return images


def with_pycocotools(images: list[ImageDetections]) -> float:
    """Return mAP50-95 as COCOeval has it, without a limit of boxes."""
    annotations, results = [], []
    for number, image in enumerate(images, 1):
        assert image.reference is not None
        for top, left, bottom, right in image.reference.tolist():
            box = [left, top, right - left, bottom - top]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "bbox": box,
                 "area": box[2] * box[3], "iscrowd": 0}
            )  # fmt: skip
        for (top, left, bottom, right), score in zip(
            image.predicted.tolist(), image.scores.tolist(), strict=True
        ):
            box = [left, top, right - left, bottom - top]
            results.append({"image_id": number, "category_id": 1, "bbox": box, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": number} for number in range(1, len(images) + 1)],
            "categories": [{"id": 1}],
            "annotations": annotations,
        }
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(results), "bbox")
        judge.params.maxDets = [100_000]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    return float(judge.eval["precision"].mean())


def main() -> None:
    """Run both and print or write the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    images = made_up(options.images)
    start = time.process_time()
    matches = match_images(images)
    ours = float(average_precision(matches).mean())
    curve = froc_of_matches(matches.at(0.5))
    area = afroc(free_response(matches.at(0.5))).area
    ours_s = time.process_time() - start
    start = time.process_time()
    theirs = with_pycocotools(images)
    result = {
        "images": len(images),
        "boxes": int(matches.scores.size),
        "mAP50_95": ours,
        "mAP50_95_pycocotools": theirs,
        "froc_points": int(curve.thresholds.size),
        "wafroc_area": area,
        "cpu_s": round(ours_s, 2),
        "cpu_s_pycocotools": round(time.process_time() - start, 2),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
