"""Train: a recipe and a data set become cross-validated networks, and one trained on all."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fracturax.core.case import Case
from fracturax.core.errors import ConfigError, DataError, ImageError, LeakageError
from fracturax.core.image import Radiograph
from fracturax.core.progress import Progress, silent
from fracturax.datasets import dataset_at, open_dataset
from fracturax.datasets.copies import find_copies
from fracturax.datasets.fingerprints import Fingerprint, fingerprint
from fracturax.datasets.register import FilmTrace, trace
from fracturax.datasets.splits import (
    DroppedCase,
    Split,
    check_no_leak,
    drop_copies,
    group_folds,
    join_groups,
    regroup,
)
from fracturax.evaluation import PredictionTable
from fracturax.training.batches import StoredFilm, store_film
from fracturax.training.curves import draw_curves
from fracturax.training.engine import Trained, find_candidates, predict_films, train_network
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
class TrainingRun:
    """A finished training: the data, one network a fold, and one trained on all.

    Where the recipe has a closer look, each network has its second one.
    """

    recipe: Recipe
    data: TrainingData
    folds: dict[int, Trained]
    final: Trained | None
    folder: Path
    closer_folds: dict[int, Trained]
    closer_final: Trained | None


def train(
    recipe: Recipe,
    *,
    root: Path,
    out: Path,
    folds: Sequence[int] | None = None,
    final: bool = True,
    max_steps: int | None = None,
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
        progress: Where to tell how far the work is.

    Raises:
        DataError: If the data set cannot be read, is too small for the folds, or has no marked
            fracture for a network that is trained on all films and goes into a bundle.
        ConfigError: If `out` holds the run of another recipe.
    """
    recipe = _with_known_dataset(recipe, root)
    data = prepare_training_data(recipe, root=root, progress=progress)
    if final and not any(case.reference.boxes for case in data.cases):
        raise DataError(
            "a bundle needs films whose fractures are marked",
            got="no film with a box",
            cure='mark some, or train a classifier: [network] name = "classifier"',
        )
    out.mkdir(parents=True, exist_ok=True)
    _keep_split(out / "split.json", data.split)
    _write_json(out / "dropped.json", [dataclasses.asdict(case) for case in data.dropped])
    chosen = range(recipe.data.folds) if folds is None else folds
    if not set(chosen) <= set(range(recipe.data.folds)):
        raise ConfigError("there is no such fold", got=f"{chosen} of {recipe.data.folds}")
    trained = {
        fold: _train_fold(recipe, data, fold, out / f"fold-{fold}", max_steps) for fold in chosen
    }
    closer = {
        fold: _train_closer(recipe, data, one, fold, out / f"fold-{fold}", max_steps)
        for fold, one in trained.items()
        if recipe.closer is not None
    }
    last = _train_final(recipe, data, out, max_steps) if final else None
    closer_last = None
    if last is not None and recipe.closer is not None:
        closer_last = _train_closer(recipe, data, last, None, out / "final", max_steps)
    curves = {f"fold {fold}": one.curves for fold, one in trained.items()}
    draw_curves(curves | ({"all films": last.curves} if last else {}), out / "curves.png")
    return TrainingRun(recipe, data, trained, last, out, closer, closer_last)


def _with_known_dataset(recipe: Recipe, root: Path) -> Recipe:
    """Write the name of the recognized data set in place of `auto`: the card will say it."""
    name = dataset_at(root, name=recipe.data.dataset)
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, dataset=name))


def _keep_split(path: Path, split: Split) -> None:
    """Write the split of a run, or make sure that a run goes on with the split it began with."""
    document = split.as_document()
    if path.is_file() and json.loads(path.read_bytes())["sha256"] != document["sha256"]:
        raise LeakageError(
            "the data or the split changed since this run began",
            got=f"another hash in {path.name}",
            cure="give another --out, or delete the folder to train anew",
        )
    _write_json(path, document)


def prepare_training_data(
    recipe: Recipe, *, root: Path, progress: Progress = silent
) -> TrainingData:
    """Read all films once, drop what is defective or a copy, and split what is left."""
    cases = open_dataset(recipe.data.dataset, root=root)
    readable: list[Case] = []
    films: list[StoredFilm] = []
    prints: list[Fingerprint] = []
    traces: list[FilmTrace] = []
    dropped: list[DroppedCase] = []
    detail = recipe.closer.window.detail if recipe.closer is not None else 1.0
    for case in progress(cases, "reading films"):
        try:
            film = only_film(case)
        except ImageError as error:
            dropped.append(DroppedCase(case.name, str(error)))
            continue
        readable.append(case)
        films.append(store_film(case.name, film, case.reference, recipe.plan, detail=detail))
        prints.append(fingerprint(np.round(film.pixels * 255).astype(np.uint8)))
        traces.append(trace(film.pixels))
    pairs = [(pair.one, pair.other) for pair in find_copies(prints, progress=progress)]
    # Groups are joined before copies go: a copy dropped still ties its neighbours together.
    groups = join_groups([case.patient_key for case in readable], pairs)
    readable = list(regroup(readable, groups))
    kept, copies = drop_copies(readable, pairs)
    chosen = tuple(readable[index] for index in kept)
    split = group_folds(
        chosen, [groups[index] for index in kept], folds=recipe.data.folds, seed=recipe.seed
    )
    check_no_leak(split, {readable[index].name: groups[index] for index in kept})
    return TrainingData(
        cases=chosen,
        films=tuple(films[index] for index in kept),
        split=split,
        dropped=tuple(sorted([*dropped, *copies], key=lambda case: case.name)),
        traces=tuple(traces[index] for index in kept),
    )


def only_film(case: Case) -> Radiograph:
    """Open a case of one film.

    Raises:
        ImageError: If it cannot be read or holds another number of films.
    """
    study = case.open()
    if study.unreadable:
        raise ImageError(study.unreadable[0].reason)
    if len(study.radiographs) != 1:
        raise ImageError("a training case is one film", got=f"{len(study.radiographs)} films")
    return study.radiographs[0]


def _train_fold(
    recipe: Recipe, data: TrainingData, fold: int, folder: Path, max_steps: int | None
) -> Trained:
    inside = [index for index, case in enumerate(data.cases) if _fold(data, case) != fold]
    inner = _inner_part(recipe, [data.cases[index] for index in inside], fold)
    films = [data.films[index] for index in inside if data.cases[index].patient_key not in inner]
    watched = [data.films[index] for index in inside if data.cases[index].patient_key in inner]
    first, *rest = recipe.stages()
    trained = train_network(first, films, watched, folder=folder, max_steps=max_steps)
    for stage in rest:
        trained = train_network(
            stage,
            films,
            watched,
            folder=folder / "finish",
            start=trained.network,
            max_steps=max_steps,
        ).after(trained)
    return trained


def _train_final(recipe: Recipe, data: TrainingData, out: Path, max_steps: int | None) -> Trained:
    """Train on all films: anew, or where the recipe has a second stage, on from fold 0."""
    first, *rest = recipe.stages()
    folder = out / "final"
    if not rest:
        return train_network(first, data.films, (), folder=folder, max_steps=max_steps)
    # The first stage of fold 0 is finished: this only loads it.
    start = train_network(first, (), (), folder=out / "fold-0", max_steps=max_steps).network
    return train_network(rest[-1], data.films, (), folder=folder, start=start, max_steps=max_steps)


def _train_closer(
    recipe: Recipe,
    data: TrainingData,
    first: Trained,
    fold: int | None,
    folder: Path,
    max_steps: int | None,
) -> Trained:
    """Train the closer look on what the network of the same films suspects in them."""
    stage = recipe.closer_stage()
    assert stage is not None, "asked for where the recipe has a closer look"
    films = [
        film
        for case, film in zip(data.cases, data.films, strict=True)
        if _fold(data, case) != fold and film.reference.boxes is not None
    ]
    return train_network(
        stage,
        films,
        (),
        folder=folder / "closer",
        candidates=partial(find_candidates, first.network, films),
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


def write_predictions(run: TrainingRun, path: Path) -> None:
    """Write the out-of-fold predictions of a run that makes no bundle, such as a peer's.

    The probability is the network's own, not calibrated, averaged with that of the mirror image.
    """
    records = []
    for fold, trained in run.folds.items():
        outside = [
            index for index, case in enumerate(run.data.cases) if _fold(run.data, case) == fold
        ]
        logits = predict_films(trained.network, [run.data.films[index] for index in outside])
        for index, logit in zip(outside, logits, strict=True):
            case = run.data.cases[index]
            records.append(
                {
                    "case": case.name,
                    "image": case.name,
                    "patient_key": case.patient_key,
                    "reference": int(case.reference.fracture),
                    "probability": 1 / (1 + math.exp(-logit)),
                    "status": "fracture" if logit >= 0 else "no_fracture",
                    "fold": fold,
                    "model": run.recipe.name,
                }
            )
    PredictionTable.from_records(records).write_csv(path)


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
