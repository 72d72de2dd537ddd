"""`fracturax train`: from a recipe and a data set to a bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol, TypeVar

import typer

from fracturax.cli.console import JsonOption, print_json, progress, words
from fracturax.core.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from fracturax.datasets.passport import Split


class _BeginsFromWeights(Protocol):
    def with_weights(self: RecipeT, weights: str) -> RecipeT: ...


RecipeT = TypeVar("RecipeT", bound=_BeginsFromWeights)


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
    options = _Options(
        *(recipe, root, out, weights, fold, max_steps, split, clean, bundle, results, version)
    )
    _tell(_trainer_of(recipe)(options), as_json=as_json)


@dataclass(frozen=True)
class _Options:
    """What was asked for; fields are the options of the command."""

    recipe: Path
    root: Path
    out: Path
    weights: Path | None
    fold: list[int] | None
    max_steps: int | None
    split: Path | None
    clean: Path | None
    bundle: Path | None
    results: Path | None
    version: str

    @property
    def passport(self) -> Split | None:
        from fracturax.datasets.passport import Split

        return None if self.split is None else Split.read(self.split)

    def begun(self, recipe: RecipeT) -> RecipeT:
        """Return a recipe that begins with the weights that were given."""
        return recipe if self.weights is None else recipe.with_weights(str(self.weights.resolve()))

    def refuse(self, *names: str) -> None:
        """Refuse options that a kind of recipe does not take.

        Raises:
            ConfigError: If one of them was given.
        """
        given = [f"--{name}" for name in names if getattr(self, name) is not None]
        if given:
            raise ConfigError(
                "this recipe does not take an option: a segmenter is trained once, on films with "
                "masks, and the CT stream leaves one patient out",
                got=f"{', '.join(given)} with {self.recipe.name}",
                cure="leave it out",
            )


def _trainer_of(recipe: Path) -> Callable[[_Options], dict[str, object]]:
    from fracturax.training.fusion_recipe import is_fusion_recipe
    from fracturax.training.segment_recipe import is_segmenter_recipe
    from fracturax.training.volume_recipe import is_volume_recipe

    kinds: tuple[tuple[Callable[[Path], bool], Callable[[_Options], dict[str, object]]], ...] = (
        (is_segmenter_recipe, _train_segmenter),
        (is_fusion_recipe, _train_fusion),
        (is_volume_recipe, _train_volume),
    )
    return next((trainer for is_kind, trainer in kinds if is_kind(recipe)), _train_films)


def _train_films(options: _Options) -> dict[str, object]:
    from fracturax.datasets.clean_list import read_clean_list
    from fracturax.pipelines.publish import train_bundle
    from fracturax.pipelines.train import predict_out_of_fold
    from fracturax.pipelines.train import train as run_recipe
    from fracturax.training.recipe import load_recipe

    passport = options.passport
    parsed = options.begun(load_recipe(options.recipe))
    folder = options.out / parsed.name
    unwanted = () if options.clean is None else read_clean_list(options.clean)
    document: dict[str, object] = {"run": str(folder)}
    if options.fold is None and options.max_steps is None and parsed.network.name == "xray":
        published = train_bundle(
            parsed,
            root=options.root,
            out=options.out,
            bundle=options.bundle,
            results=options.results,
            version=options.version,
            split=passport,
            unwanted=unwanted,
            progress=progress,
        )
        facts = dict(published.manifest.training)
        document |= {"films": int(facts["films"]), "dropped": int(facts["dropped"])}
        document |= {"bundle": str(published.folder), "bundle_sha256": published.sha256}
        return document
    run = run_recipe(
        parsed,
        root=options.root,
        out=folder,
        folds=options.fold,
        final=False,
        max_steps=options.max_steps,
        split=passport,
        unwanted=unwanted,
        progress=progress,
    )
    first = {fold: team.first for fold, team in run.folds.items()}
    table = predict_out_of_fold(parsed, run.data, first)
    table.write_csv(folder / "predictions.csv")
    document |= {"films": len(run.data.cases), "dropped": len(run.data.dropped)}
    document["predictions"] = str(folder / "predictions.csv")
    return document


def _train_segmenter(options: _Options) -> dict[str, object]:
    from fracturax.pipelines.train_segmenter import train_segmenter
    from fracturax.training.segment_recipe import load_segmenter_recipe

    options.refuse("fold", "clean", "results")
    parsed = options.begun(load_segmenter_recipe(options.recipe))
    trained = train_segmenter(
        parsed,
        root=options.root,
        out=options.out / parsed.name,
        bundle=options.bundle,
        version=options.version,
        split=options.passport,
        max_steps=options.max_steps,
        progress=progress,
    )
    tested = trained.evaluation
    return {
        "run": str(options.out / parsed.name),
        "films": len(trained.data.films),
        "iou": tested["iou"].value,
        "dice": tested["dice"].value,
        "bundle": str(trained.bundle),
        "bundle_sha256": trained.segmenter.identity.bundle_sha256,
    }


def _train_volume(options: _Options) -> dict[str, object]:
    from fracturax.pipelines.train_volume import train_volume
    from fracturax.training.volume_recipe import load_volume_recipe

    options.refuse("split", "clean", "results")
    parsed = options.begun(load_volume_recipe(options.recipe))
    trained = train_volume(
        parsed,
        root=options.root,
        out=options.out / parsed.name,
        bundle=options.bundle,
        version=options.version,
        folds=options.fold,
        max_steps=options.max_steps,
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


def _train_fusion(options: _Options) -> dict[str, object]:
    from fracturax.pipelines.train_fusion import run_fusion
    from fracturax.training.fusion_recipe import load_fusion_recipe

    options.refuse("split", "clean", "results", "max_steps")
    parsed = load_fusion_recipe(options.recipe)
    folder = options.out / parsed.name
    run = run_fusion(
        parsed,
        root=options.root,
        out=folder,
        weights="imagenet" if options.weights is None else str(options.weights.resolve()),
        bundle=options.bundle,
        version=options.version,
        folds=options.fold,
        progress=progress,
    )
    document: dict[str, object] = {
        "run": str(folder),
        "cases": len(run.data.cases),
        "subsets": len(run.logits),
        "predictions": str(folder / "predictions.csv"),
    }
    if run.bundle is not None:
        document |= {"bundle": str(run.bundle.folder), "bundle_sha256": run.bundle.sha256}
    return document


def _tell(document: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        for name, value in document.items():
            words.print(f"{name:14} {value}", markup=False)
