r"""Each preprocessing step on or off, and the region of interest: what helps the radiograph model.

    python benchmarks/accuracy/preprocess/ablation.py --root ../shared/data/fracatlas \
        --weights ../shared/data/weights/mobilenet_v2.safetensors --runs RUNS

The first network of `recipes/xray.toml` under a reduced budget, that of `reduced`: a smaller input,
fewer films, one stage, no closer look. Every variant is trained on the same two folds of the
published split, with the same seed, and scored once on the third. Differences to the default plan
are paired, by DeLong for groups of dependent films (Obuchowski), adjusted by Holm. A repetition
with another seed says how much two trainings of one plan differ: what is within that, is nothing.
A variant that was finished is not trained again. `ablation-scores.csv` keeps every film's scores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import torch

from fracturax.core.image import Step
from fracturax.datasets.clean_list import read_clean_list
from fracturax.datasets.passport import Split
from fracturax.evaluation import PredictionTable, delong_test
from fracturax.evaluation.classification import auroc_interval
from fracturax.evaluation.multiplicity import holm
from fracturax.pipelines.prepare import only_film
from fracturax.pipelines.train import (
    TrainingData,
    cross_validate,
    predict_out_of_fold,
    prepare_training_data,
)
from fracturax.training.batches import StoredFilm, store_film
from fracturax.training.recipe import Recipe, load_recipe
from fracturax.transforms.plan import PreprocessingPlan

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
FOLD = 0
SIZE = (224, 192)
EPOCHS, EPOCH_FILMS = 3, 1600
DEFAULT = "default"


@dataclass(frozen=True)
class Variant:
    """A plan to compare with the default one.

    Args:
        name: Its name.
        what: What differs, in words.
        changes: Fields of the plan.
        steps: Names and parameters of transforms that come first.
        seed: Seed of the training.
    """

    name: str
    what: str
    changes: tuple[tuple[str, Any], ...] = ()
    steps: tuple[Step, ...] = ()
    seed: int = 0

    def plan(self, default: PreprocessingPlan) -> PreprocessingPlan:
        """Return the plan."""
        return replace(default, **dict(self.changes), steps=self.steps)


VARIANTS = (
    Variant(DEFAULT, "upright frame, percentiles 0.5 and 99.5 to black and white"),
    Variant("again", "the default plan, trained from another seed", seed=1),
    Variant("as_it_lies", "without: lying films turned upright", (("frame", "film"),)),
    Variant(
        "min_max",
        "without: percentiles; least and greatest value to black and white",
        (("low_percentile", 0.0), ("high_percentile", 100.0)),
    ),
    Variant("roi", "with: cut to the bones (region of interest)", steps=(Step("crop_to_bone"),)),
    Variant("roi_channel", "with: the bones as a channel of the input", (("roi", "channel"),)),
    Variant("clahe", "with: CLAHE", steps=(Step("clahe"),)),
    Variant("border", "with: uniform borders cut off", steps=(Step("crop_border"),)),
    Variant("collimator", "with: cut to the exposed field", steps=(Step("crop_collimator"),)),
    Variant("markers", "with: side markers painted over", steps=(Step("mask_markers"),)),
    Variant("background", "with: the air blackened", steps=(Step("remove_background"),)),
    Variant("gaussian", "with: Gaussian denoising", steps=(Step("gaussian"),)),
    Variant("equalize", "with: histogram equalization", steps=(Step("equalize"),)),
)


def main() -> None:
    """Train what is missing, compare, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--only", action="append", choices=[one.name for one in VARIANTS])
    parser.add_argument("--only-table", action="store_true", help="put finished rows together")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    recipe = reduced(load_recipe(REPOSITORY / "recipes" / "xray.toml"))
    if not options.only_table:
        recipe = recipe.with_weights(str(options.weights.resolve()))
        asked = [one for one in VARIANTS if not options.only or one.name in options.only]
        train_missing(recipe, asked, root=options.root, runs=options.runs)
    tables = {
        one.name: PredictionTable.from_csv(path)
        for one in VARIANTS
        if (path := table_of(options.runs, one)).is_file()
    }
    rows = compare(tables)
    document = {
        "budget": {"rows": SIZE[0], "columns": SIZE[1], "epochs": EPOCHS, "films": EPOCH_FILMS},
        "fold": FOLD,
        "split": Split.read(REPOSITORY / "benchmarks/accuracy/xray/split.json").sha256,
        "recipe": recipe.as_document() | {"network": {"backbone": recipe.network.backbone}},
        "rows": rows,
    }
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    (options.out / "ablation.json").write_text(text, encoding="utf-8")
    (options.out / "ablation.md").write_text(as_markdown(rows), encoding="utf-8")
    (options.out / "ablation-scores.csv").write_text(as_scores(tables), encoding="utf-8")


def reduced(recipe: Recipe) -> Recipe:
    """Return the recipe under the reduced budget."""
    return replace(
        recipe,
        name="ablation",
        plan=replace(recipe.plan, rows=SIZE[0], columns=SIZE[1]),
        optimizer=replace(recipe.optimizer, epochs=EPOCHS, epoch_films=EPOCH_FILMS),
        finish=None,
        closer=None,
    )


def train_missing(recipe: Recipe, variants: Sequence[Variant], *, root: Path, runs: Path) -> None:
    """Train the variants that have no table yet."""
    missing = [one for one in variants if not table_of(runs, one).is_file()]
    if not missing:
        return
    prepared = prepare_training_data(
        recipe,
        root=root,
        split=Split.read(REPOSITORY / "benchmarks/accuracy/xray/split.json"),
        unwanted=read_clean_list(REPOSITORY / "recipes" / "xray-clean.csv"),
    )
    for variant in missing:
        plan = variant.plan(recipe.plan)
        data = prepared if plan == recipe.plan else stored_anew(prepared, plan)
        own = replace(recipe, name=f"ablation-{variant.name}", seed=variant.seed, plan=plan)
        folder = runs / variant.name
        trained = cross_validate(own, data, out=folder, folds=[FOLD])
        predict_out_of_fold(own, data, trained).write_csv(table_of(runs, variant))
        print(variant.name, flush=True)


def stored_anew(data: TrainingData, plan: PreprocessingPlan) -> TrainingData:
    """Return the films as another plan brings them to training size."""

    def store(film: StoredFilm, index: int) -> StoredFilm:
        case = data.cases[index]
        stored = store_film(case.name, only_film(case), case.reference, plan)
        return replace(stored, acquisition=film.acquisition)

    films = tuple(store(film, index) for index, film in enumerate(data.films))
    return replace(data, films=films)


def table_of(runs: Path, variant: Variant) -> Path:
    """Return where the predictions of a variant are kept."""
    return runs / variant.name / "predictions.csv"


def compare(tables: dict[str, PredictionTable]) -> list[dict[str, Any]]:
    """Return a row a variant, with its paired difference to the default plan."""
    default = tables[DEFAULT]
    rows: list[dict[str, Any]] = []
    for variant in VARIANTS:
        if variant.name not in tables:
            continue
        table = tables[variant.name]
        assert table.case.tolist() == default.case.tolist(), "the same films, in the same order"
        groups = table.patient_key
        own = auroc_interval(table.reference, table.probability, groups=groups)
        row: dict[str, Any] = {
            "variant": variant.name,
            "what": variant.what,
            "auroc": {"value": own.value, "low": own.low, "high": own.high, "n": own.n},
        }
        if variant.name != DEFAULT:
            test = delong_test(
                default.reference, table.probability, default.probability, groups=groups
            )
            row["difference"] = {
                "value": test.difference, "low": test.low, "high": test.high, "p": test.p,
            }  # fmt: skip
        rows.append(row)
    tested = [row["difference"] for row in rows if "difference" in row]
    for one, p in zip(tested, holm([one["p"] for one in tested]).tolist(), strict=True):
        one["p_holm"] = p
    return rows


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Return the table as Markdown."""
    lines = [
        "| plan | AUROC (95 %) | difference to the default (95 %) | p (Holm) |",
        "|---|---|---|---|",
    ]
    for row in rows:
        own, difference = row["auroc"], row.get("difference")
        said = "- | -"
        if difference is not None:
            said = (
                f"{difference['value']:+.3f} ({difference['low']:+.3f} to "
                f"{difference['high']:+.3f}) | {difference['p_holm']:.2g}"
            )
        shown = f"{own['value']:.3f} ({own['low']:.3f} to {own['high']:.3f})"
        lines.append(f"| {row['what']} | {shown} | {said} |")
    return "\n".join(lines) + "\n"


def as_scores(tables: dict[str, PredictionTable]) -> str:
    """Return what every plan said of every film, so that rows can be compared again."""
    first = tables[DEFAULT]
    lines = [",".join(["case", "patient_key", "reference", *tables])]
    columns = [table.probability for table in tables.values()]
    for row in zip(first.case, first.patient_key, first.reference, *columns, strict=True):
        lines.append(",".join([*map(str, row[:3]), *(f"{value:.5f}" for value in row[3:])]))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
