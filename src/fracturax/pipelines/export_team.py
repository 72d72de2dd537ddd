"""Export a team of trained networks: a bundle that reads films, and is not calibrated yet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from fracturax.core.prediction import OperatingPoints
from fracturax.models.bundle import BF16, Bundle, Calibration, CloserLook, Manifest, write_bundle
from fracturax.models.catalog import BACKBONES
from fracturax.models.runtime import SECOND_OUTPUTS, WINDOW_OUTPUTS
from fracturax.pipelines.train import Team
from fracturax.training.export import (
    export_network,
    quantize_graph,
    round_to_half,
    store_halves,
    write_graph,
)
from fracturax.training.recipe import Recipe

_CLOSER, _SECOND = "closer", "second.onnx"


def export_team(
    team: Team,
    recipe: Recipe,
    folder: Path,
    samples: npt.NDArray[np.float32] | None = None,
) -> Bundle:
    """Write a bundle that is not calibrated yet and takes everything for in scope.

    Args:
        team: Trained networks; their weights are rounded to half precision in place.
        recipe: What they were trained by.
        folder: Where to.
        samples: Inputs that give the ranges of an 8-bit graph, shape `(n, channels, rows,
            columns)`; without them there is none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plan = recipe.plan
    shape = (plan.rows, plan.columns)
    export_network(team.first.network, shape, folder, channels=plan.channels)
    if team.closer is not None and recipe.closer is not None:
        size = recipe.closer.window.size
        window = (size, size)
        export_network(team.closer.network, window, folder, stem=_CLOSER, outputs=WINDOW_OUTPUTS)
    if team.second is not None:
        network = team.second.network
        round_to_half(network)
        example = torch.rand(2, plan.channels, *shape)
        graph = folder / _SECOND
        write_graph(network, example, graph, name="images", outputs=SECOND_OUTPUTS)
        store_halves(graph)
    graphs = [("fp32", "model.onnx"), (BF16, "model.onnx")]
    if samples is not None:
        quantize_graph(folder, samples)
        graphs.append(("int8", "model.int8.onnx"))
    (folder / "card.md").write_text("Not calibrated: for the cross-validation only.\n")
    return write_bundle(folder, _bare_manifest(team, recipe, tuple(graphs)), scope=None)


def _bare_manifest(team: Team, recipe: Recipe, graphs: tuple[tuple[str, str], ...]) -> Manifest:
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
        graphs=graphs,
        closer=_closer_look(recipe),
        strides=BACKBONES[recipe.network.backbone].strides,
        second=None if team.second is None else _SECOND,
    )


def _closer_look(recipe: Recipe) -> CloserLook | None:
    if recipe.closer is None:
        return None
    strides = BACKBONES[recipe.closer.network.backbone].strides
    return CloserLook(f"{_CLOSER}.onnx", recipe.closer.window, strides, recipe.closer.widths)
