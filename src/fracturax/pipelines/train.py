"""Train: a recipe and a data set become cross-validated networks, and one trained on all."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from fracturax.core.case import Case
from fracturax.core.errors import ConfigError, DataError, LeakageError
from fracturax.core.image import Radiograph
from fracturax.core.progress import Progress, silent
from fracturax.datasets import dataset_at, open_dataset
from fracturax.datasets.acquisition import acquisitions_of
from fracturax.datasets.passport import Split
from fracturax.datasets.register import FilmTrace, trace
from fracturax.datasets.splits import DroppedCase, group_folds
from fracturax.evaluation import PredictionTable
from fracturax.pipelines.prepare import hashes_of, prepare
from fracturax.training.batches import StoredFilm, store_film
from fracturax.training.curves import draw_curves
from fracturax.training.engine import find_candidates, predict_films, train_network
from fracturax.training.loop import Trained
from fracturax.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Cases fit for training, their films at training size, their split, and what was dropped.

    The traces tell the films again where a model is evaluated on them.
    """

    cases: tuple[Case, ...]
    films: tuple[StoredFilm, ...]
    split: Split
    dropped: tuple[DroppedCase, ...]
    traces: tuple[FilmTrace, ...]


@dataclass(frozen=True, eq=False)
class Team:
    """Networks that read films together, trained on the same films.

    Args:
        first: Sees the whole film and suspects places.
        closer: Looks at these again, where the recipe has a closer look.
        second: Gives its own opinion of the whole film, where the recipe has one.
    """

    first: Trained
    closer: Trained | None = None
    second: Trained | None = None


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """A finished training: the data, one team of networks a fold, and one trained on all."""

    recipe: Recipe
    data: TrainingData
    folds: dict[int, Team]
    final: Team | None
    folder: Path


def train(
    recipe: Recipe,
    *,
    root: Path,
    out: Path,
    folds: Sequence[int] | None = None,
    final: bool = True,
    max_steps: int | None = None,
    split: Split | None = None,
    unwanted: Sequence[DroppedCase] = (),
    progress: Progress = silent,
) -> TrainingRun:
    """Cross-validate a recipe, then train on all; a stopped run goes on where it was.

    Args:
        recipe: What to do.
        root: Folder of the data set's release.
        out: Folder of the run: checkpoints, split, predictions, curves.
        folds: Which folds to train; all by default.
        final: Whether to train on all films afterwards.
        max_steps: Stop each training after so many steps, to try a recipe out.
        split: A split made before; else the recipe's.
        unwanted: Cases that an audit, or a person, struck off.
        progress: Where to tell how far the work is.

    Raises:
        DataError: If the data set cannot be read, is too small for the folds, or has no marked
            fracture for a network that is trained on all films and goes into a bundle.
        ConfigError: If `out` holds the run of another recipe.
    """
    recipe = _with_known_dataset(recipe, root)
    data = prepare_training_data(
        recipe, root=root, split=split, unwanted=unwanted, progress=progress
    )
    return train_on(recipe, data, out=out, folds=folds, final=final, max_steps=max_steps)


def train_on(
    recipe: Recipe,
    data: TrainingData,
    *,
    out: Path,
    folds: Sequence[int] | None = None,
    final: bool = True,
    max_steps: int | None = None,
) -> TrainingRun:
    """Train as `train` does, on films that were prepared before."""
    if final and not any(case.reference.boxes for case in data.cases):
        raise DataError(
            "a bundle needs films whose fractures are marked",
            got="no film with a box",
            cure='mark some, or train a classifier: [network] name = "classifier"',
        )
    out.mkdir(parents=True, exist_ok=True)
    keep_split(out / "split.json", data.split)
    _write_json(out / "dropped.json", [dataclasses.asdict(case) for case in data.dropped])
    known = data.split.test_parts
    if data.split.parts and final:
        raise ConfigError(
            "a bundle is calibrated on the folds of a cross-validation",
            got=f"a split into {', '.join(data.split.parts)}",
            cure="give a split made with --folds; or name the part to test on with --fold",
        )
    chosen = known if folds is None else folds
    if not set(chosen) <= set(known):
        raise ConfigError("there is no such fold", got=f"{list(chosen)}, not of {list(known)}")
    trained = cross_validate(recipe, data, out=out, folds=chosen, max_steps=max_steps)
    teams = {
        fold: _train_others(recipe, data, one, fold, out / f"fold-{fold}", max_steps)
        for fold, one in trained.items()
    }
    last = None
    if final:
        first = _train_final(recipe, data, out, max_steps)
        last = _train_others(recipe, data, first, None, out / "final", max_steps)
    curves = {f"fold {fold}": one.curves for fold, one in trained.items()}
    draw_curves(curves | ({"all films": last.first.curves} if last else {}), out / "curves.png")
    return TrainingRun(recipe, data, teams, last, out)


def _with_known_dataset(recipe: Recipe, root: Path) -> Recipe:
    """Write the name of the recognized data set in place of `auto`: the card will say it."""
    name = dataset_at(root, name=recipe.data.dataset)
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, dataset=name))


def keep_split(path: Path, split: Split) -> None:
    """Write the split of a run, or make sure that a run goes on with the split it began with."""
    if path.is_file() and Split.read(path).sha256 != split.sha256:
        raise LeakageError(
            "the data or the split changed since this run began",
            got=f"another hash in {path.name}",
            cure="give another --out, or delete the folder to train anew",
        )
    split.write(path)


def prepare_training_data(
    recipe: Recipe,
    *,
    root: Path,
    split: Split | None = None,
    unwanted: Sequence[DroppedCase] = (),
    progress: Progress = silent,
) -> TrainingData:
    """Read all films once, drop what is defective or a copy, and split what is left.

    Args:
        recipe: Which data set, and how it is split unless `split` is given.
        root: Folder of the data set.
        split: A split made before, with its passport.
        unwanted: Cases that an audit, or a person, struck off.
        progress: Where to tell how far the work is.

    Raises:
        DataError: If the split is of other films.
        LeakageError: If it tears films apart that belong together.
    """
    detail = recipe.closer.window.detail if recipe.closer is not None else 1.0

    def keep(case: Case, film: Radiograph) -> tuple[StoredFilm, FilmTrace]:
        stored = store_film(case.name, film, case.reference, recipe.plan, detail=detail)
        return stored, trace(film.pixels)

    prepared = prepare(
        open_dataset(recipe.data.dataset, root=root),
        keep=keep,
        unwanted=unwanted,
        progress=progress,
    )
    if split is None:
        split = replace(
            group_folds(prepared.cases, prepared.groups, folds=recipe.data.folds, seed=recipe.seed),
            hashes=hashes_of(prepared.cases),
        )
    prepared.check(split)
    return TrainingData(
        cases=prepared.cases,
        films=tuple(
            replace(film, acquisition=acquisition)
            for (film, _), acquisition in zip(
                prepared.kept, acquisitions_of(prepared.cases), strict=True
            )
        ),
        split=split,
        dropped=prepared.dropped,
        traces=tuple(one for _, one in prepared.kept),
    )


def cross_validate(
    recipe: Recipe,
    data: TrainingData,
    *,
    out: Path,
    folds: Sequence[int],
    max_steps: int | None = None,
) -> dict[int, Trained]:
    """Train a network for each of some folds, on the films that are not in it."""
    return {
        fold: _train_fold(recipe, data, fold, out / f"fold-{fold}", max_steps) for fold in folds
    }


def _train_fold(
    recipe: Recipe, data: TrainingData, fold: int, folder: Path, max_steps: int | None
) -> Trained:
    films, watched = films_of_fold(recipe, data, fold)
    return train_stages(recipe.stages(), films, watched, folder=folder, max_steps=max_steps)


def films_of_fold(
    recipe: Recipe, data: TrainingData, fold: int
) -> tuple[list[StoredFilm], list[StoredFilm]]:
    """Return what a fold's first network learns from, and what early stopping watches.

    Both are of the fold's training part; the other networks learn from all of it.
    """
    inside = [index for index, case in enumerate(data.cases) if data.split.trains(case.name, fold)]
    inner = _inner_part(recipe, [data.cases[index] for index in inside], fold)
    films: list[StoredFilm] = []
    watched: list[StoredFilm] = []
    for index in inside:
        is_watched = data.cases[index].patient_key in inner
        (watched if is_watched else films).append(data.films[index])
    return films, watched


def _train_final(recipe: Recipe, data: TrainingData, out: Path, max_steps: int | None) -> Trained:
    """Train on all films: anew, or where the recipe has more than one stage, on from fold 0."""
    stages = recipe.stages()
    folder = out / "final"
    if len(stages) == 1:
        return train_stages(stages, data.films, (), folder=folder, max_steps=max_steps)
    # The first stage of fold 0 is finished: this only loads it.
    first = stages.pop("")
    start = train_network(first, (), (), folder=out / "fold-0", max_steps=max_steps).network
    return train_stages(stages, data.films, (), folder=folder, start=start, max_steps=max_steps)


def train_stages(
    stages: Mapping[str, Recipe],
    films: Sequence[StoredFilm],
    watched: Sequence[StoredFilm],
    *,
    folder: Path,
    start: nn.Module | None = None,
    max_steps: int | None = None,
) -> Trained:
    """Train stage after stage, each from the network of the one before.

    Args:
        stages: Recipes by name, in order; each has the subfolder of its name.
        films: Training part.
        watched: What early stopping watches; may be empty.
        folder: Where checkpoints lie; a finished stage is not repeated.
        start: Network that the first stage begins with; else as its recipe says.
        max_steps: Stop each stage after so many steps.
    """
    curves: list[dict[str, float]] = []
    for name, stage in stages.items():
        trained = train_network(
            stage, films, watched, folder=folder / name, start=start, max_steps=max_steps
        )
        start = trained.network
        curves += trained.curves
    return Trained(trained.network, curves)


def _train_others(
    recipe: Recipe,
    data: TrainingData,
    first: Trained,
    fold: int | None,
    folder: Path,
    max_steps: int | None,
) -> Team:
    """Train what else the recipe has, on the films that a first network learned from."""
    films = [
        film
        for case, film in zip(data.cases, data.films, strict=True)
        if fold is None or data.split.trains(case.name, fold)
    ]
    closer = second = None
    if (stage := recipe.closer_stage()) is not None:
        closer = _train_closer(stage, films, first, folder / "closer", max_steps)
    if stages := recipe.second_stages():
        second = train_stages(stages, films, (), folder=folder / "second", max_steps=max_steps)
    return Team(first, closer, second)


def _train_closer(
    stage: Recipe,
    films: Sequence[StoredFilm],
    first: Trained,
    folder: Path,
    max_steps: int | None,
) -> Trained:
    """Train the closer look on what the network of the same films suspects in them."""
    marked = [film for film in films if film.reference.boxes is not None]
    return train_network(
        stage,
        marked,
        (),
        folder=folder,
        candidates=partial(find_candidates, first.network, marked),
        max_steps=max_steps,
    )


def _fold(data: TrainingData, case: Case) -> int:
    return data.split.fold_of[case.name]


def _inner_part(recipe: Recipe, cases: Sequence[Case], fold: int) -> set[str]:
    """Choose the groups that early stopping watches, from the training part alone."""
    keys = sorted({case.patient_key for case in cases})
    count = round(len(keys) * recipe.data.inner_share)
    generator = np.random.default_rng([recipe.seed, fold])
    return set(generator.permutation(keys)[:count].tolist())


def predict_out_of_fold(
    recipe: Recipe, data: TrainingData, networks: Mapping[int, Trained]
) -> PredictionTable:
    """Predict the films of each fold by the network that never saw them.

    The probability is the network's own, not calibrated, averaged with that of the mirror image.
    """
    records = []
    for fold, trained in networks.items():
        outside = [index for index, case in enumerate(data.cases) if _fold(data, case) == fold]
        logits = predict_films(trained.network, [data.films[index] for index in outside])
        for index, logit in zip(outside, logits, strict=True):
            case = data.cases[index]
            records.append(
                {
                    "case": case.name,
                    "image": case.name,
                    "patient_key": case.patient_key,
                    "reference": int(case.reference.fracture),
                    "probability": 1 / (1 + math.exp(-logit)),
                    "status": "fracture" if logit >= 0 else "no_fracture",
                    "fold": fold,
                    "model": recipe.name,
                }
            )
    return PredictionTable.from_records(records)


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
