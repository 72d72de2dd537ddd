"""Publish: a finished training becomes a bundle, calibrated and judged on out-of-fold films.

Every out-of-fold number comes from the path that ships: the fold's own ONNX graph reads the
original film. Calibration and thresholds of a fold are fitted on the other folds; those of the
bundle on all of them, and moved to the level of the network that ships (`alignment`).
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.case import Case
from fracturax.core.prediction import OperatingPoints
from fracturax.core.progress import Progress, silent
from fracturax.core.provenance import sha256_of_document, software_version
from fracturax.datasets.passport import Split
from fracturax.datasets.register import FilmRegister
from fracturax.datasets.splits import DroppedCase
from fracturax.evaluation import Evaluation, PredictionTable
from fracturax.models.bundle import Bundle, Calibration, CloserLook, Manifest, write_bundle
from fracturax.models.catalog import BACKBONES
from fracturax.models.runtime import SECOND_OUTPUTS, WINDOW_OUTPUTS, RawAnswer, XrayPredictor
from fracturax.models.scope import fit_scope
from fracturax.pipelines.alignment import align
from fracturax.pipelines.card import write_card
from fracturax.pipelines.evaluate import Judgement, map_films
from fracturax.pipelines.guard import compare_ways, holds
from fracturax.pipelines.leftover import Leftover, leftover_shortcuts
from fracturax.pipelines.out_of_fold import (
    OutOfFold,
    bundle_folder,
    fit_answers,
    judge_across_folds,
    read_out_of_fold,
)
from fracturax.pipelines.prepare import only_film
from fracturax.pipelines.settled import mirror_margin, settle
from fracturax.pipelines.statement import state
from fracturax.pipelines.train import TrainingRun, train
from fracturax.training.export import export_network, quantize_graph
from fracturax.training.loop import Trained
from fracturax.training.recipe import Recipe
from fracturax.transforms.augment import Augmentation
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.bone_mask import USABLE
from fracturax.transforms.plan import fit

PRECISIONS = ("fp32", "int8")
_SCOPE_ACCEPTS = 0.98
_SCOPE_ALLOWANCE = 1.2
"""How much farther than those of its own data set a film of another hospital may lie."""
_SCOPE_EXPOSURE = Augmentation(noise=0.05, recompression=0.4)
_SCOPE_FILMS = 500
_QUANTIZATION_FILMS = 64
_CLOSER, _SECOND = "closer", "second"


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
    assert (run.closer_final is None) == (run.recipe.closer is None), "a network a closer look"
    assert (run.second_final is None) == (run.recipe.second is None), "a network an opinion"
    folds = [run.data.split.fold_of[case.name] for case in run.data.cases]
    films: dict[str, OutOfFold] = {}
    judged: dict[str, Judgement] = {}
    provisional = [
        _export(
            trained,
            run.closer_folds.get(fold),
            run.second_folds.get(fold),
            run,
            bundle_folder(run.folder, fold),
        )
        for fold, trained in run.folds.items()
    ]
    for precision in PRECISIONS:
        readers = [XrayPredictor(one, precision=precision, threads=1) for one in provisional]
        films[precision] = read_out_of_fold(run.data.cases, folds, readers, progress=progress)
        judged[precision] = judge_across_folds(films[precision], model=run.recipe.name)
    guards = {"int8": compare_ways(judged["fp32"], judged["int8"])}
    precision = "int8" if holds(guards["int8"]) else "fp32"
    way = _read_once_where_settled(
        provisional, films[precision], judged[precision], precision, progress=progress
    )
    films[precision], judged[precision] = way.films, way.judged
    guards["one_view_where_settled"] = way.differences
    final = _export(run.final, run.closer_final, run.second_final, run, bundle)
    limit = _scope_limit(run, provisional, progress)
    scope = fit_scope(_textures(final, run.data.cases, progress), limit=limit)
    manifest = dataclasses.replace(
        fit_answers(films[precision]).into(final.manifest),
        version=version,
        default_precision=precision,
        mirror_margin=way.margin,
        graphs=tuple(one for one in final.manifest.graphs if one[0] in ("fp32", precision)),
        training=_training_facts(run),
    )
    if precision == "fp32":
        (bundle / "model.int8.onnx").unlink()
    manifest = align_final(
        final, manifest, run.data.cases, judged[precision].table, progress=progress
    )
    leftover = leftover_shortcuts(
        films[precision],
        [film.acquisition for film in run.data.films],
        judged[precision].table.probability,
    )
    document = _write_results(run, results, judged, guards, precision, leftover)
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


@dataclasses.dataclass(frozen=True, eq=False)
class _Way:
    """How films are read in the end: from both views, or settled ones from one of them.

    `margin` is None where every film is read twice.
    """

    films: OutOfFold
    judged: Judgement
    differences: Evaluation
    margin: float | None


def _read_once_where_settled(
    provisional: Sequence[Bundle],
    both: OutOfFold,
    judged: Judgement,
    precision: str,
    *,
    progress: Progress,
) -> _Way:
    """Try to read settled films once; where that costs accuracy, all are read twice."""
    unmirrored = [
        dataclasses.replace(one, manifest=dataclasses.replace(one.manifest, is_mirrored=False))
        for one in provisional
    ]
    readers = [XrayPredictor(one, precision=precision, threads=1) for one in unmirrored]
    once = read_out_of_fold(both.cases, both.fold.tolist(), readers, progress=progress)
    margin = mirror_margin(both, once)
    manifest = dataclasses.replace(provisional[0].manifest, mirror_margin=margin)
    settled = settle(both, once, manifest)
    again = judge_across_folds(settled, model=manifest.name)
    differences = compare_ways(judged, again)
    if holds(differences):
        return _Way(settled, again, differences, margin)
    return _Way(both, judged, differences, None)


def _export(
    trained: Trained,
    closer: Trained | None,
    second: Trained | None,
    run: TrainingRun,
    folder: Path,
) -> Bundle:
    """Write a bundle that is not calibrated yet and takes everything for in scope."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = run.recipe.plan
    shape = (plan.rows, plan.columns)
    export_network(trained.network, shape, folder, channels=plan.channels)
    if closer is not None and run.recipe.closer is not None:
        size = run.recipe.closer.window.size
        export_network(closer.network, (size, size), folder, stem=_CLOSER, outputs=WINDOW_OUTPUTS)
    if second is not None:
        export_network(
            second.network,
            shape,
            folder,
            stem=_SECOND,
            outputs=SECOND_OUTPUTS,
            channels=plan.channels,
        )
    quantize_graph(folder, _quantization_films(run))
    (folder / "card.md").write_text("Not calibrated: for the cross-validation only.\n")
    return write_bundle(folder, _bare_manifest(run.recipe), scope=None)


def _bare_manifest(recipe: Recipe) -> Manifest:
    return Manifest(
        name=recipe.name,
        version="0",
        network=recipe.network.name,
        created=datetime.now(UTC).date().isoformat(),
        plan=recipe.plan,
        is_mirrored=True,
        operating_points=OperatingPoints(0.5, 0.5),
        box_operating_points=OperatingPoints(0.5, 0.5),
        calibration=Calibration(("logit",), (1.0,), 0.0),
        box_calibration=Calibration(("box",), (1.0,), 0.0),
        default_precision="fp32",
        graphs=(("fp32", "model.onnx"), ("int8", "model.int8.onnx")),
        closer=_closer_look(recipe),
        strides=BACKBONES[recipe.network.backbone].strides,
        second=f"{_SECOND}.onnx" if recipe.second is not None else None,
    )


def _closer_look(recipe: Recipe) -> CloserLook | None:
    if recipe.closer is None:
        return None
    strides = BACKBONES[recipe.closer.network.backbone].strides
    return CloserLook(f"{_CLOSER}.onnx", recipe.closer.window, strides)


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
    chosen = np.random.default_rng(0).permutation(len(cases))[:_SCOPE_FILMS]
    some = [(seed, cases[row]) for seed, row in enumerate(sorted(chosen.tolist()))]

    def both(numbered: tuple[int, Case]) -> npt.NDArray[np.float32]:
        seed, case = numbered
        film = only_film(case)
        small, _ = fit(film.pixels, rows=plan.rows, columns=plan.rows)
        worse = _SCOPE_EXPOSURE.expose(small, np.random.default_rng(seed))
        resized = AxisMap.resized(film.pixels.shape, small.shape)
        spoiled = dataclasses.replace(film, pixels=worse, geometry=resized.geometry(film.geometry))
        return np.stack([reader.texture(film), reader.texture(spoiled)])

    return np.concatenate(map_films(both, some, words="learning the scope", progress=progress))


def _scope_limit(run: TrainingRun, bundles: Sequence[Bundle], progress: Progress) -> float:
    """Return the distance that all but a few films keep to from what their network learned on.

    Those films come from the hospitals that were learned from; others get an allowance.
    """
    distances = []
    for fold, bundle in zip(run.folds, bundles, strict=True):
        inside = [case for case in run.data.cases if run.data.split.trains(case.name, fold)]
        outside = [case for case in run.data.cases if not run.data.split.trains(case.name, fold)]
        scope = fit_scope(_textures(bundle, inside, progress), limit=np.inf)
        distances.append(scope.distance(_textures(bundle, outside, progress)))
    return _SCOPE_ALLOWANCE * float(np.quantile(np.concatenate(distances), _SCOPE_ACCEPTS))


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
    run: TrainingRun,
    folder: Path,
    judged: Mapping[str, Judgement],
    guards: Mapping[str, Evaluation],
    precision: str,
    leftover: Sequence[Leftover],
) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    run.data.split.write(folder / "split.json")
    _write_json(folder / "dropped.json", [dataclasses.asdict(one) for one in run.data.dropped])
    document: dict[str, Any] = {
        "recipe": run.recipe.as_document(),
        "facts": dict(_training_facts(run)),
        "precision": precision,
        "evaluation": {name: one.evaluation.as_document() for name, one in judged.items()},
        "guards": {name: one.as_document() for name, one in guards.items()},
        "leftover": [dataclasses.asdict(one) for one in leftover],
        "curves": {f"fold-{fold}": one.curves for fold, one in run.folds.items()},
    }
    shutil.copyfile(run.folder / "curves.png", folder / "curves.png")
    chosen = judged[precision]
    groups = np.array([film.acquisition for film in run.data.films])
    columns = {**chosen.columns, "acquisition": groups}
    return state(folder, document, chosen.table, columns, chosen.assessed)


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
