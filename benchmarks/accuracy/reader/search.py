"""What was tried to make the radiograph model better, on the same folds, by paired tests.

    python benchmarks/accuracy/reader/search.py --root ../shared/data/fracatlas

Reads tables of out-of-fold predictions and writes `search.json` and `search.md`; no network runs.
Pairs of models are the mean of their log-odds: nothing was fitted to make them.

What a calibration adds to lying films, so that the score tells nothing of the way up, costs AUROC
where lying films are seldom fractured. So each row is told with the lift of `xray` alone, with
none, and with that of the plain classifier too (`xray/against_peer.json` has both).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.special import logit
from values import Values, sensitivity

from fracturax.datasets import open_dataset
from fracturax.evaluation import PredictionTable, auroc, delong_test
from fracturax.imaging.size import image_size

HERE = Path(__file__).parent
TABLES = {
    "xray 2026.17": HERE / "tables" / "xray-2026.17.csv",
    "ResNet-50 v2, stages 1 to 3": HERE / "tables" / "resnet50-fold-0.csv",
    "plain MobileNetV2": HERE.parent / "peer-mobilenet" / "out_of_fold.csv",
}
FIRST, LARGE, PLAIN = TABLES
TRIED = ((FIRST,), (LARGE,), (PLAIN,), (FIRST, LARGE), (FIRST, PLAIN), (FIRST, PLAIN, LARGE))
LIFTS = {FIRST: 0.8598029406630748, PLAIN: 1.8653448820114136}
"""What a calibration adds to a lying film, in log-odds; the table of `xray` has it in it."""
LIFTED: dict[str, tuple[str, ...]] = {"xray": (FIRST,), "none": (), "xray, plain": (FIRST, PLAIN)}


def main() -> None:
    """Compare, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    options = parser.parse_args()
    tables = {name: PredictionTable.from_csv(path) for name, path in TABLES.items()}
    lying = {
        case.name: columns > rows
        for case in open_dataset("fracatlas", root=options.root)
        if case.path is not None
        for rows, columns in (image_size(case.path),)
    }
    document = [
        row
        for tried in TRIED
        for row in _rows(tried, [tables[name] for name in tried], tables[FIRST], lying)
    ]
    (HERE / "search.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (HERE / "search.md").write_text(_as_markdown(document), encoding="utf-8")
    print(_as_markdown(document))


def _rows(
    names: tuple[str, ...],
    tables: list[PredictionTable],
    first: PredictionTable,
    lying: dict[str, bool],
) -> list[dict[str, object]]:
    """Return a row for each lift of lying films, of the films that all answered."""
    shared = [
        case
        for case in first.case.tolist()
        if all(case in set(table.case.tolist()) for table in tables)
    ]
    is_lying = np.array([lying[case] for case in shared])
    reference = _in_order(first, shared).reference
    found = []
    for said, lifted in LIFTED.items():
        if said == "xray, plain" and PLAIN not in names:
            continue

        def moved(name: str, table: PredictionTable, lifted: tuple[str, ...] = lifted) -> Values:
            already = LIFTS[FIRST] if name == FIRST else 0.0
            wanted = LIFTS[name] if name in lifted else 0.0
            return _log_odds(table, shared) + (wanted - already) * is_lying

        baseline = moved(FIRST, first)
        score = np.mean([moved(*one) for one in zip(names, tables, strict=True)], axis=0)
        test = delong_test(reference, score, baseline)
        found.append(
            {
                "tried": list(names),
                "lifted": said,
                "films": len(shared),
                "fractured": int(reference.sum()),
                "auroc": float(auroc(reference, score)),
                "sensitivity_at_specificity_90": sensitivity(reference, score),
                "auroc_less_that_of_xray": test.difference,
                "low": test.low,
                "high": test.high,
                "p": test.p,
            }
        )
    return found


def _in_order(table: PredictionTable, cases: list[str]) -> PredictionTable:
    row_of = {case: row for row, case in enumerate(table.case.tolist())}
    return table.take([row_of[case] for case in cases])


def _log_odds(table: PredictionTable, cases: list[str]) -> Values:
    return np.asarray(logit(np.clip(_in_order(table, cases).probability, 1e-9, 1 - 1e-9)))


def _as_markdown(document: list[dict[str, object]]) -> str:
    lines = [
        "# What was tried",
        "",
        "Out-of-fold films of FracAtlas, split 9a85bbfa8c9e. ResNet-50 was trained for fold 0",
        "alone (`resnet50.toml`, 9,600 films, 21 minutes), the others for all three. Differences",
        "from xray 2026.17 on the same films, 95 % by DeLong. Pairs are the mean of log-odds.",
        "Kept: a second opinion by a plain classifier (`seconds.md`, decision 17).",
        "",
        "| tried | lying films lifted for | films | AUROC | sensitivity at specificity 0.90 "
        "| less xray |",
        "|---|---|---|---|---|---|",
    ]
    for row in document:
        tried = " + ".join(map(str, row["tried"]))  # type: ignore[call-overload]
        lines.append(
            f"| {tried} | {row['lifted']} | {row['films']} "
            f"| {row['auroc']:.3f} | {row['sensitivity_at_specificity_90']:.3f} "
            f"| {row['auroc_less_that_of_xray']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f}) |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
