"""What each network of the radiograph model adds to the answer about a film, by paired tests.

    python benchmarks/accuracy/reader/looks.py

Reads `xray/values.csv`, what the networks of the folds said of films they never saw, and
fits the calibration anew with some of the values: on two folds, judged on the third. Lying films
are not lifted here, so that only the networks count. Writes `looks.json` and `looks.md`.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from search import sensitivity

from fracturax.evaluation import PredictionTable, auroc, delong_test, fit_platt

HERE = Path(__file__).parent
XRAY = HERE.parent / "xray"
FIRST = ("logit", "heat", "box")
SETS: dict[str, tuple[str, ...]] = {
    "image logit alone": ("logit",),
    "first look": FIRST,
    "first look, closer look": (*FIRST, "closer"),
    "second opinion alone": ("second",),
    "all": (*FIRST, "closer", "second"),
}
ALL = "all"

Values = npt.NDArray[np.float64]


def main() -> None:
    """Fit, compare, and write both files."""
    with (XRAY / "values.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    table = PredictionTable.from_csv(XRAY / "out_of_fold.csv")
    label_of = dict(zip(table.case.tolist(), table.reference.tolist(), strict=True))
    reference = np.array([label_of[row["case"]] for row in rows])
    folds = np.array([int(row["fold"]) for row in rows])
    whole = _across_folds(rows, SETS[ALL], reference, folds)
    document = []
    for name, chosen in SETS.items():
        for views in ("both views", "one view"):
            end = "" if views == "both views" else "_one_view"
            score = _across_folds(rows, tuple(f"{one}{end}" for one in chosen), reference, folds)
            test = delong_test(reference, score, whole)
            document.append(
                {
                    "values": name,
                    "views": views,
                    "films": len(rows),
                    "fractured": int(reference.sum()),
                    "auroc": float(auroc(reference, score)),
                    "sensitivity_at_specificity_90": sensitivity(reference, score),
                    "difference": test.difference,
                    "low": test.low,
                    "high": test.high,
                }
            )
    (HERE / "looks.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (HERE / "looks.md").write_text(_as_markdown(document), encoding="utf-8")
    print(_as_markdown(document))


def _across_folds(
    rows: list[dict[str, str]],
    names: tuple[str, ...],
    reference: npt.NDArray[np.int64],
    folds: npt.NDArray[np.int64],
) -> Values:
    """Return log-odds of every film by a calibration that was fitted on the other folds."""
    values = np.array([[float(row[name]) for name in names] for row in rows])
    score = np.zeros(len(rows))
    for fold in np.unique(folds).tolist():
        held_out = folds == fold
        fitted = fit_platt(values[~held_out], reference[~held_out])
        score[held_out] = values[held_out] @ np.array(fitted.coefficients) + fitted.intercept
    return score


def _as_markdown(document: list[dict[str, object]]) -> str:
    first = document[0]
    lines = [
        "# What each network adds",
        "",
        f"{first['films']} films of FracAtlas out of fold, {first['fractured']} of them fractured;",
        "calibrations fitted on the other folds, lying films not lifted. Differences from all",
        "networks at both views, 95 % by DeLong.",
        "",
        "| values | views | AUROC | sensitivity at specificity 0.90 | difference |",
        "|---|---|---|---|---|",
    ]
    for row in document:
        lines.append(
            f"| {row['values']} | {row['views']} | {row['auroc']:.3f} "
            f"| {row['sensitivity_at_specificity_90']:.3f} | {row['difference']:+.3f} "
            f"({row['low']:+.3f} to {row['high']:+.3f}) |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
