"""A radiograph network with random weights whose answers differ from film to film."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from fracturax.core.image import Radiograph
from fracturax.core.prediction import OperatingPoints
from fracturax.models.bundle import Bundle, Calibration, Manifest, write_bundle
from fracturax.models.xray import XrayNetwork
from fracturax.transforms.plan import PreprocessingPlan
from tiny_release import draw_film

PLAN = PreprocessingPlan(64, 64)


def tiny_input(film: Radiograph, plan: PreprocessingPlan = PLAN) -> np.ndarray:
    """Return what a network is shown of a film that stands, shape `(channels, rows, columns)`."""
    prepared = plan.prepare(film)
    frame = plan.frame_of(prepared.pixels)
    return plan.stack(plan.apply(prepared.pixels)[0], prepared.bones, frame)


def tiny_network(plan: PreprocessingPlan = PLAN) -> XrayNetwork:
    """Build a network; its statistics fit the films of tests, and its heads are not constant."""
    torch.manual_seed(0)
    network = XrayNetwork(weights="random", width=16, channels=plan.channels)
    inputs = np.stack([tiny_input(drawn_radiograph(seed), plan) for seed in range(16)])
    with torch.no_grad():
        if network.tint is not None:
            network.tint.weight.normal_()
        network.boxes.logit.weight.mul_(4)
        network.heat[1].weight.mul_(4)
        network.fracture.weight.mul_(3)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        network.train()(torch.from_numpy(inputs))
    return network.eval()


def tiny_manifest(**changes: object) -> Manifest:
    """Return a manifest whose probabilities are the plain logistic of the logits."""
    fields: dict[str, object] = {
        "name": "tiny",
        "version": "0",
        "network": "xray",
        "created": "2026-01-01",
        "plan": PLAN,
        "is_mirrored": True,
        "operating_points": OperatingPoints(0.0, 0.0),
        "box_operating_points": OperatingPoints(0.0, 0.0),
        "calibration": Calibration(("logit",), (1.0,), 0.0),
        "box_calibration": Calibration(("box",), (1.0,), 0.0),
        "default_precision": "fp32",
        "graphs": (("fp32", "model.onnx"),),
    }
    return Manifest(**{**fields, **changes})  # type: ignore[arg-type]


def export_tiny_bundle(
    network: XrayNetwork, folder: Path, plan: PreprocessingPlan = PLAN
) -> Bundle:
    """Export a network into a bundle without a scope. Takes some ten seconds."""
    from fracturax.training.export import export_network

    folder.mkdir(parents=True, exist_ok=True)
    export_network(network, (plan.rows, plan.columns), folder, channels=plan.channels)
    (folder / "card.md").write_text("# A bundle for tests\n", encoding="utf-8")
    return write_bundle(folder, tiny_manifest(plan=plan), scope=None)


def drawn_radiograph(seed: int, *, name: str = "film") -> Radiograph:
    """Return a drawn film under slow light and shade, 128 x 112; each seed's looks different."""
    generator = np.random.default_rng(seed)
    pixels = draw_film(generator, fractured=bool(seed % 2)).pixels.astype(np.float32) / 255
    shade = cv2.resize(generator.random((5, 4), np.float32), pixels.shape[::-1])
    return Radiograph(np.asarray(0.4 * pixels + 0.6 * shade, np.float32), name=name)
