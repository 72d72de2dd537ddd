"""Version 2026.15 out of 2026.14: the same networks, their score evened over the way up.

    python benchmarks/accuracy/even.py --root ../shared/data/fracatlas --version-name 2026.15

A training does this by itself (`pipelines/out_of_fold.py`). The networks of the folds were not
kept, so here it is done from their out-of-fold table: of each fold, lift, slope and thresholds come
from the other folds; those of the bundle from all, and the shipped network is aligned anew. Writes
the bundle, the tables, the page and the numbers in place of the old ones. Boxes, features and
the 8-bit graph's numbers are those of 2026.14, of which evening changes nothing.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from fracturax.core.case import Case
from fracturax.datasets import open_dataset
from fracturax.datasets.acquisition import acquisitions_of
from fracturax.datasets.splits import DroppedCase
from fracturax.evaluation import PredictionTable, evaluate_table
from fracturax.imaging.size import image_size
from fracturax.models.bundle import TURNED, Calibration, Manifest, load_bundle, write_bundle
from fracturax.pipelines.alike import kinds_alike
from fracturax.pipelines.card import write_card
from fracturax.pipelines.evaluate import known_columns
from fracturax.pipelines.leftover import told_by_score
from fracturax.pipelines.out_of_fold import choose_points
from fracturax.pipelines.publish import align_final
from fracturax.pipelines.statement import NUMBERS, TABLE, state
from fracturax.pipelines.way_up import even

HERE = Path(__file__).parent
BUNDLE = HERE.parents[1] / "src" / "fracturax" / "bundles" / "xray"
RESULTS = HERE / "xray"
OF_BOXES = ("map", "froc")
MOVES = ("calibration_moved_by", "box_calibration_moved_by", "suspicious_healthy")

Values = npt.NDArray[np.float64]


class Films:
    """The out-of-fold films: what is known of each, and the log-odds their fold network gave."""

    def __init__(self, table: PredictionTable, cases: list[Case]) -> None:
        self.table, self.cases = table, cases
        self.fold = table.fold.astype(np.int64)
        self.log_odds: Values = logit(np.clip(table.probability, 1e-12, 1 - 1e-12))
        sizes = [image_size(case.path) for case in cases if case.path is not None]
        self.is_turned = np.array([columns > rows for rows, columns in sizes])
        kinds = kinds_alike(cases)
        self.kinds = kinds + self.fold * (kinds.max() + 1)
        self.reference = table.reference.astype(np.int64)

    def even(self, calibration: Calibration, rows: npt.NDArray[np.bool_]) -> Calibration:
        """Return a calibration evened by some of the films."""
        return even(
            calibration,
            self.log_odds[rows],
            is_turned=self.is_turned[rows],
            kinds=self.kinds[rows],
            reference=self.reference[rows],
        )

    def probabilities(self, calibration: Calibration) -> Values:
        """Return what a calibration of the log-odds makes of every film."""
        weight = dict(zip(calibration.inputs, calibration.coefficients, strict=True))
        total = weight["log_odds"] * self.log_odds + weight.get(TURNED, 0.0) * self.is_turned
        found: Values = expit(total + calibration.intercept)
        return found

    def across_folds(self) -> PredictionTable:
        """Return the table with each fold evened by the others."""
        probability, status = np.empty(len(self.cases)), self.table.status.copy()
        for fold in np.unique(self.fold):
            others = self.fold != fold
            evened = self.probabilities(self.even(PLAIN, others))
            points = choose_points(self.reference[others], evened[others])
            rows = np.flatnonzero(~others)
            probability[rows] = evened[rows]
            status[rows] = [points.status(float(one)) for one in evened[rows]]
        return replace(self.table, probability=probability, status=status)


PLAIN = Calibration(("log_odds",), (1.0,), 0.0)


def calibrated(manifest: Manifest, films: Films) -> Manifest:
    """Return the manifest with its calibration evened, and not yet aligned."""
    facts = dict(manifest.training)
    moved = float(facts["calibration_moved_by"])
    moved_boxes = float(facts["box_calibration_moved_by"])
    before = replace(manifest.calibration, intercept=manifest.calibration.intercept - moved)
    every = np.ones(len(films.cases), bool)
    boxes = replace(
        manifest.box_calibration, intercept=manifest.box_calibration.intercept - moved_boxes
    )
    evened = films.probabilities(films.even(PLAIN, every))
    return replace(
        manifest,
        calibration=films.even(before, every),
        box_calibration=boxes,
        operating_points=choose_points(films.reference, evened),
        training=tuple(one for one in manifest.training if not one[0].startswith(MOVES)),
    )


def stated_numbers(old: dict[str, Any], films: Films, table: PredictionTable) -> dict[str, Any]:
    """Return the document of results with the numbers of the evened scores."""
    document = {name: value for name, value in old.items() if name != "report"}
    precision = old["precision"]
    numbers = evaluate_table(table, None).as_document()
    images = {row["metric"]: row for row in numbers["rows"]}
    numbers["rows"] = [
        row if str(row["metric"]).startswith(OF_BOXES) else images.get(row["metric"], row)
        for row in old["evaluation"][precision]["rows"]
    ]
    document["evaluation"] = {**old["evaluation"], precision: numbers}
    groups = np.array(acquisitions_of(films.cases))
    document["leftover"] = [
        {
            **one,
            "from_score": asdict(
                told_by_score(groups == one["group"], table.probability, films.fold, films.cases)
            ),
        }
        for one in old["leftover"]
    ]
    return document


def main() -> None:
    """Even the bundle, and state its results anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--version-name", required=True)
    options = parser.parse_args()
    bundle = load_bundle(BUNDLE)
    if TURNED in bundle.manifest.calibration.inputs:
        raise SystemExit("the bundle is evened already")
    case_of = {case.name: case for case in open_dataset("fracatlas", root=options.root)}
    old_table = PredictionTable.from_csv(RESULTS / TABLE)
    films = Films(old_table, [case_of[name] for name in old_table.case.tolist()])
    table = films.across_folds()
    manifest = align_final(bundle, calibrated(bundle.manifest, films), films.cases, table)
    manifest = replace(
        manifest, version=options.version_name, created=datetime.now(UTC).date().isoformat()
    )
    old = json.loads((RESULTS / NUMBERS).read_text(encoding="utf-8"))
    document = state(
        RESULTS, stated_numbers(old, films, table), table, known_columns(films.cases), None
    )
    dropped = [
        DroppedCase(**one)
        for one in json.loads((RESULTS / "dropped.json").read_text(encoding="utf-8"))
    ]
    write_card(BUNDLE / "card.md", manifest, document, dropped)
    written = write_bundle(BUNDLE, manifest, bundle.scope, bundle.register)
    print(written.manifest.version, written.sha256, manifest.calibration)


if __name__ == "__main__":
    main()
