"""Publish a fusion: trained on all patients, calibrated out of fold, with its film stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from fracturax.core.provenance import sha256_of_document, software_version
from fracturax.core.report import RESEARCH_USE_NOTICE
from fracturax.datasets.pairs import PairedData
from fracturax.models.fused_bundle import (
    FILM_GRAPH,
    FILM_OUTPUTS,
    GRAPH,
    LOGIT,
    NUMBERS,
    CropPlan,
    FusedBundle,
    FusedManifest,
    SubsetCalibration,
)
from fracturax.models.streams import STREAMS
from fracturax.models.volume_bundle import VolumeBundle
from fracturax.models.volume_reader import VolumePredictor
from fracturax.pipelines.bone_points import by_bone, place_points
from fracturax.pipelines.fusion_calibration import PREVALENCE, fit_logit
from fracturax.pipelines.fusion_streams import FilmStreamRun, FinalStreams, final_streams
from fracturax.radiomics.places import CROP_PLAN, CUBE_PLAN
from fracturax.training.export import write_graph
from fracturax.training.export_fusion import write_fusion_graph
from fracturax.training.film_stream import StoredCrops
from fracturax.training.fusion import StreamTable, train_fusion
from fracturax.training.fusion_recipe import FusionRecipe
from fracturax.transforms.detail import DETAIL_NAMES

_BACKGROUND = 24
_PLANS = {"radiomics_film": CROP_PLAN.sha256, "radiomics_ct": CUBE_PLAN.sha256}
Reals = npt.NDArray[np.float64]


def publish_fusion(
    recipe: FusionRecipe,
    data: PairedData,
    crops: StoredCrops,
    logits: Mapping[tuple[str, ...], Reals],
    *,
    film: FilmStreamRun,
    volumes: Path,
    folder: Path,
    version: str,
) -> FusedBundle:
    """Train a fusion on all patients and write its calibrated bundle.

    The CT stream is that of a bundle as it is read; the X-ray stream is trained on all patients.
    Calibrations are fitted on answers out of fold, one for each subset of streams.

    Args:
        recipe: What to do. Nothing stops early: there is no patient left to tell when.
        data: The pairs.
        crops: Their films.
        logits: What the fusions out of fold said, by subset, shape `(n,)`.
        film: How the X-ray stream is trained.
        volumes: Bundle of the CT stream.
        folder: Where to write.
        version: Version of the bundle.

    Raises:
        DataError: If all bones are broken, or none is.
        ModelError: If the CT bundle is damaged.
    """
    ct = VolumeBundle.load(volumes)
    streams = final_streams(data, crops, film, VolumePredictor(ct, threads=0))
    table = streams.table
    last = replace(recipe, optimizer=replace(recipe.optimizer, patience=0))
    trained = train_fusion(last, table)
    folder.mkdir(parents=True, exist_ok=True)
    _write_graphs(folder, streams, trained.network)
    save_file(_background(table, recipe.seed), folder / NUMBERS)
    every = tuple(name for name in STREAMS if name in table.features)
    calibrations = tuple(
        SubsetCalibration(names, fit_logit(values, crops.label, crops.group))
        for names, values in logits.items()
    )
    whole = calibrations[list(logits).index(every)].calibration
    probability = np.array(
        [whole.probability({LOGIT: float(one)}) for one in logits[every].tolist()]
    )
    reference = crops.label.astype(int)
    bones = by_bone([(case.patient, case.bone) for case in data.cases], probability, reference)
    manifest = FusedManifest(
        name=recipe.name,
        version=version,
        fusion=recipe.network.fusion,
        film_stream=film.network,
        created=datetime.now(UTC).date().isoformat(),
        volume_model=ct.identity.label,
        volume_sha256=ct.sha256,
        crop=CropPlan(),
        sizes=table.sizes,
        detail=DETAIL_NAMES,
        radiomics=tuple((name, _PLANS[name]) for name in every if name in _PLANS),
        calibrations=calibrations,
        operating_points=bones.operating_points,
        place_operating_points=place_points(reference, probability),
        training=_facts(recipe, data),
    )
    (folder / "card.md").write_text(_card(manifest), encoding="utf-8")
    return FusedBundle.write(folder, manifest)


def _write_graphs(folder: Path, streams: FinalStreams, network: object) -> None:
    import torch

    from fracturax.models.fusion import Fusion

    assert isinstance(network, Fusion)
    side = CropPlan().pixels
    example = torch.rand(2, 1, side, side)
    write_graph(streams.film, example, folder / FILM_GRAPH, name="films", outputs=FILM_OUTPUTS)
    write_fusion_graph(network, streams.table.inputs(np.arange(2)), folder / GRAPH)


def _background(table: StreamTable, seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """Return the radiomics of some places, the same ones of both streams."""
    generator = np.random.default_rng(seed)
    count = len(table.label)
    chosen = np.sort(generator.choice(count, min(_BACKGROUND, count), replace=False))
    found = {
        name: np.ascontiguousarray(values[chosen], np.float32)
        for name, values in table.features.items()
        if name in _PLANS
    }
    return found or {"none": np.zeros(1, np.float32)}


def _facts(recipe: FusionRecipe, data: PairedData) -> tuple[tuple[str, str], ...]:
    return (
        ("data", "prepared pairs of pelvic CT; films simulated, flesh drawn"),
        ("places", str(len(data.places()))),
        ("films", str(len(data.cases))),
        ("films_with_fracture", str(sum(case.label for case in data.cases))),
        ("patients", str(len(data.patients))),
        ("seed", str(recipe.seed)),
        ("recipe_sha256", sha256_of_document(recipe.as_document())),
        ("pairs_sha256", data.sha256),
        ("software", software_version()),
    )


def _card(manifest: FusedManifest) -> str:
    facts = "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in manifest.training)
    people = dict(manifest.training)["patients"]
    side = round(manifest.crop.pixels * manifest.crop.pixel_mm)
    return (
        f"# {manifest.name}, version {manifest.version}\n\n"
        f"A fusion ({manifest.fusion}) of what a CT and a film say of one place: the CT stream of "
        f"{manifest.volume_model}, a network on crops of {side} mm of the film "
        f"({manifest.film_stream}), and radiomics of both. It answers from any of them.\n\n"
        f"It was trained on hip bones and sacra of {people} patients with a pelvic fracture. Their "
        "films are simulated from their CT, and so is all soft tissue: it has never seen a real "
        "film beside a real CT, a healthy patient, or another part of the body. It is a proof that "
        "the system works, not that it is clinically better. The probability of a study is that "
        f"of its most suspicious place, at a prevalence of {PREVALENCE:.0%} among places: too high "
        "where fractures are rarer. Thresholds stand on a dozen "
        "bones. What each stream adds, patient by patient: `benchmarks/accuracy/fusion`.\n\n"
        f"{RESEARCH_USE_NOTICE}\n\n"
        f"{facts}\n"
    )
