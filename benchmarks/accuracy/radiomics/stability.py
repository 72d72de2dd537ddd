"""Which radiomics features of bone stay what they are under small changes, by family and filter.

    OMP_NUM_THREADS=1 python benchmarks/accuracy/radiomics/stability.py --root ../shared/data \
        [--sets film ct] [--cubes 1]

Regions:
  ct       bone in cubes of 40 voxels about random voxels of the three bones of four patients
           (FracSegNet), `--cubes` of each bone. The data hold bone alone, so the rest of a cube is
           filled with drawn soft tissue first: what a region takes in when it grows or moves is not
           real. What is written holds whole rounds: one cube of each bone, then two
  film     the bone of every 40th film of FracAtlas by number (neighbours are often one patient),
           found untrained; films of 373 x 454 pixels alone, as the size of a film must not pass for
           a difference between bones. Films have no spacing: a pixel is the unit. The plan asks
           for a Laplacian of Gaussian as for CT, but the library makes none of a single slice

Every region is described as it is and after each of `small_perturbations`. ICC(1,1) over regions
and perturbations; the class goes by the lower end of its 95 % interval. Regions of one patient are
not independent, so the intervals of ct are too narrow: the classes are told with each patient left
out, too. What is shown is which features to distrust, not how
a model on them does.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import FracturaXError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Image, Radiograph, Volume
from fracturax.core.provenance import software_version
from fracturax.imaging import read_image
from fracturax.pipelines.radiomics import bone_of
from fracturax.pipelines.radiomics_stability import CLASSES, Stability, stability_of
from fracturax.radiomics import PerturbedFeatures, RadiomicsPlan, perturbed_features
from fracturax.radiomics.features import Mask
from fracturax.radiomics.perturbation import noise_of
from fracturax.simulation.soft_tissue import fill_zeros

HERE = Path(__file__).parent
SEED = 0
PATIENTS = ("001", "003", "004", "005")
BONES = ("LI", "RI", "SA")
CUBES_A_BONE = 1
HALF, AROUND = 20, 6
LEAST_VOXELS, MOST_BONE = 5000, 0.7
EVERY, FILMS, FILM_SHAPES = 40, 40, ((373, 454), (454, 373))
PLANS = {
    "ct": RadiomicsPlan(log_sigma_mm=(2.0,), has_wavelet=True),
    "film": RadiomicsPlan(log_sigma_mm=(2.0,), has_wavelet=True),
}


@dataclass(frozen=True, eq=False)
class Region:
    """A region and whose it is."""

    group: str
    image: Image
    mask: Mask


def ct_regions(root: Path, cubes: int) -> Iterator[Region]:
    """Yield cubes of bone: the first of each bone of each patient, then the second."""
    rounds: list[list[Region]] = [[] for _ in range(cubes)]
    for patient in PATIENTS:
        hu, bones, spacing = pelvis(root / "pelvic-ct" / patient, patient)
        for number in range(1, len(BONES) + 1):
            places = np.argwhere(bones == number)
            for count, taken in enumerate(rounds):
                generator = np.random.default_rng([SEED, int(patient), number, count])
                taken.append(cube_of(hu, bones, number, places, spacing, patient, generator))
    for taken in rounds:
        yield from taken


def cube_of(
    hu: npt.NDArray[np.int16],
    bones: npt.NDArray[np.uint8],
    number: int,
    places: npt.NDArray[np.int64],
    spacing: tuple[float, ...],
    patient: str,
    generator: np.random.Generator,
) -> Region:
    """Return a bone within a random cube, with soft tissue around it."""
    side = 2 * (HALF + AROUND)
    while True:
        center = generator.choice(places)
        cube = tuple(slice(one - side // 2, one + side // 2) for one in center)
        inside = bones[cube] == number
        middle = (slice(AROUND, -AROUND),) * 3
        mask = np.zeros((side,) * 3, bool)
        if inside.shape != mask.shape:
            continue
        mask[middle] = inside[middle]
        if mask.sum() >= LEAST_VOXELS and (hu[cube] != 0).mean() < MOST_BONE:
            bare = Volume(hu[cube].copy(), geometry=Geometry(spacing, "patient"))
            return Region(patient, fill_zeros(bare, rng=generator), mask)


def pelvis(folder: Path, patient: str) -> tuple[np.ndarray, np.ndarray, tuple[float, ...]]:
    """Return HU and bones (1, 2, 3) of a patient, no larger than needed, and the spacing."""
    hu = bones = None
    spacing: tuple[float, ...] = ()
    for number, bone in enumerate(BONES, start=1):
        (image,) = read_image(folder / f"{patient}_{bone}.nii.gz")
        (fragments,) = read_image(folder / f"{patient}_{bone}_mask.nii.gz")
        mask = fragments.pixels > 0
        if hu is None or bones is None:
            hu, bones = np.zeros(mask.shape, np.int16), np.zeros(mask.shape, np.uint8)
            spacing = image.geometry.spacing_mm or ()
        values = np.rint(image.pixels[mask]).astype(np.int16)
        # Zero is what is to be filled, and bone of 0 HU is bone.
        hu[mask] = np.where(values == 0, 1, values)
        bones[mask] = number
    assert hu is not None and bones is not None, "there are three bones"
    margin = HALF + AROUND
    part = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        there = np.flatnonzero((bones > 0).any(axis=others))
        part.append(slice(max(int(there[0]) - margin, 0), int(there[-1]) + margin + 1))
    return hu[tuple(part)], bones[tuple(part)], spacing


def film_regions(root: Path) -> Iterator[Region]:
    """Yield the bones of films, far apart by number."""
    folder = root / "fracatlas" / "images"
    films = sorted(folder.glob("*/*.jpg"), key=lambda path: path.name)
    taken = 0
    for path in films[::EVERY]:
        try:
            (film,) = read_image(path)
        except FracturaXError:
            continue
        if not isinstance(film, Radiograph) or film.pixels.shape not in FILM_SHAPES:
            continue
        mask, reason = bone_of(film)
        if reason:
            continue
        yield Region(f"film {taken}", film, mask)
        taken += 1
        if taken == FILMS:
            return


def measure(
    regions: Iterator[Region], plan: RadiomicsPlan, *, every: int
) -> Iterator[dict[str, Any]]:
    """Yield the summary of the first regions, whenever there are so many more."""
    groups, found, voxels, noise = [], [], [], []
    start, clock = time.process_time(), time.perf_counter()
    for number, region in enumerate(regions):
        generator = np.random.default_rng([SEED, number])
        found.append(perturbed_features(region.image, region.mask, generator=generator, plan=plan))
        groups.append(region.group)
        voxels.append(int(region.mask.sum()))
        noise.append(noise_of(region.image, region.mask))
        spent = time.process_time() - start
        passed = time.perf_counter() - clock
        print(f"{region.group}: {voxels[-1]} voxels, {spent:.0f} of {passed:.0f} s", flush=True)
        if len(found) % every == 0:
            sizes = {"voxels": spread(voxels), "noise_in_pixel_units": spread(noise)}
            yield summary(groups, found, sizes) | {"processor_s": round(spent)}
    if len(found) % every:
        sizes = {"voxels": spread(voxels), "noise_in_pixel_units": spread(noise)}
        yield summary(groups, found, sizes) | {"processor_s": round(spent)}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the least, the median and the greatest of some numbers."""
    ends = (min(values), float(np.median(values)), max(values))
    return dict(zip(("least", "median", "most"), (round(one, 4) for one in ends), strict=True))


def summary(
    groups: Sequence[str], found: Sequence[PerturbedFeatures], regions: dict[str, Any]
) -> dict[str, Any]:
    """Return the classes by filter and family, by kind of perturbation, and of each feature."""
    whole = stability_of(found)
    document: dict[str, Any] = {
        "regions": len(found),
        **regions,
        "plan_sha256": whole.plan_sha256,
        "perturbations": [str(one) for one in whole.perturbations],
        "counts": whole.counts(),
        "by_family": by_family(whole),
        "by_kind": {
            kind: stability_of([only(one, kind) for one in found]).counts()
            for kind in dict.fromkeys(one.kind for one in whole.perturbations)
        },
    }
    if len(set(groups)) < len(groups):
        document["without_patient"] = {
            name: classes_of(found, [group != name for group in groups])
            for name in dict.fromkeys(groups)
        }
    document["features"] = {
        one.name: None
        if one.correlation is None
        else [round(one.correlation.value, 4), round(one.correlation.low or 0.0, 4),
              round(one.correlation.high or 0.0, 4)]
        for one in whole.features
    }  # fmt: skip
    return document


def classes_of(found: Sequence[PerturbedFeatures], keep: Sequence[bool]) -> dict[str, Any]:
    """Return the number of regions and the classes on some of the regions."""
    some = [one for one, is_kept in zip(found, keep, strict=True) if is_kept]
    return {"regions": len(some), "counts": stability_of(some).counts()}


def only(one: PerturbedFeatures, kind: str) -> PerturbedFeatures:
    """Return the region as it is and under one kind of perturbation."""
    rows = [number for number, change in enumerate(one.perturbations) if change.kind == kind]
    changes = tuple(one.perturbations[row] for row in rows)
    kept = one.values[[0, *(row + 1 for row in rows)]]
    return PerturbedFeatures(one.names, kept, changes, one.plan_sha256)


def by_family(whole: Stability) -> dict[str, dict[str, dict[str, int]]]:
    """Return how many features are in each class: filter, then family."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for one in whole.features:
        image, family, _ = one.name.split("_", 2)
        row = found.setdefault(image.split("-")[0], {}).setdefault(
            family, dict.fromkeys(CLASSES, 0)
        )
        row[one.stability_class] += 1
    order = ("original", "log", "wavelet")
    return {image: found[image] for image in order if image in found}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--sets", nargs="+", choices=("film", "ct"), default=("film", "ct"))
    parser.add_argument("--cubes", type=int, default=CUBES_A_BONE)
    options = parser.parse_args()
    results = finished(options.out / "stability.json")
    if "film" in options.sets:
        for one in measure(film_regions(options.root), PLANS["film"], every=FILMS):
            results["film"] = one
            write(options.out, results)
    if "ct" in options.sets:
        a_round = len(PATIENTS) * len(BONES)
        regions = ct_regions(options.root, options.cubes)
        for one in measure(regions, PLANS["ct"], every=a_round):
            results["ct"] = one
            write(options.out, results)


def finished(path: Path) -> dict[str, Any]:
    """Return what an earlier run wrote of plans that are still the same."""
    if not path.is_file():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: one
        for name, one in document["results"].items()
        if document["seed"] == SEED and one["plan_sha256"] == PLANS[name].sha256
    }


def write(folder: Path, results: dict[str, Any]) -> None:
    """Write what is complete: all regions of a set."""
    document = {
        "what": "ICC(1,1) of radiomics features of bone under small perturbations, 95 % intervals",
        "software": f"fracturax {software_version()}",
        "machine": f"{platform.machine()}, one thread",
        "seed": SEED,
        "features_are": "value, low, high of ICC(1,1); null where a feature has one value",
        "results": results,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stability.json").write_text(as_json(document), encoding="utf-8")
    (folder / "stability.md").write_text(as_markdown(results), encoding="utf-8")


def as_json(document: dict[str, Any]) -> str:
    """Return the document, a line a feature."""
    import re

    text = json.dumps(document, indent=1)
    return re.sub(r"\[\s+(-?[\d.]+),\s+(-?[\d.]+),\s+(-?[\d.]+)\s+\]", r"[\1, \2, \3]", text) + "\n"


def as_markdown(results: dict[str, Any]) -> str:
    """Return the classes as tables."""
    lines = [
        "# How stable radiomics features of bone are",
        "",
        "Features in each class, by the lower end of the 95 % interval of ICC(1,1): excellent",
        "from 0.9, good from 0.75, moderate from 0.5. Each region as it is and after small",
        "changes: image and region moved by 0.4 voxel and turned by 4 degrees, the region alone",
        "moved, grown and shrunk by a voxel and redrawn at random, the image's own noise added",
        "once more. Which features to distrust, not how a model on them does.",
    ]
    what = {
        "ct": "bone in cubes of 40 voxels, four patients; soft tissue around it is drawn, regions"
        " of one patient are not independent and intervals too narrow",
        "film": "bones of radiographs, found untrained, 373 x 454 pixels; the library makes no"
        " Laplacian of Gaussian of a single slice",
    }
    for name, one in results.items():
        total = sum(one["counts"].values())
        lines += ["", f"## {name}", ""]
        lines += [f"{one['regions']} regions, {total} features: {what[name]}.", ""]
        lines += table(
            ("image", "family"),
            {
                (image, family): row
                for image, families in one["by_family"].items()
                for family, row in families.items()
            }
            | {("all", ""): one["counts"]},
        )
        lines += ["", "Under one kind of change alone:", ""]
        lines += table(("change",), {(kind,): row for kind, row in one["by_kind"].items()})
        if "without_patient" in one:
            rows = {
                (name, str(row["regions"])): row["counts"]
                for name, row in one["without_patient"].items()
            }
            lines += ["", "With one patient left out:", ""]
            lines += table(("patient", "regions"), rows)
    return "\n".join(lines) + "\n"


def table(heads: Sequence[str], rows: dict[tuple[str, ...], dict[str, int]]) -> list[str]:
    """Return the lines of a table of classes."""
    lines = ["| " + " | ".join((*heads, *CLASSES)) + " |"]
    lines.append("|" + "---|" * len(heads) + "--:|" * len(CLASSES))
    for keys, counts in rows.items():
        lines.append("| " + " | ".join((*keys, *(str(counts[name]) for name in CLASSES))) + " |")
    return lines


if __name__ == "__main__":
    main()
