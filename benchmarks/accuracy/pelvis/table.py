r"""The table of six U-Nets on films of patients that none of them saw.

    python benchmarks/accuracy/pelvis/films.py --root ../shared/data --out films --films 96
    python benchmarks/accuracy/pelvis/table.py --films films --runs runs/pelvis
    python benchmarks/accuracy/pelvis/table.py --films films --runs runs/pelvis --budget middle \
        --encoder mobilenet_v2 --encoder resnet50 --encoder efficientnet_b3 --encoder inception_v3
    python benchmarks/accuracy/pelvis/table.py --films films --runs runs/pelvis --budget best \
        --encoder mobilenet_v2
    python benchmarks/accuracy/pelvis/speed.py --films films --runs runs/pelvis
    python benchmarks/accuracy/pelvis/table.py --films films --runs runs/pelvis --only-table

Every network is trained from the paper's recipe under reduced budgets, those of `BUDGETS`: `narrow`
is the one that all six have, `middle` the same number of steps on larger films, `best` twice as
many at the paper's size of input. Films of two whole patients are held out and scored once, in the
films' own pixels, by the graph that ships. The best weights are chosen on films of the training
patients that were not trained on: five patients are too few to spend one on that. A row that was
finished is not trained again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from fracturax.datasets.masks import MaskedFilm, open_masked_films
from fracturax.datasets.passport import Split
from fracturax.models.catalog import ENCODERS
from fracturax.models.segmenter import load_segmenter
from fracturax.pipelines.train_segmenter import (
    MaskedData,
    evaluate_by_patient,
    publish_segmenter,
    score_films,
    training_facts,
)
from fracturax.training.recipe import Precision
from fracturax.training.segment import store_masked, train_segmenter_network
from fracturax.training.segment_recipe import SegmenterRecipe, load_segmenter_recipe
from fracturax.transforms.plan import PreprocessingPlan

RECIPES = Path(__file__).parents[3] / "recipes"
HELD_OUT = ("003", "005")
WATCHED_EVERY = 5
"""Each so many films of a training patient choose the best weights."""
PRETRAINED = {"mobilenet_v2": "mobilenet_v2.safetensors"}
NUMBERS = ("iou", "iou_pooled", "dice", "dice_pooled")


@dataclass(frozen=True)
class Budget:
    """What a row may cost: side of the input, epochs, peak of the learning rate, its end."""

    side: int
    epochs: int
    learning_rate: float
    final_share: float = 0.02
    precision: Precision = "bf16-mixed"


BUDGETS = {
    "narrow": Budget(side=96, epochs=10, learning_rate=1e-3),
    "middle": Budget(side=160, epochs=10, learning_rate=1e-3),
    "best": Budget(side=224, epochs=20, learning_rate=1e-3),
}


def main() -> None:
    """Train what is missing, score it, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("../shared/data/weights"))
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--encoder", action="append", choices=list(ENCODERS))
    parser.add_argument("--budget", choices=list(BUDGETS), default="narrow")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only-table", action="store_true", help="put finished rows together")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    films = open_masked_films(options.films, salt="simulated films have no secrets")
    if not options.only_table:
        for encoder in options.encoder or ENCODERS:
            recipe = reduced(encoder, options.budget, options.weights)
            write_row(recipe, options.budget, films, options.runs / f"{recipe.name}")
    rows = [json.loads(path.read_text()) for path in sorted(options.runs.glob("*/row.json"))]
    order = list(ENCODERS)
    sizes = list(BUDGETS)
    rows.sort(key=lambda row: (sizes.index(row["budget"]["name"]), order.index(row["encoder"])))
    speed_path = options.runs / "speed.json"
    speed = json.loads(speed_path.read_text()) if speed_path.is_file() else {}
    document = {"held_out": list(HELD_OUT), "rows": rows, "ms_an_image": speed}
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    (options.out / "table.json").write_text(text, encoding="utf-8")
    (options.out / "table.md").write_text(as_markdown(rows, speed), encoding="utf-8")


def reduced(encoder: str, budget_name: str, weights: Path) -> SegmenterRecipe:
    """Return the paper's recipe under a reduced budget."""
    budget = BUDGETS[budget_name]
    found = [load_segmenter_recipe(path) for path in RECIPES.glob("pbrs-*.toml")]
    recipe = next(one for one in found if one.network.encoder == encoder)
    if encoder in PRETRAINED:
        recipe = recipe.with_weights(str(weights / PRETRAINED[encoder]))
    return replace(
        recipe,
        name=f"{recipe.name}-{budget_name}",
        plan=PreprocessingPlan(budget.side, budget.side),
        optimizer=replace(
            recipe.optimizer,
            epochs=budget.epochs,
            learning_rate=budget.learning_rate,
            final_share=budget.final_share,
            precision=budget.precision,
        ),
    )


def write_row(
    recipe: SegmenterRecipe, budget_name: str, films: tuple[MaskedFilm, ...], folder: Path
) -> None:
    """Train and score one row; what was finished is left as it is."""
    path = folder / "row.json"
    if path.is_file():
        return
    start = time.process_time()
    data = split_by_hand(films, recipe)
    trained = train_segmenter_network(
        recipe,
        data.part("train")[1],
        data.part("valid")[1],
        folder=folder / "network",
        show_progress=False,
    )
    cpu_s = time.process_time() - start
    bundle = folder / "bundle"
    facts = training_facts(recipe, data)
    publish_segmenter(recipe, trained, folder=bundle, version="0", facts=facts)
    segmenter = load_segmenter(bundle, threads=1)
    held_out = data.part("test")[0]
    scores = score_films(segmenter, held_out)
    patients = [patient_of(film) for film in held_out]
    row = {
        "encoder": recipe.network.encoder,
        "weights": Path(recipe.network.weights).name,
        "budget": {"name": budget_name, **vars(BUDGETS[budget_name])},
        "films_a_patient": films_a_patient(films),
        "steps": recipe.optimizer.epochs * (len(data.part("train")[0]) // 10),
        "cpu_s": cpu_s,
        "parameters": sum(one.numel() for one in trained.network.parameters()),
        "pooled": numbers(evaluate_by_patient(scores, held_out, seed=0).rows),
        "patients": {
            patient: numbers(
                evaluate_by_patient(
                    [one for one, whose in zip(scores, patients, strict=True) if whose == patient],
                    [film for film in held_out if patient_of(film) == patient],
                    seed=0,
                ).rows
            )
            for patient in HELD_OUT
        },
        "curves": trained.curves,
    }
    path.write_text(json.dumps(row, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(recipe.name, row["pooled"]["iou"], flush=True)


def split_by_hand(films: tuple[MaskedFilm, ...], recipe: SegmenterRecipe) -> MaskedData:
    """Return the films at training size: two patients held out, every fifth other film watched."""
    part_of = {}
    for film in films:
        number = int(film.path.stem.rpartition("-")[2])
        watched = 1 if number % WATCHED_EVERY == 0 else 0
        part_of[film.name] = 2 if patient_of(film) in HELD_OUT else watched
    rule = f"patients {', '.join(HELD_OUT)} held out, every {WATCHED_EVERY}th other film watched"
    split = Split(rule=rule, seed=0, fold_of=part_of, parts=("train", "valid", "test"))
    stored = tuple(store_masked(*film.read(), recipe.plan) for film in films)
    return MaskedData(films, stored, split)


def patient_of(film: MaskedFilm) -> str:
    """Return whose CT a film was simulated from."""
    return film.path.stem.rpartition("-")[0]


def numbers(rows: Any) -> dict[str, dict[str, float]]:
    """Return the numbers of the table with their intervals."""
    return {
        row.metric: {"value": row.value, "low": row.low, "high": row.high, "n": row.n}
        for row in rows
        if row.metric in NUMBERS
    }


def films_a_patient(films: tuple[MaskedFilm, ...]) -> dict[str, int]:
    """Return how many films there are of each patient."""
    patients = [patient_of(film) for film in films]
    return {patient: patients.count(patient) for patient in sorted(set(patients))}


def as_markdown(rows: list[dict[str, Any]], speed: dict[str, float]) -> str:
    """Return the table as Markdown."""
    lines = [
        "| encoder | weights | input | films a patient | steps | parameters | IoU (95 %) | F1 | "
        + " | ".join(f"IoU {patient}" for patient in HELD_OUT)
        + " | ms at 224² |",
        "|" + "---|" * (9 + len(HELD_OUT)),
    ]
    for row in rows:
        iou, side = row["pooled"]["iou"], row["budget"]["side"]
        each = " | ".join(
            f"{one['iou']['value']:.3f} ({one['iou']['low']:.3f}-{one['iou']['high']:.3f})"
            for one in row["patients"].values()
        )
        ms = f"{speed[row['encoder']]:.0f}" if row["encoder"] in speed else "-"
        weights = "scratch" if row["weights"] == "random" else "ImageNet"
        lines.append(
            f"| {row['encoder']} | {weights} | {side}² | "
            f"{min(row['films_a_patient'].values())} | {row['steps']} | "
            f"{row['parameters'] / 1e6:.2f} M | {iou['value']:.3f} ({iou['low']:.3f}-"
            f"{iou['high']:.3f}) | {row['pooled']['dice']['value']:.3f} | {each} | "
            f"{ms} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
