"""`fracturax train`: from a recipe and a data set to a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fracturax.cli.console import JsonOption, print_json, progress, words
from fracturax.core.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from fracturax.datasets.passport import Split


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
    split: Annotated[
        Path | None, typer.Option("--split", help="Passport of a split; else the recipe's folds.")
    ] = None,
    clean: Annotated[
        Path | None, typer.Option("--clean", help="Clean list that fracturax audit --fix wrote.")
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

    The recipe of a U-Net learns from films with masks instead, and is tested on patients that were
    held out; one of the CT stream learns from prepared pairs, leaving one patient out. A run that
    was stopped goes on from its last epoch when it is started again.
    """
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", verb="train") from error
    from fracturax.datasets.clean_list import read_clean_list
    from fracturax.datasets.passport import Split
    from fracturax.pipelines.publish import train_bundle
    from fracturax.pipelines.train import predict_out_of_fold
    from fracturax.pipelines.train import train as run_recipe
    from fracturax.training.fusion_recipe import is_fusion_recipe
    from fracturax.training.recipe import load_recipe
    from fracturax.training.segment_recipe import is_segmenter_recipe
    from fracturax.training.volume_recipe import is_volume_recipe

    passport = None if split is None else Split.read(split)
    if is_segmenter_recipe(recipe):
        _refuse(recipe, fold=fold, clean=clean, results=results)
        _tell(
            _train_segmenter(
                recipe,
                root=root,
                out=out,
                weights=weights,
                max_steps=max_steps,
                split=passport,
                bundle=bundle,
                version=version,
            ),
            as_json=as_json,
        )
        return
    if is_fusion_recipe(recipe):
        _refuse(
            recipe, split=split, clean=clean, results=results, bundle=bundle, max_steps=max_steps
        )
        _tell(
            _train_fusion(recipe, root=root, out=out, weights=weights, folds=fold), as_json=as_json
        )
        return
    if is_volume_recipe(recipe):
        _refuse(recipe, split=split, clean=clean, results=results)
        _tell(
            _train_volume(
                recipe,
                root=root,
                out=out,
                weights=weights,
                folds=fold,
                max_steps=max_steps,
                bundle=bundle,
                version=version,
            ),
            as_json=as_json,
        )
        return
    parsed = load_recipe(recipe)
    if weights is not None:
        parsed = parsed.with_weights(str(weights.resolve()))
    folder = out / parsed.name
    unwanted = () if clean is None else read_clean_list(clean)
    document: dict[str, object] = {"run": str(folder)}
    if fold is None and max_steps is None and parsed.network.name == "xray":
        published = train_bundle(
            parsed,
            root=root,
            out=out,
            bundle=bundle,
            results=results,
            version=version,
            split=passport,
            unwanted=unwanted,
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
            split=passport,
            unwanted=unwanted,
            progress=progress,
        )
        table = predict_out_of_fold(parsed, run.data, run.folds)
        table.write_csv(folder / "predictions.csv")
        document |= {"films": len(run.data.cases), "dropped": len(run.data.dropped)}
        document["predictions"] = str(folder / "predictions.csv")
    _tell(document, as_json=as_json)


def _train_segmenter(
    recipe: Path,
    *,
    root: Path,
    out: Path,
    weights: Path | None,
    max_steps: int | None,
    split: Split | None,
    bundle: Path | None,
    version: str,
) -> dict[str, object]:
    from fracturax.pipelines.train_segmenter import train_segmenter
    from fracturax.training.segment_recipe import load_segmenter_recipe

    parsed = load_segmenter_recipe(recipe)
    if weights is not None:
        parsed = parsed.with_weights(str(weights.resolve()))
    trained = train_segmenter(
        parsed,
        root=root,
        out=out / parsed.name,
        bundle=bundle,
        version=version,
        split=split,
        max_steps=max_steps,
        progress=progress,
    )
    tested = trained.evaluation
    return {
        "run": str(out / parsed.name),
        "films": len(trained.data.films),
        "iou": tested["iou"].value,
        "dice": tested["dice"].value,
        "bundle": str(trained.bundle),
        "bundle_sha256": trained.segmenter.identity.bundle_sha256,
    }


def _train_volume(
    recipe: Path,
    *,
    root: Path,
    out: Path,
    weights: Path | None,
    folds: list[int] | None,
    max_steps: int | None,
    bundle: Path | None,
    version: str,
) -> dict[str, object]:
    from fracturax.pipelines.train_volume import train_volume
    from fracturax.training.volume_recipe import load_volume_recipe

    parsed = load_volume_recipe(recipe)
    if weights is not None:
        parsed = parsed.with_weights(str(weights.resolve()))
    trained = train_volume(
        parsed,
        root=root,
        out=out / parsed.name,
        bundle=bundle,
        version=version,
        folds=folds,
        max_steps=max_steps,
        progress=progress,
    )
    document: dict[str, object] = {
        "run": str(trained.folder),
        "cubes": len(trained.out_of_fold.cubes),
        "predictions": str(trained.folder / "predictions.csv"),
    }
    if trained.bundle is not None:
        document |= {"bundle": str(trained.bundle.folder), "bundle_sha256": trained.bundle.sha256}
    return document


def _train_fusion(
    recipe: Path, *, root: Path, out: Path, weights: Path | None, folds: list[int] | None
) -> dict[str, object]:
    from fracturax.pipelines.train_fusion import run_fusion
    from fracturax.training.fusion_recipe import load_fusion_recipe

    parsed = load_fusion_recipe(recipe)
    folder = out / parsed.name
    begin = "imagenet" if weights is None else str(weights.resolve())
    run = run_fusion(parsed, root=root, out=folder, weights=begin, folds=folds, progress=progress)
    return {
        "run": str(folder),
        "cases": len(run.data.cases),
        "subsets": len(run.logits),
        "predictions": str(folder / "predictions.csv"),
    }


def _refuse(recipe: Path, **options: object) -> None:
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(
            "this recipe does not take an option: a segmenter is trained once, on films with "
            "masks, and the CT stream leaves one patient out",
            got=f"{', '.join(given)} with {recipe.name}",
            cure="leave it out",
        )


def _tell(document: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        for name, value in document.items():
            words.print(f"{name:14} {value}", markup=False)
