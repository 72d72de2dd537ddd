"""`fracturax train`: from a recipe and a data set to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, progress, words
from fracturax.core.errors import MissingExtraError


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("train")(train)


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe, a TOML file.")],
    root: Annotated[Path, typer.Option("--root", help="Folder of the data set.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the run.")] = Path("runs"),
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="Pretrained backbone, safetensors; else downloaded."),
    ] = None,
    fold: Annotated[
        list[int] | None, typer.Option("--fold", help="Train only this fold; may be repeated.")
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option("--max-steps", help="Stop early, to try a recipe out.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Folder for the bundle; else in the run's.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option("--results", help="Folder for the results; else in the run's.")
    ] = None,
    version: Annotated[str, typer.Option("--version-name", help="Version of the bundle.")] = "0",
    as_json: JsonOption = False,
) -> None:
    """Cross-validate a recipe, train it on all films, and write the calibrated bundle.

    A run that was stopped goes on from its last epoch when it is started again.
    """
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", verb="train") from error
    from fracturax.pipelines.publish import train_bundle
    from fracturax.pipelines.train import train as run_recipe
    from fracturax.pipelines.train import write_predictions
    from fracturax.training.recipe import load_recipe

    parsed = load_recipe(recipe)
    if weights is not None:
        parsed = parsed.with_weights(str(weights.resolve()))
    folder = out / parsed.name
    document: dict[str, object] = {"run": str(folder)}
    if fold is None and max_steps is None and parsed.network.name == "xray":
        published = train_bundle(
            parsed,
            root=root,
            out=out,
            bundle=bundle,
            results=results,
            version=version,
            progress=progress,
        )
        facts = dict(published.manifest.training)
        document |= {"films": int(facts["films"]), "dropped": int(facts["dropped"])}
        document |= {"bundle": str(published.folder), "bundle_sha256": published.sha256}
    else:
        run = run_recipe(
            parsed,
            root=root,
            out=folder,
            folds=fold,
            final=False,
            max_steps=max_steps,
            progress=progress,
        )
        write_predictions(run, folder / "predictions.csv")
        document |= {"films": len(run.data.cases), "dropped": len(run.data.dropped)}
        document["predictions"] = str(folder / "predictions.csv")
    if as_json:
        print_json(document)
    else:
        for name, value in document.items():
            words.print(f"{name:14} {value}", markup=False)
