"""The CT stream, leave one patient out: patient by patient and bone by bone.

    fracturax train recipes/ct-densenet121.toml --root PAIRS --out RUNS
    python benchmarks/accuracy/ct/lopo.py --root PAIRS --run RUNS/ct-densenet121 [--out FILE]

Four patients, each held out once from a network that was trained on the other three. A cube counts
as fractured if a fracture surface lies in its middle 48 voxels of 0.75 mm. Intervals are DeLong's
over the cubes of one patient: cubes of one patient are dependent, so they are too narrow, and they
say nothing of other patients. Probabilities of a patient are calibrated on the other three.
A proof that the system works, not that it is clinically better.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from fracturax.core.provenance import sha256_of_file, software_version
from fracturax.evaluation import auroc, auroc_interval, calibration_error
from fracturax.pipelines.train_volume import CubesOutOfFold, join_parts, predictions_table
from fracturax.pipelines.volume_cubes import patients_of, read_cubes

HERE = Path(__file__).parent


def answers_of(root: Path, run: Path) -> CubesOutOfFold:
    """Read what the network that never saw a patient said of each of its cubes."""
    cubes = read_cubes(root)
    parts = []
    for patient in patients_of(cubes):
        kept = load_file(run / patient / "features.safetensors")
        inside = np.array([one.patient == patient for one in cubes])
        peaks = kept["map"].reshape(len(inside), -1).max(axis=1)
        own = tuple(one for one in cubes if one.patient == patient)
        parts.append(
            CubesOutOfFold(own, kept["logit"][inside].astype(float), peaks[inside].astype(float))
        )
    return join_parts(parts)


def measure(answers: CubesOutOfFold, name: str) -> dict[str, object]:
    """Return the numbers of one run."""
    table = predictions_table(name, answers)
    probability = dict(zip(table.case.tolist(), table.probability.tolist(), strict=True))
    reference, patients = answers.reference, answers.patients
    calibrated = np.array([probability[one.cube.name] for one in answers.cubes])
    by_patient = {}
    for patient in sorted(set(patients.tolist())):
        own = patients == patient
        area = auroc(reference[own], answers.logits[own])
        row = auroc_interval(reference[own], answers.logits[own])
        by_patient[patient] = {
            "cubes": int(own.sum()),
            "with_fracture": int(reference[own].sum()),
            "auroc": area,
            "low": row.low,
            "high": row.high,
            "auroc_of_the_map": auroc(reference[own], answers.peaks[own]),
            "ece": calibration_error(reference[own], calibrated[own]),
        }
    whole = answers.by_bone(answers.logits)
    bones, highest, broken = whole.names, whole.highest, whole.broken.astype(int)
    within = []
    for patient in sorted({bone[0] for bone in bones}):
        mine = [index for index, bone in enumerate(bones) if bone[0] == patient]
        pairs = [
            (highest[one] > highest[other]) + 0.5 * (highest[one] == highest[other])
            for one in mine
            for other in mine
            if broken[one] and not broken[other]
        ]
        within += pairs
    return {
        "by_patient": by_patient,
        "ece_all": calibration_error(reference, calibrated),
        "bones": [
            {"patient": patient, "bone": bone, "peak_logit": float(top), "broken": int(label)}
            for (patient, bone), top, label in zip(bones, highest, broken, strict=True)
        ],
        "bones_auroc_across_patients": auroc(broken, highest),
        "bones_right_within_patient": [float(sum(within)), len(within)],
    }


def as_markdown(document: dict) -> str:
    """Return the table for people."""
    lines = [
        "| network | patient | cubes (with fracture) | AUROC (95 %, DeLong) | ECE |",
        "|---|---|---|---|---|",
    ]
    for name, run in document["runs"].items():
        for patient, row in run["by_patient"].items():
            lines.append(
                f"| {name} | {patient} | {row['cubes']} ({row['with_fracture']}) | "
                f"{row['auroc']:.3f} ({row['low']:.3f} to {row['high']:.3f}) | {row['ece']:.3f} |"
            )
    return "\n".join([*lines, "", document["note"], ""])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--run", type=Path, nargs="+", required=True)
    parser.add_argument("--name", nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=HERE / "lopo.json")
    options = parser.parse_args()
    document = {
        "seed": 0,
        "software": software_version(),
        "pairs_sha256": sha256_of_file(options.root / "pairs.csv"),
        "note": "Four patients, soft tissue drawn in; cubes of one patient are dependent. A proof "
        "that the system works, not that it is clinically better.",
        "runs": {
            name: measure(answers_of(options.root, run), name)
            for name, run in zip(options.name, options.run, strict=True)
        },
    }
    options.out.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    options.out.with_suffix(".md").write_text(as_markdown(document))


if __name__ == "__main__":
    main()
