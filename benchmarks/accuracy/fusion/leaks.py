"""What gives the label of prepared pairs away: classifiers that see everything but the fracture.

    fracturax prepare pairs --root ../shared/data/pelvic-ct --out PAIRS
    python benchmarks/accuracy/fusion/leaks.py --pairs PAIRS --root ../shared/data/pelvic-ct

Leave one patient out, patient by patient; a random forest on simple features of what it may see:
  zeros before   "zero or not" of the CT as released, in the same places
  zeros after    the same of the prepared patches
  outline        the bone's mask alone: how much bone, how it lies, how rough its surface is
  border         grey values within 2 mm outside of the bone alone, where zeros were filled
  position       the place in the pelvis, and which bone it is
  plain          ten features of shape and intensity of the bone, which the data's authors' users
                 reached 0.65 to 0.69 with on 28 mm patches
Four patients: what is shown is how these data behave, not how patients do.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier

from fracturax.core.image import Volume
from fracturax.datasets.pairs import CT_MM, CT_VOXELS, CtPatch, PairedCase, open_pairs
from fracturax.evaluation.classification import auroc_interval
from fracturax.imaging import open_study
from fracturax.pipelines.prepare_pairs import BONES

HERE = Path(__file__).parent
INNER = slice(4, 52)
TREES, SEED = 400, 0
Values = npt.NDArray[np.float64]


def of_mask(mask: npt.NDArray[np.bool_]) -> Values:
    """Return how much of a cube a mask fills, how it lies, and how rough it is."""
    small = mask.reshape(8, 6, 8, 6, 8, 6).mean(axis=(1, 3, 5)).ravel()
    parts, count = ndimage.label(mask)
    sizes = np.sort(np.bincount(parts.ravel())[1:])[::-1] if count else np.zeros(1)
    surface = sum(
        int(np.diff(mask.astype(np.int8), axis=axis).astype(bool).sum()) for axis in range(3)
    )
    opened = ndimage.binary_closing(mask, iterations=2)
    share = mask.mean()
    facts = [
        share, count, sizes[0] / max(mask.sum(), 1), surface / max(mask.sum(), 1),
        (opened & ~mask).mean(), (~mask & ndimage.binary_fill_holes(mask)).mean(),
    ]  # fmt: skip
    return np.concatenate([facts, small])


def border(patch: CtPatch) -> Values:
    """Return the spread of grey values just outside of the bone."""
    bone = patch.bone[INNER, INNER, INNER]
    rim = ndimage.binary_dilation(bone, iterations=round(2 / CT_MM)) & ~bone
    values = patch.hu[INNER, INNER, INNER][rim].astype(float)
    if values.size < 10:
        return np.zeros(12)
    quantiles = np.quantile(values, (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99))
    return np.array([*quantiles, values.mean(), values.std(), (values > 100).mean(),
                     (values > 200).mean(), (values < -200).mean()])  # fmt: skip


def plain(patch: CtPatch) -> Values:
    """Return ten features of shape and intensity."""
    bone = patch.bone[INNER, INNER, INNER]
    values = patch.hu[INNER, INNER, INNER][bone].astype(float)
    if values.size < 10:
        return np.zeros(10)
    places = np.argwhere(bone) * CT_MM
    axes = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(places.T)), 0))
    return np.array([bone.sum(), *axes, values.mean(), values.std(),
                     *np.quantile(values, (0.1, 0.5, 0.9)), (values > 700).mean()])  # fmt: skip


class Released:
    """The bones as they were released, on the grid of the patches."""

    def __init__(self, root: Path, patients: Sequence[str]) -> None:
        self._kept: dict[str, tuple[npt.NDArray[np.bool_], Values]] = {}
        for patient in patients:
            volumes = []
            for bone in BONES:
                path = root / patient / f"{patient}_{bone}.nii.gz"
                volumes += [one for one in open_study(path).images if isinstance(one, Volume)]
            affine = np.array(volumes[0].geometry.affine)
            kept = np.any([one.pixels != 0 for one in volumes], axis=0)
            self._kept[patient] = (kept, affine)

    def zeros(self, case: PairedCase) -> npt.NDArray[np.bool_]:
        """Return where a patch was zero in the release."""
        kept, affine = self._kept[case.patient]
        target = np.eye(4)
        target[:3, :3] = np.eye(3)[::-1] * CT_MM
        target[:3, 3] = np.array(case.center_mm) - CT_VOXELS // 2 * CT_MM
        back = np.linalg.inv(affine) @ target
        moved = ndimage.affine_transform(
            kept.astype(np.uint8), back[:3, :3], back[:3, 3], (CT_VOXELS,) * 3, order=0
        )
        return np.asarray(moved[INNER, INNER, INNER] == 0)


def held_out(features: Values, label: Values, patient: npt.NDArray[np.str_]) -> Values:
    """Return the score of each place by a forest that never saw its patient."""
    score = np.empty(len(label))
    for one in np.unique(patient):
        test = patient == one
        forest = RandomForestClassifier(
            TREES, min_samples_leaf=3, class_weight="balanced", random_state=SEED, n_jobs=1
        ).fit(features[~test], label[~test])
        score[test] = forest.predict_proba(features[test])[:, 1]
    return score


def main() -> None:
    """Measure all of them and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    data = open_pairs(options.pairs)
    places = data.places()
    released = Released(options.root, data.patients)
    middle = {
        patient: np.mean([one.center_mm for one in data.of([patient])], axis=0)
        for patient in data.patients
    }
    patches = [one.ct() for one in places]
    inner = (INNER,) * 3
    seen: dict[str, Callable[[PairedCase, CtPatch], Values]] = {
        "zeros before": lambda case, patch: of_mask(released.zeros(case)),
        "zeros after": lambda case, patch: of_mask(patch.hu[inner] == 0),
        "outline": lambda case, patch: of_mask(patch.bone[inner]),
        "border": lambda case, patch: border(patch),
        "position": lambda case, patch: np.array(
            [*(np.array(case.center_mm) - middle[case.patient]), BONES.index(case.bone)]
        ),
        "plain": lambda case, patch: plain(patch),
    }
    label = np.array([int(one.label) for one in places])
    patient = np.array([one.patient for one in places])
    rows: dict[str, Any] = {}
    for name, make in seen.items():
        features = np.stack(
            [make(case, patch) for case, patch in zip(places, patches, strict=True)]
        )
        score = held_out(features, label, patient)
        rows[name] = {}
        for one in data.patients:
            own = patient == one
            area = auroc_interval(label[own], score[own])
            rows[name][one] = {"value": area.value, "low": area.low, "high": area.high, "n": area.n}
        print(name, {one: round(row["value"], 3) for one, row in rows[name].items()}, flush=True)
    document = {
        "pairs_sha256": data.sha256,
        "seed": SEED,
        "trees": TREES,
        "fractured": {one: int(label[patient == one].sum()) for one in data.patients},
        "auroc": rows,
    }
    text = json.dumps(document, indent=1) + "\n"
    (options.out / "leaks.json").write_text(text, encoding="utf-8")
    lines = [
        "| sees | " + " | ".join(data.patients) + " |",
        "|---" * (len(data.patients) + 1) + "|",
    ]
    for name, row in rows.items():
        cells = [
            f"{one['value']:.2f} ({one['low']:.2f} to {one['high']:.2f})" for one in row.values()
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    (options.out / "leaks.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
