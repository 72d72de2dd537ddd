"""The networks of the folds of the radiograph model, kept to measure new things out of fold.

    python benchmarks/accuracy/xray_folds.py keep RUNS/xray      # after a training
    python benchmarks/accuracy/xray_folds.py bundles FOLDER      # writes FOLDER/fold-0, ...

Weights in half precision are kept under `xray/folds`. A bundle made of them is the one that was
judged out of fold, uncalibrated; `values.csv` holds what they said of every film.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from torch import nn

from fracturax.models.backbones import load_weights
from fracturax.models.bundle import Bundle
from fracturax.models.catalog import NETWORKS
from fracturax.pipelines.export_team import export_team
from fracturax.pipelines.out_of_fold import bundle_folder
from fracturax.pipelines.train import Team
from fracturax.training.export import write_halves
from fracturax.training.loop import Trained
from fracturax.training.recipe import Recipe, load_recipe

HERE = Path(__file__).parent
KEPT = HERE / "xray" / "folds"
RECIPE = HERE.parents[1] / "recipes" / "xray.toml"


def main() -> None:
    """Keep networks, or make bundles of those that were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("keep", "bundles"))
    parser.add_argument("folder", type=Path, help="the run, or where to write the bundles")
    options = parser.parse_args()
    if options.what == "keep":
        keep(options.folder)
    else:
        for bundle in fold_bundles(options.folder):
            print(bundle.folder)


def keep(run: Path) -> None:
    """Keep the networks of a finished and published run."""
    recipe = load_recipe(RECIPE)
    for fold in range(recipe.data.folds):
        folder = KEPT / f"fold-{fold}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("model", "closer"):
            file = f"{name}.safetensors"
            shutil.copyfile(bundle_folder(run, fold) / file, folder / file)
        stage = recipe.second_stage()
        if stage is not None:
            _keep_average(run / f"fold-{fold}" / "second", _build(stage), folder)


def _keep_average(checkpoint: Path, network: nn.Module, folder: Path) -> None:
    """Keep the network of a second opinion, of which a bundle holds the graph alone."""
    state = load_weights(checkpoint / "checkpoint.safetensors")
    kept = "average."
    network.load_state_dict(
        {name[len(kept) :]: one for name, one in state.items() if name.startswith(kept)}
    )
    write_halves(network, folder / "second.safetensors")


def fold_bundles(folder: Path) -> list[Bundle]:
    """Write the bundle of each fold's networks, uncalibrated, and return them in order."""
    recipe = load_recipe(RECIPE)
    return [
        export_team(_team(recipe, KEPT / f"fold-{fold}"), recipe, folder / f"fold-{fold}")
        for fold in range(recipe.data.folds)
    ]


def _team(recipe: Recipe, folder: Path) -> Team:
    stages = {
        "model": recipe.stages()[0],
        "closer": recipe.closer_stage(),
        "second": recipe.second_stage(),
    }
    found = {}
    for name, stage in stages.items():
        if stage is not None:
            network = _build(stage)
            network.load_state_dict(load_weights(folder / f"{name}.safetensors"))
            found[name] = Trained(network.eval(), [])
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
