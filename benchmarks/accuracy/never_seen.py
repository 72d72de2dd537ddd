"""Is a leftover shortcut learned? Networks that never saw a group of films are the control.

    python benchmarks/accuracy/never_seen.py --root ../shared/data/fracatlas --out RUNS
        [--weights FILE]

Lying films of FracAtlas are fractured three times less often than the others, and out of fold the
radiograph model scores them lower than others of the same label, region, view and hardware. Two
things can do that: the network learned that such films are healthy, or they look healthier. The
recipe `recipes/never-seen.toml` is trained on the folds and the clean list of the radiograph model
  seen        on all films of the other folds
  never seen  on those of them that do not lie
and both score every film out of fold. A network that never saw a lying film cannot have learned
what their label is. Writes `never_seen.json`: how well the score tells lying films (0.5 is
nothing), with 95 % intervals by a bootstrap of groups.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fracturax.datasets.clean_list import read_clean_list
from fracturax.datasets.passport import Split
from fracturax.evaluation import auroc
from fracturax.pipelines.leftover import told_by_score
from fracturax.pipelines.train import (
    TrainingData,
    cross_validate,
    predict_out_of_fold,
    prepare_training_data,
)
from fracturax.training.recipe import Recipe, load_recipe

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RECIPE = ROOT / "recipes" / "never-seen.toml"
CLEAN = ROOT / "recipes" / "xray-clean.csv"
SPLIT = HERE / "xray" / "split.json"
LYING = "373 x 454"
"""How the acquisition groups of lying films begin: rows and columns of their files."""


def without(data: TrainingData, rows: npt.NDArray[np.bool_]) -> TrainingData:
    """Return the data without some films."""
    kept = np.flatnonzero(~rows).tolist()
    return replace(
        data,
        cases=tuple(data.cases[row] for row in kept),
        films=tuple(data.films[row] for row in kept),
        traces=tuple(data.traces[row] for row in kept),
    )


def measure(
    recipe: Recipe, data: TrainingData, learned: TrainingData, lying: set[str], out: Path
) -> dict[str, object]:
    """Train on some films; return what the scores of all tell of lying ones."""
    trained = cross_validate(recipe, learned, out=out, folds=data.split.test_parts)
    table = predict_out_of_fold(recipe, data, trained)
    case_of = {case.name: case for case in data.cases}
    cases = [case_of[name] for name in table.case.tolist()]
    inside = np.isin(table.case, sorted(lying))
    folds = table.fold.astype(np.int64)
    ranks = np.empty(len(table))
    for fold in np.unique(folds):
        own = folds == fold
        ranks[own] = np.searchsorted(np.sort(table.probability[own]), table.probability[own])
    by_label = {
        name: asdict(
            told_by_score(
                inside[rows], table.probability[rows], folds[rows], [cases[row] for row in rows]
            )
        )
        for name, rows in (
            ("all", np.arange(len(table))),
            ("healthy", np.flatnonzero(table.reference == 0)),
            ("fractured", np.flatnonzero(table.reference == 1)),
        )
    }
    return {
        "films_learned_from": len(learned.cases),
        "auroc_lying": float(auroc(table.reference[inside], ranks[inside])),
        "auroc_others": float(auroc(table.reference[~inside], ranks[~inside])),
        "lying_told_by_score": by_label,
    }


def main() -> None:
    """Run the experiment and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--result", type=Path, default=HERE / "never_seen.json")
    options = parser.parse_args()
    recipe = load_recipe(RECIPE).with_weights(options.weights)
    split = Split.read(SPLIT)
    data = prepare_training_data(
        recipe, root=options.root, split=split, unwanted=read_clean_list(CLEAN)
    )
    lies = np.array([film.acquisition.startswith(LYING) for film in data.films])
    label = np.array([case.reference.fracture for case in data.cases])
    lying = {case.name for case, own in zip(data.cases, lies, strict=True) if own}
    arms = {"seen": data, "never seen": without(data, lies)}
    result = {
        "recipe": RECIPE.name,
        "seed": recipe.seed,
        "split_sha256": split.sha256,
        "films": len(data.cases),
        "lying": int(lies.sum()),
        "lying_fractured_share": float(label[lies].mean()),
        "others_fractured_share": float(label[~lies].mean()),
        "arms": {
            name: measure(recipe, data, learned, lying, options.out / name.replace(" ", "-"))
            for name, learned in arms.items()
        },
    }
    text = json.dumps(result, indent=1) + "\n"
    options.result.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
