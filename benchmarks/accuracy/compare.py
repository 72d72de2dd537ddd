"""The radiograph model beside its peer, on films that neither was trained on, by a paired test.

    python benchmarks/accuracy/compare.py OURS.csv PEER.csv [--out FILE]

Both tables hold out-of-fold predictions. The test compares films that both answered: the
difference of AUROC by DeLong (films independent) and by a bootstrap of patient groups.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fracturax.evaluation import (
    PredictionTable,
    auroc,
    delong_test,
    group_bootstrap_weighted,
)

HERE = Path(__file__).parent


def compare(ours: PredictionTable, peer: PredictionTable) -> dict[str, object]:
    """Compare two tables on the films that both hold."""
    position = {case: row for row, case in enumerate(peer.case.tolist())}
    rows = [row for row, case in enumerate(ours.case.tolist()) if case in position]
    ours = ours.take(rows)
    peer = peer.take([position[case] for case in ours.case.tolist()])
    assert (ours.reference == peer.reference).all(), "the references differ"
    one, other = within_folds(ours), within_folds(peer)

    def difference(weights: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return np.array(
            [
                auroc(ours.reference, one, weights=weights)
                - auroc(ours.reference, other, weights=weights)
            ]
        )

    drawn = group_bootstrap_weighted(
        ours.patient_key, difference, generator=np.random.default_rng(0), resamples=2000
    )
    test = delong_test(ours.reference, one, other)
    return {
        "films": len(ours),
        "folds": sorted(set(ours.fold.tolist())),
        "same_folds": bool((ours.fold == peer.fold).all()),
        "auroc_ours": test.auroc_a,
        "auroc_peer": test.auroc_b,
        "difference": test.difference,
        "delong": {"low": test.low, "high": test.high, "z": test.z, "p": test.p},
        "group_bootstrap": dict(zip(("low", "high"), drawn.interval(0), strict=True)),
    }


def within_folds(table: PredictionTable) -> npt.NDArray[np.float64]:
    """Return each prediction's rank within its fold: fold networks differ in their scale."""
    ranks = np.empty(len(table))
    for fold in set(table.fold.tolist()):
        rows = table.fold == fold
        values = table.probability[rows]
        ranks[rows] = np.searchsorted(np.sort(values), values, side="left") / rows.sum()
    return ranks


def main() -> None:
    """Compare and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ours", type=Path)
    parser.add_argument("peer", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / "xray" / "against_peer.json")
    options = parser.parse_args()
    result = compare(PredictionTable.from_csv(options.ours), PredictionTable.from_csv(options.peer))
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
