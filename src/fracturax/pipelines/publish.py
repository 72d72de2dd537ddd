"""Publish: a finished training becomes a bundle, calibrated and judged on out-of-fold films.

Every out-of-fold number comes from the path that ships: the fold's own ONNX graph reads the
original film. Calibration and thresholds of a fold are fitted on the other folds; those of the
bundle on all of them, and moved to the level of the network that ships (`alignment`).
"""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.case import Case
from fracturax.core.progress import Progress, silent
from fracturax.core.provenance import sha256_of_document, software_version
from fracturax.datasets.passport import Split
from fracturax.datasets.register import FilmRegister
from fracturax.datasets.splits import DroppedCase
from fracturax.evaluation import PredictionTable
from fracturax.models.bundle import Bundle, Manifest, write_bundle
from fracturax.models.runtime import RawAnswer, XrayPredictor
from fracturax.models.scope import fit_scope, trunk_probability
from fracturax.pipelines.alignment import align
from fracturax.pipelines.card import write_card
from fracturax.pipelines.evaluate import map_films
from fracturax.pipelines.export_team import export_team
from fracturax.pipelines.leftover import Leftover, leftover_shortcuts
from fracturax.pipelines.out_of_fold import (
    bundle_folder,
    fit_answers,
)
from fracturax.pipelines.prepare import only_film
from fracturax.pipelines.statement import state
from fracturax.pipelines.train import TrainingRun, train
from fracturax.pipelines.ways import Way, choose_way
from fracturax.training.recipe import Recipe
from fracturax.transforms.augment import Augmentation
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.bone_mask import USABLE
from fracturax.transforms.plan import fit

_SCOPE_ACCEPTS = 0.98
_SCOPE_ALLOWANCE = 1.2
"""How much farther than those of its own data set a film of another hospital may lie."""
_SCOPE_EXPOSURE = Augmentation(noise=0.05, recompression=0.4)
_SCOPE_FILMS = 500
_QUANTIZATION_FILMS = 64


def publish(
    run: TrainingRun, *, bundle: Path, results: Path, version: str, progress: Progress = silent
) -> Bundle:
    """Write the bundle of a run, and the result files its card is made of.

    Args:
        run: A training of an `xray` network, with all folds and the one trained on all films.
        bundle: Folder to write the bundle into.
        results: Folder for the evaluation, the out-of-fold table, the split and what was dropped.
        version: Version of the bundle.
        progress: Where to tell how far the work is.
    """
    assert run.final is not None, "a bundle needs the network trained on all films"
    folds = [run.data.split.fold_of[case.name] for case in run.data.cases]
    samples = _quantization_films(run)
    provisional = [
        export_team(team, run.recipe, bundle_folder(run.folder, fold), samples)
        for fold, team in run.folds.items()
    ]
    way = choose_way(provisional, run.data.cases, folds, model=run.recipe.name, progress=progress)
    final = export_team(run.final, run.recipe, bundle, samples)
    held_out = _scope_distances(run, provisional, progress)
    limit = _SCOPE_ALLOWANCE * float(np.quantile(list(held_out.values()), _SCOPE_ACCEPTS))
    scope = fit_scope(_textures(final, run.data.cases, progress), limit=limit)
    manifest = dataclasses.replace(
        fit_answers(way.both).into(final.manifest),
        version=version,
        default_precision=way.precision,
        mirror_margin=way.margin,
        graphs=tuple(one for one in final.manifest.graphs if one[0] in way.precisions),
        training=_training_facts(run),
    )
    if way.precision == "fp32":
        (bundle / "model.int8.onnx").unlink()
    table = way.judged[way.precision].table
    manifest = align_final(final, manifest, run.data.cases, table, progress=progress)
    leftover = leftover_shortcuts(
        way.films, [film.acquisition for film in run.data.films], table.probability
    )
    document = _write_results(run, results, way, leftover)
    trunk_of = {
        case.name: trunk_probability(raw.region_probabilities)
        for case, raw in zip(way.films.cases, way.films.answers, strict=True)
    }
    _write_distances(results / "scope.csv", held_out, trunk_of)
    write_card(bundle / "card.md", manifest, document, run.data.dropped)
    return write_bundle(bundle, manifest, scope, FilmRegister.of(run.data.traces))


def train_bundle(
    recipe: Recipe,
    *,
    root: Path,
    out: Path,
    bundle: Path | None = None,
    results: Path | None = None,
    version: str = "0",
    split: Split | None = None,
    unwanted: Sequence[DroppedCase] = (),
    progress: Progress = silent,
) -> Bundle:
    """Train a recipe on a data set, cross-validated, and publish it: `train`, then `publish`.

    Args:
        recipe: What to do.
        root: Folder of the data set.
        out: Folder of runs; this one's is named like the recipe.
        bundle: Folder for the bundle; else in the run's.
        results: Folder for the results; else in the run's.
        version: Version of the bundle.
        split: A split made before; else the recipe's.
        unwanted: Cases that an audit, or a person, struck off.
        progress: Where to tell how far the work is.
    """
    folder = out / recipe.name
    run = train(recipe, root=root, out=folder, split=split, unwanted=unwanted, progress=progress)
    return publish(
        run,
        bundle=bundle or folder / "bundle",
        results=results or folder / "results",
        version=version,
        progress=progress,
    )


def align_final(
    final: Bundle,
    manifest: Manifest,
    cases: Sequence[Case],
    held_out: PredictionTable,
    *,
    progress: Progress = silent,
) -> Manifest:
    """Move a calibration of fold networks to the network that ships; see `alignment`.

    Args:
        final: The bundle of the network that ships.
        manifest: Its manifest, calibrated by the fold networks.
        cases: The films it was trained on.
        held_out: The same films as the fold networks answered about them.
        progress: Where to tell how far the work is.
    """
    reader = XrayPredictor(final, precision=manifest.default_precision, threads=1)

    def infer(case: Case) -> RawAnswer:
        return reader.infer(only_film(case))

    healthy = [case for case in cases if not case.reference.fracture]
    answers = map_films(infer, healthy, words="aligning", progress=progress)
    is_healthy = held_out.reference == 0
    suspicious = float((held_out.status[is_healthy] != "no_fracture").mean())
    return align(manifest, answers, suspicious=suspicious).into(manifest)


def _quantization_films(run: TrainingRun) -> npt.NDArray[np.float32]:
    """Choose films for the ranges of the 8-bit graph: seeded, half of them fractured."""
    generator = np.random.default_rng(run.recipe.seed)
    fractured = np.array([film.reference.fracture for film in run.data.films])
    half = _QUANTIZATION_FILMS // 2
    chosen = [
        index
        for kind in (fractured, ~fractured)
        for index in generator.permutation(np.flatnonzero(kind))[:half].tolist()
    ]
    pixels = np.stack([run.data.films[index].evaluation_pixels for index in chosen])
    scaled: npt.NDArray[np.float32] = pixels.astype(np.float32) / np.float32(255)
    return scaled


def _textures(bundle: Bundle, cases: Sequence[Case], progress: Progress) -> npt.NDArray[np.float32]:
    """Return what the scope check judges, of some films as they are and of each made worse.

    Another hospital's film may be noisier or more compressed than any of these, and is in scope.
    """
    reader = XrayPredictor(bundle, precision="fp32", threads=1)
    plan = bundle.manifest.plan

    def both(numbered: tuple[int, Case]) -> npt.NDArray[np.float32]:
        seed, case = numbered
        film = only_film(case)
        small, _ = fit(film.pixels, rows=plan.rows, columns=plan.rows)
        worse = _SCOPE_EXPOSURE.expose(small, np.random.default_rng(seed))
        resized = AxisMap.resized(film.pixels.shape, small.shape)
        spoiled = dataclasses.replace(film, pixels=worse, geometry=resized.geometry(film.geometry))
        return np.stack([reader.texture(film), reader.texture(spoiled)])

    found = map_films(both, _some(cases), words="learning the scope", progress=progress)
    return np.concatenate(found)


def _some(cases: Sequence[Case]) -> list[tuple[int, Case]]:
    """Choose the films that the scope is learned from, numbered."""
    chosen = np.random.default_rng(0).permutation(len(cases))[:_SCOPE_FILMS]
    return [(seed, cases[row]) for seed, row in enumerate(sorted(chosen.tolist()))]


def _scope_distances(
    run: TrainingRun, bundles: Sequence[Bundle], progress: Progress
) -> dict[str, tuple[float, float]]:
    """Return how far films lie from those that their network learned on, by the case's name.

    As they are, and made worse. Those films come from the hospitals that were learned from; others
    get an allowance.
    """
    found = {}
    for fold, bundle in zip(run.folds, bundles, strict=True):
        inside = [case for case in run.data.cases if run.data.split.trains(case.name, fold)]
        outside = [case for case in run.data.cases if not run.data.split.trains(case.name, fold)]
        scope = fit_scope(_textures(bundle, inside, progress), limit=np.inf)
        distances = scope.distance(_textures(bundle, outside, progress)).reshape(-1, 2)
        for (_, case), (plain, worse) in zip(_some(outside), distances.tolist(), strict=True):
            found[case.name] = (plain, worse)
    return found


def _training_facts(run: TrainingRun) -> tuple[tuple[str, str], ...]:
    qualities = [one.bone_quality for one in run.data.films if one.bone_quality is not None]
    whole = ("films_without_bone_mask", str(sum(one < USABLE for one in qualities)))
    return (
        ("data", run.recipe.data.dataset),
        ("films", str(len(run.data.cases))),
        ("fractured", str(sum(case.reference.fracture for case in run.data.cases))),
        ("dropped", str(len(run.data.dropped))),
        ("folds", str(run.recipe.data.folds)),
        ("seed", str(run.recipe.seed)),
        ("recipe_sha256", sha256_of_document(run.recipe.as_document())),
        ("split_sha256", run.data.split.sha256),
        ("software", software_version()),
        *((whole,) if run.recipe.plan.roi == "channel" else ()),
    )


def _write_results(
    run: TrainingRun, folder: Path, way: Way, leftover: Sequence[Leftover]
) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    run.data.split.write(folder / "split.json")
    _write_json(folder / "dropped.json", [dataclasses.asdict(one) for one in run.data.dropped])
    document: dict[str, Any] = {
        "recipe": run.recipe.as_document(),
        "facts": dict(_training_facts(run)),
        "precision": way.precision,
        "read_once": way.read_once,
        "evaluation": {name: one.evaluation.as_document() for name, one in way.judged.items()},
        "guards": {name: one.as_document() for name, one in way.guards.items()},
        "leftover": [dataclasses.asdict(one) for one in leftover],
        "curves": {f"fold-{fold}": one.first.curves for fold, one in run.folds.items()},
    }
    shutil.copyfile(run.folder / "curves.png", folder / "curves.png")
    way.write_values(folder / "values.csv")
    chosen = way.judged[way.precision]
    groups = np.array([film.acquisition for film in run.data.films])
    columns = {**chosen.columns, "acquisition": groups}
    return state(folder, document, chosen.table, columns, chosen.assessed)


def _write_distances(
    path: Path, distances: Mapping[str, tuple[float, float]], trunk_of: Mapping[str, float]
) -> None:
    """Write how far held-out films lie from those that were learned from, as CSV.

    Beside it how surely they show hip and shoulder, for which they are refused too.
    """
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["case", "distance", "distance_made_worse", "trunk"])
        for name, (plain, worse) in distances.items():
            table.writerow([name, f"{plain:.4f}", f"{worse:.4f}", f"{trunk_of[name]:.4f}"])


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
