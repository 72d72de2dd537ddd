"""What the networks of the folds said of films they never saw, before calibration."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fracturax.core.case import Case
from fracturax.datasets import open_dataset
from fracturax.evaluation import auroc, delong_test, fit_platt
from fracturax.imaging.size import image_size
from fracturax.pipelines.alike import kinds_alike
from fracturax.pipelines.way_up import lift_of_turned

TABLE = Path(__file__).parents[1] / "xray" / "values.csv"
"""Written when the radiograph model is published."""
FIRST_LOOK = ("logit", "heat", "box")
BOTH_LOOKS = (*FIRST_LOOK, "closer")
SPECIFICITY = 0.9

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoldValues:
    """Films and what was said of them; all of equal length.

    Args:
        cases: The films.
        fold: Fold each was held out in.
        columns: Values by name; `NAME_one_view` where the film was read once.
    """

    cases: tuple[Case, ...]
    fold: npt.NDArray[np.int64]
    columns: dict[str, Values]

    @classmethod
    def read(cls, root: Path) -> FoldValues:
        """Read the table, and find its films in FracAtlas."""
        case_of = {case.name: case for case in open_dataset("fracatlas", root=root)}
        with TABLE.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        names = [name for name in rows[0] if name not in ("case", "fold")]
        return cls(
            tuple(case_of[row["case"]] for row in rows),
            np.array([int(row["fold"]) for row in rows]),
            {name: np.array([float(row[name]) for row in rows]) for name in names},
        )

    @property
    def reference(self) -> npt.NDArray[np.int64]:
        """1 where the film shows a fracture."""
        return np.array([int(case.reference.fracture) for case in self.cases])

    def log_odds(self, names: Sequence[str]) -> Values:
        """Return log-odds by calibrations of some values, fitted on the other folds."""
        values = np.stack([self.columns[name] for name in names], axis=1)
        reference = self.reference
        score = np.zeros(len(values))
        for fold in np.unique(self.fold).tolist():
            held_out = self.fold == fold
            fitted = fit_platt(values[~held_out], reference[~held_out])
            score[held_out] = values[held_out] @ np.array(fitted.coefficients) + fitted.intercept
        return score

    def lifted(self, score: Values, chosen: npt.NDArray[np.bool_] | None = None) -> Values:
        """Return a score with lying films lifted, so that it tells nothing of the way up.

        Args:
            score: Log-odds of all films, or of the chosen ones.
            chosen: Which films those are.
        """
        some = np.ones(len(self.cases), bool) if chosen is None else chosen
        kinds = kinds_alike(self.cases)
        kinds = (kinds + self.fold * (kinds.max() + 1))[some]
        lying = np.array([_lies(case) for case in self.cases])[some]
        return score + lift_of_turned(score, lying, kinds) * lying


def sensitivity(reference: npt.NDArray[np.int64], score: Values) -> float:
    """Return the sensitivity at a specificity of 0.90."""
    threshold = np.quantile(score[reference == 0], SPECIFICITY)
    return float((score[reference == 1] > threshold).mean())


def compared(
    reference: npt.NDArray[np.int64], score: Values, baseline: Values
) -> dict[str, float | int]:
    """Return what a score is worth, and its paired difference from another by DeLong."""
    test = delong_test(reference, score, baseline)
    return {
        "films": len(reference),
        "fractured": int(reference.sum()),
        "auroc": float(auroc(reference, score)),
        "sensitivity_at_specificity_90": sensitivity(reference, score),
        "difference": test.difference,
        "low": test.low,
        "high": test.high,
    }


def _lies(case: Case) -> bool:
    assert case.path is not None, "a released film is a file"
    rows, columns = image_size(case.path)
    return columns > rows
