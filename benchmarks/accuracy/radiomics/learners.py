"""How well classical learners tell a fracture from radiomics: leave one patient out.

    fracturax prepare pairs --root ../shared/data/pelvic-ct --out PAIRS
    python benchmarks/accuracy/radiomics/learners.py --root PAIRS [--sets all grey shape]

PAIRS also holds radiomics_ct.csv (a row a place) and radiomics_film.csv (a row a film). The result
that is kept was made from features of the reference's mask of the bone within the central 48^3
voxels and 112 x 112 pixels, whose outline may give a fracture away (a gap is no bone). What each
set of features sees:
  all      every feature
  grey     grey values and texture inside the mask; sums over voxels still tell its size
  shape    the outline of the mask alone
`fracturax prepare radiomics` writes tables of a region without that outline; of those there is no
shape, so give --sets all.
The held-out patient takes no part in scaling, selection, learning or calibration. Intervals are
DeLong's over the places or films of one patient, which are near each other: they are too narrow.
Four patients, simulated films: what is shown is that the system works, not how patients do.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.provenance import sha256_of_file, software_version
from fracturax.datasets.pairs import open_pairs
from fracturax.evaluation.calibration_error import calibration_error
from fracturax.evaluation.classification import auroc_interval
from fracturax.radiomics import LEARNERS, fit_learner

HERE = Path(__file__).parent
SEED = 0
SETS = ("all", "grey", "shape")


def read_table(path: Path) -> tuple[list[str], list[str], npt.NDArray[np.float64]]:
    """Return keys, names of features and values of a table."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    values = np.array([row[1:] for row in rows[1:]], np.float64)
    return [row[0] for row in rows[1:]], rows[0][1:], values


def measure(
    name: str,
    names: list[str],
    values: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    patients: npt.NDArray[np.str_],
) -> dict[str, Any]:
    """Return what a learner reaches in each patient that it has not seen."""
    found: dict[str, Any] = {}
    for patient in np.unique(patients):
        out = patients == patient
        learner = fit_learner(
            name, features=values[~out], feature_names=names, labels=labels[~out],
            groups=patients[~out].tolist(), seed=SEED,
        )  # fmt: skip
        area = auroc_interval(labels[out], learner.score(values[out]))
        probability = learner.probability(values[out])
        found[str(patient)] = {
            "auroc": round(area.value, 4),
            "low": None if area.low is None else round(area.low, 4),
            "high": None if area.high is None else round(area.high, 4),
            "ece": round(float(calibration_error(labels[out], probability)), 4),
            "cases": int(out.sum()),
            "fractures": int(labels[out].sum()),
            "selected": list(learner.selected_names),
            "notes": list(learner.notes),
        }
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    options = parser.parse_args()
    pairs = open_pairs(options.root)
    of_ct = {one.ct_path.relative_to(pairs.folder).as_posix(): one for one in pairs.cases}
    of_film = {one.name: one for one in pairs.cases}
    tables: dict[str, str] = {}
    read = {}
    for kind, cases in (("ct", of_ct), ("film", of_film)):
        path = options.root / f"radiomics_{kind}.csv"
        keys, names, values = read_table(path)
        tables[path.name] = sha256_of_file(path)
        labels = np.array([int(cases[key].label) for key in keys])
        patients = np.array([cases[key].patient for key in keys])
        read[kind] = (names, values, labels, patients)
    results = finished(options.out / "learners.json", pairs.sha256, tables)
    for which in options.sets:
        for kind, (names, values, labels, patients) in read.items():
            is_shape = np.array(["_shape" in name for name in names])
            keep = {"all": np.ones_like(is_shape), "grey": ~is_shape, "shape": is_shape}[which]
            chosen = [name for name, is_kept in zip(names, keep, strict=True) if is_kept]
            for name in LEARNERS:
                start = time.perf_counter()
                one = measure(name, chosen, values[:, keep], labels, patients)
                results.setdefault(kind, {}).setdefault(which, {})[name] = one
                shown = " ".join(f"{row['auroc']:.3f}" for row in one.values())
                spent = time.perf_counter() - start
                print(f"{kind} {which} {name}: {shown} ({spent:.0f} s)", flush=True)
        write(options.out, results, pairs.sha256, tables)


def finished(path: Path, pairs_sha256: str, tables: dict[str, str]) -> dict[str, Any]:
    """Return the sets that an earlier run finished on the same tables; else nothing."""
    if not path.is_file():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    same = (pairs_sha256, tables, SEED)
    known = (document["pairs_sha256"], document["tables_sha256"], document["seed"])
    return dict(document["results"]) if known == same else {}


def write(folder: Path, results: dict[str, Any], pairs_sha256: str, tables: dict[str, str]) -> None:
    """Write what is complete: whole sets of features, all learners and patients."""
    document = {
        "what": "AUROC and calibration error of classical learners, leave one patient out",
        "software": f"fracturax {software_version()}",
        "seed": SEED,
        "pairs_sha256": pairs_sha256,
        "tables_sha256": tables,
        "results": results,
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1) + "\n"
    (folder / "learners.json").write_text(text, encoding="utf-8")
    (folder / "learners.md").write_text(as_markdown(results), encoding="utf-8")


def as_markdown(results: dict[str, Any]) -> str:
    """Return the AUROC of each learner in each held-out patient as tables."""
    lines = [
        "# Classical learners on radiomics, leave one patient out",
        "",
        "AUROC in each held-out patient; in brackets the expected calibration error. Features of",
        "the reference's bone mask, whose outline may give a fracture away: *shape* shows how far",
        "the outline alone goes, *grey* leaves shape out (sums over voxels still tell the size).",
        "Four patients, simulated films: a proof that the system works, not that it is clinically",
        "better.",
    ]
    for kind, sets in results.items():
        for which, learners in sets.items():
            first = next(iter(learners.values()))
            lines += ["", f"## {kind}, {which}", ""]
            lines += ["| learner | " + " | ".join(first) + " |", "|---" * (len(first) + 1) + "|"]
            for name, rows in learners.items():
                cells = [
                    f"{row['auroc']:.3f} ({row['ece']:.2f}{', constant' if row['notes'] else ''})"
                    for row in rows.values()
                ]
                lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "*constant*: scores of held-out training patients did not rise with the label, so that",
        "every probability is the share of fractures and every answer *doubt*; the AUROC is of the",
        "score.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
