"""Train a fusion: leave one patient out, on streams whose networks never saw that patient."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from fracturax.core.errors import DataError
from fracturax.core.progress import Progress, silent
from fracturax.core.provenance import sha256_of_document
from fracturax.datasets.pairs import PairedData, open_pairs
from fracturax.models.fused_bundle import FusedBundle
from fracturax.models.store import find_bundle
from fracturax.pipelines.fusion_calibration import calibrated
from fracturax.pipelines.fusion_streams import (
    ANSWERS,
    FILM_NETWORK,
    FILM_RUN,
    FilmStreamRun,
    keep_film_stream,
    read_streams,
    store_crops,
    view_crops,
)
from fracturax.pipelines.publish_fusion import publish_fusion
from fracturax.training.film_stream import StoredCrops, StreamPace
from fracturax.training.fusion import StreamTable, TrainedFusion, answer_table, train_fusion
from fracturax.training.fusion_recipe import FusionRecipe

FILM_PACE = StreamPace(epochs=2)
CT_BUNDLE = "ct"
"""The CT bundle whose features a published fusion takes, unless another one is given."""
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FusionOutOfFold:
    """What a fusion says of patients it never saw.

    Args:
        data: The pairs.
        crops: Their films.
        logits: By subset of streams, logit of a fracture, shape `(n,)`.
        real_logits: The same from what is present alone.
        trained: The fusion by patient that was held out.
        tables: The streams by patient that was held out.
        bundle: The fusion of all patients; None where only some were held out.
    """

    data: PairedData
    crops: StoredCrops
    logits: dict[tuple[str, ...], Reals]
    real_logits: dict[tuple[str, ...], Reals]
    trained: dict[str, TrainedFusion]
    tables: dict[str, StreamTable]
    bundle: FusedBundle | None = None


def run_fusion(
    recipe: FusionRecipe,
    *,
    root: Path,
    out: Path,
    weights: str = "imagenet",
    volumes: str | Path = CT_BUNDLE,
    bundle: Path | None = None,
    version: str = "0",
    folds: Sequence[int] | None = None,
    progress: Progress = silent,
) -> FusionOutOfFold:
    """Train a fusion leaving one patient out, then on all, and write the calibrated bundle.

    `<out>/<patient>/network.safetensors` is the fusion that never saw the patient, and
    `<out>/predictions.csv` what each says of its patient, subset by subset, as logits and as
    probabilities calibrated on the other patients' answers out of fold. The X-ray stream is trained
    on the way where it was not; that of CT has to be there.

    Args:
        recipe: What to do.
        root: Folder of the prepared pairs, with tables of radiomics if there are any.
        out: Folder of the run; those of the streams lie beside it.
        weights: What the X-ray stream begins from.
        volumes: Bundle of the CT stream that the fusion is to be read with: a name or a folder.
        bundle: Folder for the bundle; `bundle/` in the run's if None.
        version: Version of the bundle.
        folds: Only these patients are held out, by their place in the sorted list, and no bundle is
            written.
        progress: Where to tell how far the work is.

    Raises:
        DataError: If the pairs or the CT stream's answers cannot be read, or there is no such fold.
    """
    data = open_pairs(root)
    patients = data.patients
    unknown = [fold for fold in folds or () if not 0 <= fold < len(patients)]
    if unknown or len(patients) < 2:
        raise DataError(
            "there is no such fold", got=str(unknown or 1), cure=f"0 to {len(patients) - 1}"
        )
    chosen = patients if folds is None else tuple(patients[fold] for fold in folds)
    crops = store_crops(data)
    film = FilmStreamRun(FILM_NETWORK, weights, FILM_PACE)
    _train_streams(film, crops, patients, chosen, out.parent, progress=progress)
    tables, trained = {}, {}
    for patient in progress(chosen, "leaving one patient out"):
        table, _ = read_streams(data, crops, patient, out.parent)
        tables[patient] = table
        trained[patient] = train_without(recipe, table, patients.index(patient))
        _keep(out / patient, trained[patient], recipe)
    logits, real = answers_out_of_fold(tables, trained, patients)
    run = FusionOutOfFold(data, crops, logits, real, trained, tables)
    _write_predictions(run, out / "predictions.csv")
    if folds is not None:
        return run
    published = publish_fusion(
        recipe,
        data,
        crops,
        real,
        film=film,
        volumes=find_bundle(volumes),
        folder=bundle or out / "bundle",
        version=version,
    )
    return replace(run, bundle=published)


def train_without(recipe: FusionRecipe, table: StreamTable, held_out: int) -> TrainedFusion:
    """Train a fusion without one patient; where the recipe stops early, another one says when."""
    rest = table.part(table.group != held_out)
    if not recipe.optimizer.patience:
        return train_fusion(recipe, rest)
    # The one before in the list: each patient says so for one fold.
    groups = sorted(set(table.group.tolist()))
    judge = groups[groups.index(held_out) - 1]
    return train_fusion(
        recipe, rest.part(rest.group != judge), inner=rest.part(rest.group == judge)
    )


def subsets_of(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return all non-empty subsets, smaller ones first.

    Example:
        >>> subsets_of(("xray", "ct"))
        [('xray',), ('ct',), ('xray', 'ct')]
    """
    return [one for count in range(1, len(names) + 1) for one in combinations(names, count)]


def answers_out_of_fold(
    tables: dict[str, StreamTable], trained: dict[str, TrainedFusion], patients: Sequence[str]
) -> tuple[dict[tuple[str, ...], Reals], dict[tuple[str, ...], Reals]]:
    """Return logits of a fracture, each by the fusion that never saw its patient; else NaN."""
    first = next(iter(tables.values()))
    names = subsets_of(tuple(first.features))
    logits = {one: np.full(len(first.label), np.nan) for one in names}
    real = {one: np.full(len(first.label), np.nan) for one in names}
    for patient, table in tables.items():
        own = table.group == list(patients).index(patient)
        for one in names:
            said = answer_table(trained[patient].network, table.part(own), one)
            logits[one][own] = (said.logits[:, 1] - said.logits[:, 0]).numpy()
            real[one][own] = (said.real_logits[:, 1] - said.real_logits[:, 0]).numpy()
    return logits, real


def _train_streams(
    film: FilmStreamRun,
    crops: StoredCrops,
    patients: Sequence[str],
    chosen: Sequence[str],
    runs: Path,
    *,
    progress: Progress,
) -> None:
    missing = [one for one in chosen if not (runs / FILM_RUN / one / ANSWERS).is_file()]
    if not missing:
        return
    views = view_crops(crops, film.weights, seed=film.pace.seed)
    for patient in missing:
        keep_film_stream(
            film,
            views,
            list(patients).index(patient),
            runs / FILM_RUN / patient,
            progress=progress,
        )


def _keep(folder: Path, trained: TrainedFusion, recipe: FusionRecipe) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    state = trained.network.state_dict()
    save_file(
        {name: value.contiguous().numpy() for name, value in state.items()},
        folder / "network.safetensors",
    )
    facts = {
        "recipe": recipe.as_document(),
        "recipe_sha256": sha256_of_document(recipe.as_document()),
        "best_epoch": trained.best_epoch,
        "curves": list(trained.curves),
    }
    (folder / "training.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _write_predictions(run: FusionOutOfFold, path: Path) -> None:
    known = ~np.isnan(next(iter(run.logits.values())))
    group, label = run.crops.group[known], run.crops.label[known]
    # A patient is calibrated on the others: of one fold alone there is nobody else.
    several = len(np.unique(group)) > 1
    lines = ["case,patient_key,reference,streams,logit,probability"]
    cases = [case for case, there in zip(run.data.cases, known, strict=True) if there]
    for names, logits in run.logits.items():
        values = logits[known]
        probability = calibrated(values, label, group) if several else np.full(len(values), np.nan)
        lines += [
            f"{case.name},{case.patient_key},{int(case.label)},{'+'.join(names)},"
            f"{logit:.6g},{'' if np.isnan(chance) else f'{chance:.6g}'}"
            for case, logit, chance in zip(cases, values, probability, strict=True)
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
