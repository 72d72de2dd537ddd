"""Does the model know how a film was acquired, and does its score follow that?

    python benchmarks/accuracy/shortcut.py --root ../shared/data/fracatlas --run runs/xray

For each larger acquisition group (size, mode and encoding of the file), on films their network
never saw:
  features  AUROC of the group, predicted from the network's pooled features by a logistic
            regression, cross-validated by patient groups within each fold
  score     AUROC of the group by the fracture score, among fractured and among normal films:
            0.5 where the score, given the label, says nothing of how the film was acquired
  label     share of fractured films in the group and elsewhere: what a shortcut could win
Writes `xray/shortcut.json`, with 95 % intervals by a bootstrap of groups.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fracturax.datasets import open_dataset
from fracturax.datasets.examine import examine
from fracturax.datasets.passport import Split
from fracturax.datasets.traits import acquisition_groups
from fracturax.evaluation import auroc, group_bootstrap_weighted
from fracturax.models.bundle import load_bundle
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.out_of_fold import bundle_folder, fit, read_out_of_fold

HERE = Path(__file__).parent
FEWEST = 30
Values = npt.NDArray[np.float64]


def ranks_within(folds: npt.NDArray[np.int64], values: Values) -> Values:
    """Return each value's rank within its fold: fold networks differ in their scale."""
    ranks = np.empty(len(values))
    for fold in np.unique(folds):
        rows = folds == fold
        ranks[rows] = np.searchsorted(np.sort(values[rows]), values[rows]) / rows.sum()
    return ranks


def with_interval(truth: npt.NDArray[np.int64], score: Values, keys: list[str]) -> dict[str, float]:
    """Return an AUROC with its interval."""
    drawn = group_bootstrap_weighted(
        np.array(keys),
        lambda weights: np.array([auroc(truth, score, weights=weights)]),
        generator=np.random.default_rng(0),
        resamples=1000,
    )
    low, high = drawn.interval(0)
    return {"auroc": float(auroc(truth, score)), "low": float(low), "high": float(high)}


def predicted_from(
    features: Values, truth: npt.NDArray[np.int64], folds: npt.NDArray[np.int64], keys: list[str]
) -> Values:
    """Return out-of-sample log-odds of a group, learned within each fold's films."""
    said = np.zeros(len(truth))
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        groups = [keys[row] for row in rows]
        for inside, outside in GroupKFold(5).split(rows, groups=groups):
            learner = make_pipeline(
                StandardScaler(), PCA(64, random_state=0), LogisticRegression(max_iter=500)
            )
            learner.fit(features[rows[inside]], truth[rows[inside]])
            said[rows[outside]] = learner.decision_function(features[rows[outside]])
    return ranks_within(folds, said)


def main() -> None:
    """Measure and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--run", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--out", type=Path, default=HERE / "xray" / "shortcut.json")
    options = parser.parse_args()
    split = Split.read(options.run / "split.json")
    cases = list(open_dataset("fracatlas", root=options.root))
    cases = [case for case in cases if case.name in split.fold_of]
    folds = np.array([split.fold_of[case.name] for case in cases])
    readers = [
        XrayPredictor(load_bundle(bundle_folder(options.run, fold)), threads=1)
        for fold in range(split.folds)
    ]
    films = read_out_of_fold(cases, folds.tolist(), readers)
    paths = [case.path for case in cases if case.path is not None]
    names = acquisition_groups([examine(path).traits for path in paths])
    keys = [case.patient_key for case in cases]
    label = films.reference
    calibration = fit(films).calibration
    score = np.array([calibration.probability(one.values) for one in films.answers])
    score = ranks_within(folds, score)
    features = np.stack([one.embedding for one in films.answers]).astype(np.float64)
    rows = []
    for name, count in Counter(names).most_common():
        truth = np.array([int(one == name) for one in names])
        if min(truth.sum(), len(truth) - truth.sum()) < FEWEST:
            continue
        given = {}
        for words, value in (("fractured", 1), ("normal", 0)):
            chosen = np.flatnonzero(label == value)
            if min(truth[chosen].sum(), len(chosen) - truth[chosen].sum()) >= FEWEST:
                own = [keys[row] for row in chosen]
                given[words] = with_interval(truth[chosen], score[chosen], own)
        rows.append(
            {
                "group": name,
                "films": count,
                "fractured_share": float(label[truth == 1].mean()),
                "fractured_share_elsewhere": float(label[truth == 0].mean()),
                "from_features": with_interval(
                    truth, predicted_from(features, truth, folds, keys), keys
                ),
                "score_given_label": given,
            }
        )
    result = {"split_sha256": split.sha256, "films": len(cases), "groups": rows}
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
