"""How well the untrained segmentation finds the bones of CTs, case by case.

    OMP_NUM_THREADS=1 python benchmarks/accuracy/bone/ct.py --root ../shared/data [--out FILE]

Cases:
  whole    the abdomen-pelvis CT of TotalSegmentator (3 mm, soft tissue, a metal implant) beside its
           machine masks of all bones; ribs without costal cartilage
  pelvis   four patients of FracSegNet: hip bones and sacrum beside their masks. The data hold
           bone alone, so the rest is filled with 40 HU and noise of 15 HU: contrast medium, table,
           vessels and the femurs are not there, and the task is easier than a whole CT

For each case the overlap with the union of the reference, and for each bone the overlap with the
one label that covers most of it: whether it was kept apart from its neighbours. Numbers stand case
by case; the mean over four patients has a bootstrap interval and is no clinical performance.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fracturax.core.image import Volume
from fracturax.evaluation.segmentation import MaskScores, evaluate_masks, measure_masks
from fracturax.imaging import read_image
from fracturax.transforms.ct_bone import segment_ct_bone

HERE = Path(__file__).parent
BONES = (*range(25, 51), *range(69, 79), 91, *range(92, 117))
NAMED = {
    25: "sacrum",
    27: "L5",
    75: "left femur",
    76: "right femur",
    77: "left hip",
    78: "right hip",
}
PATIENTS = ("001", "003", "004", "005")
PELVIS = {"LI": "left hip", "RI": "right hip", "SA": "sacrum"}


@dataclass(frozen=True)
class Case:
    """A CT and which bones lie where in it."""

    name: str
    volume: Volume
    reference: np.ndarray
    names: dict[int, str]


def cases(root: Path) -> Iterator[Case]:
    """Yield the cases that are there."""
    folder = root / "totalsegmentator-ct"
    volume = read_image(folder / "example_ct.nii.gz")[0]
    labels = read_image(folder / "example_seg_fast_force_split.nii.gz")[0].pixels
    yield Case("totalsegmentator", volume, np.where(np.isin(labels, BONES), labels, 0), NAMED)
    for patient in PATIENTS:
        yield pelvis(root / "pelvic-ct" / patient, patient)


def pelvis(folder: Path, patient: str) -> Case:
    """Put the bones of one patient into soft tissue."""
    noise = np.random.default_rng(int(patient))
    hu = reference = geometry = None
    for number, bone in enumerate(PELVIS, start=1):
        image = read_image(folder / f"{patient}_{bone}.nii.gz")[0]
        mask = read_image(folder / f"{patient}_{bone}_mask.nii.gz")[0].pixels > 0
        if hu is None:
            hu = np.rint(noise.normal(40, 15, mask.shape)).astype(np.int16)
            reference, geometry = np.zeros(mask.shape, np.uint8), image.geometry
        hu[image.pixels != 0] = image.pixels[image.pixels != 0]
        reference[mask] = number
    return Case(
        patient, Volume(hu, geometry=geometry), reference, dict(enumerate(PELVIS.values(), 1))
    )


def boxed(*masks: np.ndarray) -> list[np.ndarray]:
    """Return masks cut to the box around all of them."""
    both = np.logical_or.reduce(masks)
    box = []
    for axis in range(3):
        places = np.flatnonzero(both.any(axis=tuple(other for other in range(3) if other != axis)))
        box.append(slice(max(0, places[0] - 2), places[-1] + 3))
    return [mask[tuple(box)] for mask in masks]


def measure(case: Case) -> tuple[dict, MaskScores]:
    """Segment one case and compare."""
    start = time.process_time()
    found = segment_ct_bone(case.volume)
    seconds = time.process_time() - start
    spacing = case.volume.geometry.spacing_mm
    there = boxed(found.mask, case.reference > 0)
    scores = measure_masks(*there, spacing_mm=spacing, tolerance_mm=max(2.0, *spacing))
    apart = {}
    for number, name in case.names.items():
        mine = case.reference == number
        if mine.any():
            counts = np.bincount(found.labels[mine], minlength=2)
            counts[0] = 0
            label = int(counts.argmax())
            common = 2 * int(counts[label])
            apart[name] = round(common / int(mine.sum() + (found.labels == label).sum()), 4)
    return {
        "case": case.name,
        "shape": list(case.volume.pixels.shape),
        "spacing_mm": [round(mm, 3) for mm in spacing],
        "dice": round(scores.dice, 4),
        "precision": round(scores.precision, 4),
        "recall": round(scores.recall, 4),
        "surface_dice": round(scores.surface_dice, 4),
        "surface_tolerance_mm": scores.tolerance_mm,
        "hd95_mm": round(scores.hd95_mm, 2),
        "dice_of_each_bone": apart,
        "labels": len(found.parts),
        "quality": round(found.quality, 4),
        "cpu_s": round(seconds, 1),
    }, scores


def main() -> None:
    """Measure, and write the result beside this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE / "ct.json")
    options = parser.parse_args()
    rows, scores = [], []
    for case in cases(options.root):
        row, score = measure(case)
        print(row, flush=True)
        rows.append(row)
        scores.append(score)
    mean = evaluate_masks(scores[1:], list(PATIENTS), generator=np.random.default_rng(0))["dice"]
    document = {
        "pelvis_dice": {"value": mean.value, "low": mean.low, "high": mean.high, "n": mean.n},
        "method": mean.method,
        "most_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "python": platform.python_version(),
        "cases": rows,
    }
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
