"""The networks of the folds of the radiograph model, kept to measure new things out of fold.

    python benchmarks/accuracy/xray_folds.py keep RUNS/xray --weights MOBILENET  # after a training
    python benchmarks/accuracy/xray_folds.py harden RUNS --root FRACATLAS --weights MOBILENET
    python benchmarks/accuracy/xray_folds.py bundles FOLDER      # writes FOLDER/fold-0, ...
    python benchmarks/accuracy/xray_folds.py publish FOLDER --root FRACATLAS \
        --weights MOBILENET --version-name 2026.18

Weights in half precision are kept under `xray/folds`, with the curves of their training. `harden`
goes on from kept networks with the recipe's last stage, and keeps what comes of it: of networks
that have been through it, it makes others (an hour on two cores without bfloat16). `publish`
calibrates and judges anew, out of fold, what ships: the networks for all films are those of the
packaged bundle, which the same recipe made, and the second opinion kept in `folds/final`. No
network is trained; it takes about a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

from torch import nn

from fracturax.datasets.clean_list import read_clean_list
from fracturax.datasets.passport import Split
from fracturax.models.backbones import load_weights
from fracturax.models.bundle import Bundle
from fracturax.models.catalog import NETWORKS
from fracturax.pipelines.export_team import export_team
from fracturax.pipelines.out_of_fold import bundle_folder
from fracturax.pipelines.publish import publish
from fracturax.pipelines.train import (
    Team,
    TrainingData,
    TrainingRun,
    films_of_fold,
    prepare_training_data,
    train_stages,
)
from fracturax.training.curves import draw_curves
from fracturax.training.export import write_halves
from fracturax.training.loop import Trained
from fracturax.training.recipe import Recipe, load_recipe

HERE = Path(__file__).parent
KEPT = HERE / "xray" / "folds"
FINAL = "final"
HARDEN = "harden"
CURVES = "curves.json"
BUNDLE = HERE.parents[1] / "src" / "fracturax" / "bundles" / "xray"
RECIPE = HERE.parents[1] / "recipes" / "xray.toml"


def main() -> None:
    """Keep networks, or make bundles of those that were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("keep", "harden", "bundles", "publish"))
    parser.add_argument("folder", type=Path, help="the run, or where to write")
    parser.add_argument("--root", type=Path, help="folder of FracAtlas, to publish")
    parser.add_argument("--weights", default="imagenet", help="what the networks began from")
    parser.add_argument("--version-name", help="version of the bundle, to publish")
    options = parser.parse_args()
    recipe = load_recipe(RECIPE).with_weights(options.weights)
    if options.what == "keep":
        keep(recipe, options.folder)
    elif options.what == "harden":
        harden(recipe, options.folder, root=options.root)
    elif options.what == "publish":
        publish_again(recipe, options.folder, root=options.root, version=options.version_name)
    else:
        for bundle in fold_bundles(options.folder):
            print(bundle.folder)


def keep(recipe: Recipe, run: Path) -> None:
    """Keep the networks of a finished and published run."""
    for fold in range(recipe.data.folds):
        folder = KEPT / f"fold-{fold}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("model", "closer"):
            file = f"{name}.safetensors"
            shutil.copyfile(bundle_folder(run, fold) / file, folder / file)
        states = [run / f"fold-{fold}" / stage / "checkpoint.json" for stage in recipe.stages()]
        rows = [json.loads(one.read_text())["curves"] for one in states]
        text = json.dumps([row for stage in rows for row in stage], indent=1) + "\n"
        (folder / CURVES).write_text(text, encoding="utf-8")
    # Of a second opinion a bundle holds the graph alone.
    if stages := recipe.second_stages():
        for part in (*(f"fold-{fold}" for fold in range(recipe.data.folds)), FINAL):
            # All stages are finished: this only loads them.
            second = train_stages(stages, (), (), folder=run / part / "second").network
            (KEPT / part).mkdir(parents=True, exist_ok=True)
            write_halves(second, KEPT / part / "second.safetensors")


def harden(recipe: Recipe, folder: Path, *, root: Path) -> None:
    """Train the last stage of the networks of the whole film, from those that were kept."""
    data = _data(recipe, root)
    for fold in (*range(recipe.data.folds), None):
        part = FINAL if fold is None else f"fold-{fold}"
        if fold is None:
            films, watched = list(data.films), []
        else:
            films, watched = films_of_fold(recipe, data, fold)
        kept = KEPT / part
        for stages, name, shown, inner, where in (
            (recipe.stages(), "model", films, watched, BUNDLE if fold is None else kept),
            (recipe.second_stages(), "second", films + watched, [], kept),
        ):
            file = where / f"{name}.safetensors"
            start = _build(stages[""])
            start.load_state_dict(load_weights(file))
            trained = train_stages(
                {HARDEN: stages[HARDEN]},
                shown,
                inner,
                folder=folder / part / ("" if name == "model" else name),
                start=start,
            )
            write_halves(trained.network, file)
            if name == "model" and fold is not None:
                curves = json.loads((kept / CURVES).read_text("utf-8")) + trained.curves
                (kept / CURVES).write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")


def fold_bundles(folder: Path) -> list[Bundle]:
    """Write the bundle of each fold's networks, uncalibrated, and return them in order."""
    recipe = load_recipe(RECIPE)
    return [
        export_team(_team(recipe, KEPT / f"fold-{fold}"), recipe, folder / f"fold-{fold}")
        for fold in range(recipe.data.folds)
    ]


def publish_again(recipe: Recipe, folder: Path, *, root: Path, version: str) -> Bundle:
    """Calibrate, judge and write the packaged bundle anew from networks that were kept."""
    data = _data(recipe, root)
    teams = {fold: _team(recipe, KEPT / f"fold-{fold}") for fold in range(recipe.data.folds)}
    folder.mkdir(parents=True, exist_ok=True)
    draw_curves(
        {f"fold {fold}": team.first.curves for fold, team in teams.items()}, folder / "curves.png"
    )
    final = _team(recipe, BUNDLE, second=KEPT / FINAL)
    run = TrainingRun(recipe, data, teams, final, folder)
    return publish(run, bundle=BUNDLE, results=HERE / "xray", version=version)


def _data(recipe: Recipe, root: Path) -> TrainingData:
    return prepare_training_data(
        recipe,
        root=root,
        split=Split.read(HERE / "xray" / "split.json"),
        unwanted=read_clean_list(RECIPE.with_name("xray-clean.csv")),
    )


def _team(recipe: Recipe, folder: Path, *, second: Path | None = None) -> Team:
    """Return the networks of a folder; the second opinion of another, if it is named."""
    stages = {
        "model": (recipe.stages()[""], folder),
        "closer": (recipe.closer_stage(), folder),
        "second": (recipe.second_stages().get(""), second or folder),
    }
    found = {}
    for name, (stage, where) in stages.items():
        if stage is not None:
            network = _build(stage)
            network.load_state_dict(load_weights(where / f"{name}.safetensors"))
            curves = folder / CURVES
            is_first = name == "model" and curves.is_file()
            found[name] = Trained(
                network.eval(), json.loads(curves.read_text("utf-8")) if is_first else []
            )
    return Team(found["model"], found.get("closer"), found.get("second"))


def _build(stage: Recipe):
    plain = replace(stage.network, weights="random")
    network: nn.Module = NETWORKS.load(plain.name)(
        backbone=plain.backbone,
        weights=plain.weights,
        width=plain.width,
        channels=stage.plan.channels,
    )
    return network


if __name__ == "__main__":
    main()
