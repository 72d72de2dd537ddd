"""Make page, numbers and card of the packaged radiograph model anew, from its out-of-fold answers.

    python tools/restate.py --root ../shared/data/fracatlas [--align] [--version-name NAME]

What a retraining writes at its end, without the retraining: for when a table, a page or the card
has learned to say more. `--align` also moves the calibration to the level of the shipped network,
for a bundle that was made before trainings did so.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np

from fracturax.core.errors import DataError
from fracturax.datasets import open_dataset
from fracturax.datasets.acquisition import acquisitions_of
from fracturax.datasets.splits import DroppedCase
from fracturax.evaluation import PredictionTable
from fracturax.evaluation.localization import read_boxes
from fracturax.models.bundle import load_bundle, write_bundle
from fracturax.pipelines.card import write_card
from fracturax.pipelines.evaluate import known_columns
from fracturax.pipelines.leftover import told_by_score
from fracturax.pipelines.publish import align_final
from fracturax.pipelines.statement import BOXES, NUMBERS, TABLE, state

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "accuracy" / "xray"


def main() -> None:
    """Restate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--align", action="store_true")
    parser.add_argument("--version-name", help="version of the bundle; else it stays")
    options = parser.parse_args()
    bundle = load_bundle("xray")
    table = PredictionTable.from_csv(RESULTS / TABLE)
    by_name = {case.name: case for case in open_dataset("fracatlas", root=options.root)}
    cases = [by_name[name] for name in table.case.tolist()]
    if [int(case.reference.fracture) for case in cases] != table.reference.tolist():
        raise DataError("the labels of the data set are not those of the out-of-fold table")
    document = json.loads((RESULTS / NUMBERS).read_text(encoding="utf-8"))
    acquisitions = np.array(acquisitions_of(cases))
    for one in document["leftover"]:
        area = told_by_score(
            acquisitions == one["group"], table.probability, table.fold.astype(np.int64), cases
        )
        one["from_score"] = dataclasses.asdict(area)
    kept = RESULTS / BOXES
    images = read_boxes(kept, table) if kept.is_file() else None
    stated = state(RESULTS, document, table, known_columns(cases), images)
    manifest = bundle.manifest
    if options.align:
        manifest = align_final(bundle, manifest, cases, table)
    if options.version_name:
        manifest = dataclasses.replace(manifest, version=options.version_name)
    dropped = json.loads((RESULTS / "dropped.json").read_text(encoding="utf-8"))
    write_card(bundle.folder / "card.md", manifest, stated, [DroppedCase(**one) for one in dropped])
    written = write_bundle(bundle.folder, manifest, bundle.scope, bundle.register)
    for path in written.folder.iterdir():
        path.chmod(0o644)
    sys.stdout.write(f"{written.manifest.name} {written.manifest.version}, {written.sha256}\n")


if __name__ == "__main__":
    main()
