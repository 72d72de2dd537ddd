"""What a leaking split is worth: one model, three ways to split, one table.

    python benchmarks/accuracy/leak.py --root ../shared/data/fracatlas --out RUNS [--weights FILE]

The recipe `recipes/leak.toml` is trained and tested
  random     on folds drawn film by film, copies and neighbours where they fall
  copy-safe  on folds that keep copies and neighbours together, copies left out
  held out   on each larger acquisition group (size, mode and encoding of the file), trained on
             the others; of the same films, the copy-safe networks' figure stands beside it
Writes `leak.json`: AUROC with 95 % intervals by a bootstrap of groups.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from fracturax.core.case import Case
from fracturax.core.image import Radiograph
from fracturax.datasets import open_dataset
from fracturax.datasets.examine import examine
from fracturax.datasets.register import FilmTrace, trace
from fracturax.datasets.splits import group_folds, hold_out_group
from fracturax.datasets.traits import Traits, acquisition_groups
from fracturax.evaluation import PredictionTable, auroc, group_bootstrap_weighted
from fracturax.pipelines.prepare import Prepared, prepare
from fracturax.pipelines.train import TrainingData, cross_validate, predict_out_of_fold
from fracturax.training.batches import StoredFilm, store_film
from fracturax.training.recipe import Recipe, load_recipe

HERE = Path(__file__).parent
RECIPE = HERE.parents[1] / "recipes" / "leak.toml"
GROUPS_TESTED = 3
FEWEST_OF_A_CLASS = 20
Kept = tuple[StoredFilm, FilmTrace, Traits]


def read_films(recipe: Recipe, root: Path) -> tuple[Prepared[Kept], Prepared[Kept]]:
    """Read the data set; return it as released (what can be read), and without copies."""

    def keep(case: Case, film: Radiograph) -> Kept:
        assert case.path is not None, "FracAtlas is read from files"
        stored = store_film(case.name, film, case.reference, recipe.plan)
        return stored, trace(film.pixels), examine(case.path).traits

    cases = open_dataset(recipe.data.dataset, root=root)
    everything: list[tuple[Case, Kept]] = []

    def keep_all(case: Case, film: Radiograph) -> Kept:
        kept = keep(case, film)
        everything.append((case, kept))
        return kept

    clean = prepare(cases, keep=keep_all)
    released = Prepared(
        cases=tuple(case for case, _ in everything),
        groups=tuple(range(len(everything))),
        kept=tuple(kept for _, kept in everything),
        dropped=(),
    )
    return released, clean


def with_acquisition_groups(prepared: Prepared[Kept]) -> Prepared[Kept]:
    """Name the acquisition group of each case."""
    names = acquisition_groups([traits for _, _, traits in prepared.kept])
    cases = tuple(
        replace(case, group=name) for case, name in zip(prepared.cases, names, strict=True)
    )
    return replace(prepared, cases=cases)


def larger_groups(cases: tuple[Case, ...]) -> list[str]:
    """Return the groups with most fractured films that hold enough of both classes."""
    fractured = Counter(case.group for case in cases if case.reference.fracture)
    normal = Counter(case.group for case in cases if not case.reference.fracture)
    fit = [
        group
        for group in fractured
        if group is not None
        and min(fractured[group], normal[group]) >= FEWEST_OF_A_CLASS
        and fractured[group] + normal[group] < 0.7 * len(cases)
    ]
    return sorted(fit, key=lambda group: (-fractured[group], group))[:GROUPS_TESTED]


def measure(table: PredictionTable, rows: list[int] | None = None) -> dict[str, float | int]:
    """Return AUROC of ranks within folds, with a 95 % interval by a bootstrap of groups.

    Of some rows only, if they are given; they keep their ranks among all films of their fold.
    """
    scores = np.empty(len(table))
    for fold in set(table.fold.tolist()):
        own = table.fold == fold
        values = table.probability[own]
        scores[own] = np.searchsorted(np.sort(values), values, side="left") / own.sum()
    if rows is not None:
        table, scores = table.take(rows), scores[rows]
    drawn = group_bootstrap_weighted(
        table.patient_key,
        lambda weights: np.array([auroc(table.reference, scores, weights=weights)]),
        generator=np.random.default_rng(0),
        resamples=1000,
    )
    low, high = drawn.interval(0)
    return {
        "auroc": float(auroc(table.reference, scores)),
        "low": float(low),
        "high": float(high),
        "films": len(table),
        "fractured": int(table.reference.sum()),
    }


def run(
    recipe: Recipe, prepared: Prepared[Kept], out: Path, *, held_out: str | None = None
) -> tuple[PredictionTable, str]:
    """Train and predict; return the predictions and the hash of the split."""
    if held_out is None:
        split = group_folds(
            prepared.cases, prepared.groups, folds=recipe.data.folds, seed=recipe.seed
        )
    else:
        split = hold_out_group(prepared.cases, prepared.groups, held_out=held_out)
    data = TrainingData(
        cases=prepared.cases,
        films=tuple(film for film, _, _ in prepared.kept),
        split=split,
        dropped=prepared.dropped,
        traces=tuple(one for _, one, _ in prepared.kept),
    )
    trained = cross_validate(recipe, data, out=out, folds=split.test_parts)
    return predict_out_of_fold(recipe, data, trained), split.sha256


def main() -> None:
    """Run the experiment and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--result", type=Path, default=HERE / "leak.json")
    options = parser.parse_args()
    recipe = load_recipe(RECIPE).with_weights(options.weights)
    released, clean = read_films(recipe, options.root)
    clean = with_acquisition_groups(clean)
    rows: list[dict[str, object]] = []
    table, sha256 = run(recipe, released, options.out / "random")
    rows.append({"split": "random", "split_sha256": sha256, **measure(table)})
    safe, sha256 = run(recipe, clean, options.out / "copy-safe")
    rows.append({"split": "copy-safe", "split_sha256": sha256, **measure(safe)})
    group_of = {case.name: case.group for case in clean.cases}
    for number, group in enumerate(larger_groups(clean.cases)):
        table, sha256 = run(recipe, clean, options.out / f"held-out-{number}", held_out=group)
        inside = [row for row, case in enumerate(safe.case.tolist()) if group_of[case] == group]
        rows.append(
            {
                "split": "acquisition group held out",
                "group": group,
                "split_sha256": sha256,
                **measure(table),
                "same_films_copy_safe": measure(safe, inside),
            }
        )
    result = {"recipe": RECIPE.name, "seed": recipe.seed, "folds": recipe.data.folds, "rows": rows}
    text = json.dumps(result, indent=1) + "\n"
    options.result.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
