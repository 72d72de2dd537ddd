"""Bundles without training that read a pair of film and CT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from fracturax.core.prediction import OperatingPoints
from fracturax.models.bundle import Calibration
from fracturax.models.film_stream import WIDTH, build_film_stream
from fracturax.models.fused_bundle import (
    FILM_GRAPH,
    FILM_OUTPUTS,
    GRAPH,
    NUMBERS,
    CropPlan,
    FusedBundle,
    FusedManifest,
    SubsetCalibration,
)
from fracturax.models.fusion import Fusion, blank_inputs
from fracturax.models.streams import StreamSizes
from fracturax.models.volume import build_volume_network
from fracturax.models.volume_bundle import GRAPH as VOLUME_GRAPH
from fracturax.models.volume_bundle import (
    OUTPUTS,
    VolumeBundle,
    VolumeManifest,
)
from fracturax.pipelines.train_fusion import subsets_of
from fracturax.radiomics.places import CROP_PLAN, CUBE_PLAN, describe_crop
from fracturax.training.export import write_graph
from fracturax.training.export_fusion import write_fusion_graph
from fracturax.transforms.detail import DETAIL_NAMES
from fracturax.transforms.volume_plan import VolumePlan

STREAMS = ("xray", "ct", "radiomics_film", "radiomics_ct")
_SIDE = 32


def write_tiny_volume(folder: Path) -> VolumeBundle:
    """Write a CT bundle that suspects every place."""
    torch.manual_seed(0)
    network = build_volume_network("densenet121_3d", growth_rate=4, init_features=8).eval()
    folder.mkdir(parents=True, exist_ok=True)
    example = torch.rand(2, 1, *(_SIDE,) * 3)
    write_graph(network, example, folder / VOLUME_GRAPH, name="volumes", outputs=OUTPUTS)
    manifest = VolumeManifest(
        name="tiny-ct",
        version="0",
        volume_network="densenet121_3d",
        created="2026-01-01",
        plan=VolumePlan(spacing_mm=1.5, size=_SIDE),
        step=16,
        calibration=Calibration(("cube",), (1.0,), 0.0),
        study_calibration=Calibration(("peak",), (1.0,), 0.0),
        operating_points=OperatingPoints(0.0, 1.0),
        cube_operating_points=OperatingPoints(0.0, 1.0),
    )
    return VolumeBundle.write(folder, manifest)


def write_tiny_fusion(folder: Path, volume: VolumeBundle, features: int) -> FusedBundle:
    """Write a fusion that takes the CT stream of a bundle and knows every subset.

    Args:
        folder: Where to write.
        volume: The CT bundle.
        features: How many features its network gives.
    """
    torch.manual_seed(1)
    folder.mkdir(parents=True, exist_ok=True)
    film = build_film_stream("film_cnn").eval()
    example = torch.rand(2, 1, _SIDE, _SIDE)
    write_graph(film, example, folder / FILM_GRAPH, name="films", outputs=FILM_OUTPUTS)
    crop = np.random.default_rng(0).random((_SIDE, _SIDE), np.float32)
    count = len(describe_crop(crop, 1.0).names)
    more = len(DETAIL_NAMES)
    sizes = StreamSizes(
        xray=2 * WIDTH + more, ct=features + more, radiomics_film=count, radiomics_ct=count
    )
    fusion = Fusion("attention", sizes, width=16).eval()
    inputs = blank_inputs(sizes, STREAMS, batch=2, xray_cells=_SIDE // 8, ct_cells=_SIDE // 8)
    write_fusion_graph(fusion, inputs, folder / GRAPH)
    generator = np.random.default_rng(2)
    save_file(
        {
            name: generator.normal(size=(6, count)).astype(np.float32)
            for name in ("radiomics_film", "radiomics_ct")
        },
        folder / NUMBERS,
    )
    manifest = FusedManifest(
        name="tiny-fusion",
        version="0",
        fusion="attention",
        film_stream="film_cnn",
        created="2026-01-01",
        volume_model=volume.identity.label,
        volume_sha256=volume.sha256,
        crop=CropPlan(_SIDE, 1.6),
        sizes=sizes,
        detail=DETAIL_NAMES,
        radiomics=(("radiomics_film", CROP_PLAN.sha256), ("radiomics_ct", CUBE_PLAN.sha256)),
        calibrations=tuple(
            SubsetCalibration(names, Calibration(("logit",), (1.0,), 0.0))
            for names in subsets_of(STREAMS)
        ),
        operating_points=OperatingPoints(0.0, 1.0),
        place_operating_points=OperatingPoints(0.0, 1.0),
    )
    (folder / "card.md").write_text("# A fusion for tests\n", encoding="utf-8")
    return FusedBundle.write(folder, manifest)
