"""The radiograph model beside its peer, on films that neither was trained on, by a paired test.

    python benchmarks/accuracy/compare.py OURS.csv PEER.csv --root ../shared/data/fracatlas

Both tables hold out-of-fold predictions. The test compares films that both answered: the
difference of AUROC by DeLong (films independent) and by a bootstrap of patient groups.

Our calibration lifts lying films, so that the score does not tell the way up; the peer's does
not. In FracAtlas, where lying films are seldom fractured, that costs AUROC. So it is compared
  as published   ours with its lift, the peer as it is
  neither        the lift taken off ours
  both           the peer lifted by the same rule
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

import fracturax as fx
from fracturax.core.case import Case
from fracturax.datasets import open_dataset
from fracturax.evaluation import (
    PredictionTable,
    auroc,
    delong_test,
    group_bootstrap_weighted,
)
from fracturax.imaging.size import image_size
from fracturax.models.bundle import TURNED
from fracturax.pipelines.alike import kinds_alike
from fracturax.pipelines.way_up import lift_of_turned

HERE = Path(__file__).parent

Values = npt.NDArray[np.float64]


def shared_films(
    ours: PredictionTable, peer: PredictionTable
) -> tuple[PredictionTable, PredictionTable]:
    """Return the rows of the films that both tables hold, in one order."""
    position = {case: row for row, case in enumerate(peer.case.tolist())}
    rows = [row for row, case in enumerate(ours.case.tolist()) if case in position]
    ours = ours.take(rows)
    peer = peer.take([position[case] for case in ours.case.tolist()])
    assert (ours.reference == peer.reference).all(), "the references differ"
    return ours, peer


def lies(case: Case) -> bool:
    """Whether the film is wider than high."""
    assert case.path is not None, "a released film is a file"
    rows, columns = image_size(case.path)
    return columns > rows


def log_odds(table: PredictionTable) -> Values:
    """Return the log-odds of the predictions."""
    probability = np.clip(table.probability, 1e-12, 1 - 1e-12)
    values: Values = np.log(probability / (1 - probability))
    return values


def compare(ours: PredictionTable, peer: PredictionTable, cases: list[Case]) -> dict[str, object]:
    """Compare two tables of the same films, as published, without any lift, and both lifted."""
    is_turned = np.array([lies(case) for case in cases])
    kinds = kinds_alike(cases)
    own, other = log_odds(ours), log_odds(peer)
    calibration = fx.load("xray").bundle.manifest.calibration
    lift = dict(zip(calibration.inputs, calibration.coefficients, strict=True)).get(TURNED, 0.0)
    folds = peer.fold.astype(np.int64)
    peer_lift = lift_of_turned(other, is_turned, kinds + folds * (kinds.max() + 1))
    return {
        "films": len(ours),
        "folds": sorted(set(ours.fold.tolist())),
        "same_folds": bool((ours.fold == peer.fold).all()),
        "lift_ours": lift,
        "lift_peer": peer_lift,
        "as_published": difference_of(ours, own, other),
        "neither_lifted": difference_of(ours, own - lift * is_turned, other),
        "both_lifted": difference_of(ours, own, other + peer_lift * is_turned),
    }


def difference_of(films: PredictionTable, own: Values, peer: Values) -> dict[str, object]:
    """Compare two scores of the same films."""
    one, other = within_folds(films, own), within_folds(films, peer)

    def difference(weights: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return np.array(
            [
                auroc(films.reference, one, weights=weights)
                - auroc(films.reference, other, weights=weights)
            ]
        )

    drawn = group_bootstrap_weighted(
        films.patient_key, difference, generator=np.random.default_rng(0), resamples=2000
    )
    test = delong_test(films.reference, one, other)
    return {
        "auroc_ours": test.auroc_a,
        "auroc_peer": test.auroc_b,
        "difference": test.difference,
        "delong": {"low": test.low, "high": test.high, "z": test.z, "p": test.p},
        "group_bootstrap": dict(zip(("low", "high"), drawn.interval(0), strict=True)),
    }


def within_folds(films: PredictionTable, scores: Values) -> Values:
    """Return each score's rank within its fold: fold networks differ in their scale."""
    ranks = np.empty(len(films))
    for fold in set(films.fold.tolist()):
        rows = films.fold == fold
        values = scores[rows]
        ranks[rows] = np.searchsorted(np.sort(values), values, side="left") / rows.sum()
    return ranks


def main() -> None:
    """Compare and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ours", type=Path)
    parser.add_argument("peer", type=Path)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--out", type=Path, default=HERE / "xray" / "against_peer.json")
    options = parser.parse_args()
    ours, peer = shared_films(
        PredictionTable.from_csv(options.ours), PredictionTable.from_csv(options.peer)
    )
    case_of = {case.name: case for case in open_dataset("fracatlas", root=options.root)}
    result = compare(ours, peer, [case_of[name] for name in ours.case.tolist()])
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
