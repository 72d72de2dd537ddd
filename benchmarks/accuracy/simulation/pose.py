"""Is the pose of a simulated film found again: 50 trials on real CTs, and films that must fail.

    NUMBA_NUM_THREADS=1 python benchmarks/accuracy/simulation/pose.py --root ../shared/data \
        [--trials 50] [--out FILE]

Films of the four pelvic trauma CTs (bones alone; their flesh has another texture and outline than
in the CT that is searched in) and of one abdomen-pelvis CT with flesh (the same CT is searched in),
512 x 512, with spectrum, scatter, blur, noise and the curve of a film. Each truth is up to 15
degrees about each axis and 15 mm along each from an AP view; each start is 10 degrees about a
random axis and 20 mm in a random direction away from the truth. Recovered: within 1 degree, 2 mm in
plane, 10 mm in depth. Films that must fail: of another patient, and from starts 60 degrees off.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from fracturax.core.image import Radiograph, Volume
from fracturax.imaging import open_study
from fracturax.simulation.cone_beam import ConeBeam, Pose
from fracturax.simulation.film import Exposure, expose
from fracturax.simulation.pose_search import ENOUGH_LIKENESS, PoseMatch, PoseSearch
from fracturax.simulation.scene import Scene
from fracturax.simulation.soft_tissue import fill_zeros

PELVES = ("001", "003", "004", "005")
TURN_DEG, SHIFT_MM = 10.0, 20.0


def ct_pairs(root: Path) -> dict[str, tuple[Volume, Volume]]:
    """Return by name the CT that films are taken of and the CT that is searched in."""
    whole = open_study(root / "totalsegmentator-ct" / "example_ct.nii.gz").images[0]
    assert isinstance(whole, Volume)
    pairs = {"totalsegmentator": (whole, whole)}
    for patient in PELVES:
        bones = [
            open_study(root / "pelvic-ct" / patient / f"{patient}_{bone}.nii.gz").images[0]
            for bone in ("LI", "RI", "SA")
        ]
        pelvis = replace(bones[0], pixels=sum(bone.pixels.astype(np.int16) for bone in bones))
        assert isinstance(pelvis, Volume)
        pairs[patient] = (
            fill_zeros(pelvis, rng=np.random.default_rng(1), margin_mm=50),
            fill_zeros(pelvis, rng=np.random.default_rng(2), margin_mm=40),
        )
    return pairs


def take_film(scene: Scene, rng: np.random.Generator) -> tuple[Radiograph, ConeBeam]:
    """Return a film from a random pose, and its geometry."""
    pose = Pose(tuple(rng.uniform(-15, 15, 3)), tuple(rng.uniform(-15, 15, 3)))
    beam = ConeBeam(1150, 900, pixel_mm=(0.7, 0.7), pose=pose, center_mm=scene.center_mm)
    return expose(scene.cast(beam), Exposure(), rng=rng), beam


def start_off(
    beam: ConeBeam, turn_deg: float, shift_mm: float, rng: np.random.Generator
) -> ConeBeam:
    """Return the geometry with a pose turned about a random axis and moved at random."""
    from scipy.spatial.transform import Rotation

    axis, way = (one / np.linalg.norm(one) for one in rng.standard_normal((2, 3)))
    turn = Rotation.from_rotvec(turn_deg * axis, degrees=True).as_matrix()
    shift = np.array(beam.pose.translation_mm) + shift_mm * way
    return replace(beam, pose=Pose.from_matrix(turn @ beam.pose.matrix, shift))


def errors_of(match: PoseMatch, truth: Pose) -> dict[str, float]:
    """Return how far a pose is off."""
    off = np.subtract(match.beam.pose.translation_mm, truth.translation_mm)
    return {
        "turn_deg": round(match.beam.pose.angle_to(truth), 3),
        "plane_mm": round(float(np.hypot(off[0], off[2])), 3),
        "depth_mm": round(abs(float(off[1])), 3),
        "score": round(match.score, 4),
    }


def is_recovered(errors: dict[str, float]) -> bool:
    """Return whether a pose is as near as asked for."""
    return errors["turn_deg"] <= 1 and errors["plane_mm"] <= 2 and errors["depth_mm"] <= 10


def run(root: Path, trials: int) -> dict[str, object]:
    """Run all trials and return the result."""
    pairs = ct_pairs(root)
    scenes = {name: Scene(taken) for name, (taken, _) in pairs.items()}
    searches = {name: PoseSearch(searched) for name, (_, searched) in pairs.items()}
    names = list(pairs)
    del pairs
    rows, failing = [], []
    for trial in range(trials):
        name = names[trial % len(names)]
        rng = np.random.default_rng(1000 + trial)
        film, truth = take_film(scenes[name], rng)
        start = start_off(truth, TURN_DEG, SHIFT_MM, rng)
        begun = time.perf_counter()
        match = searches[name].find(film, start)
        row = {"ct": name, **errors_of(match, truth.pose), "is_usable": match.is_usable}
        row |= {"is_recovered": is_recovered(row), "seconds": round(time.perf_counter() - begun, 1)}
        rows.append(row)
        print(trial, row, flush=True)
    for trial in range(trials // 10):
        name, other = names[trial % len(names)], names[(trial + 1) % len(names)]
        rng = np.random.default_rng(5000 + trial)
        film, truth = take_film(scenes[name], rng)
        for kind, searched, start in (
            ("another patient", other, replace(truth, center_mm=scenes[other].center_mm)),
            ("start 60 degrees off", name, start_off(truth, 60.0, SHIFT_MM, rng)),
        ):
            match = searches[searched].find(film, start)
            row = {"kind": kind, "ct": name, "is_usable": match.is_usable}
            failing.append(row | errors_of(match, truth.pose))
            print(trial, failing[-1], flush=True)
    return summary(rows, failing)


def summary(rows: list[dict[str, object]], failing: list[dict[str, object]]) -> dict[str, object]:
    """Return counts, quantiles and the rows they come from."""
    usable = [row for row in rows if row["is_usable"]]
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "trials": len(rows),
        "recovered": sum(bool(row["is_recovered"]) for row in rows),
        "recovered_share": round(float(np.mean([row["is_recovered"] for row in rows])), 3),
        "usable": len(usable),
        "usable_but_not_recovered": sum(not row["is_recovered"] for row in usable),
        "enough_likeness": ENOUGH_LIKENESS,
        "median": {
            key: round(float(np.median([float(str(row[key])) for row in rows])), 3)
            for key in ("turn_deg", "plane_mm", "depth_mm", "score", "seconds")
        },
        "recovered_by_ct": {
            name: f"{sum(bool(row['is_recovered']) for row in rows if row['ct'] == name)} of "
            f"{sum(row['ct'] == name for row in rows)}"
            for name in sorted({str(row["ct"]) for row in rows})
        },
        "must_fail": len(failing),
        "must_fail_but_usable": sum(bool(row["is_usable"]) for row in failing),
        "rows": rows,
        "rows_that_must_fail": failing,
    }


def main() -> None:
    """Run and print or write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    text = json.dumps(run(options.root, options.trials), indent=1)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
