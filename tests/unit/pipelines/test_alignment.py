"""Alignment: a shipped network is no more suspicious of healthy films than those of the folds."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import expit, logit

from fracturax.core.prediction import OperatingPoints
from fracturax.models.bundle import Calibration, Manifest
from fracturax.models.runtime import RawAnswer
from fracturax.pipelines.alignment import align
from fracturax.transforms.plan import PreprocessingPlan
from raw_answers import BOX, raw_answer

MANIFEST = Manifest(
    name="xray",
    version="1",
    network="xray",
    created="2026-01-01",
    plan=PreprocessingPlan(rows=64, columns=64),
    is_mirrored=True,
    operating_points=OperatingPoints(0.2, 0.6),
    box_operating_points=OperatingPoints(0.1, 0.5),
    calibration=Calibration(("logit",), (2.0,), -1.0),
    box_calibration=Calibration(("box",), (0.5,), 0.0),
    default_precision="fp32",
    graphs=(("fp32", "model.onnx"),),
    training=(("films", "7"),),
)
LEVELS = np.random.default_rng(0).normal(size=2000)


def _answers(images: npt.NDArray[np.float64], boxes: npt.NDArray[np.float64]) -> list[RawAnswer]:
    """Return answers whose calibrated log-odds are `images`, and of whose one box `boxes`."""
    return [
        raw_answer(
            {"logit": (image + 1) / 2},
            boxes=np.array([BOX.as_tuple()]),
            box_values={"box": np.array([one / 0.5])},
            box_logits=np.array([one]),
        )
        for image, one in zip(images.tolist(), boxes.tolist(), strict=True)
    ]


def test_a_higher_level_is_moved_down_and_nothing_else_changes() -> None:
    """Out of fold 30 % lie above each point; the shipped values are 0.7 and 0.4 higher."""
    cut = np.quantile(LEVELS, 0.7)
    images, boxes = LEVELS - cut + logit(0.2) + 0.7, LEVELS - cut + logit(0.1) + 0.4
    moved = align(MANIFEST, _answers(images, boxes), suspicious=0.3)
    assert moved.image == pytest.approx(-0.7)
    assert moved.box == pytest.approx(-0.4)
    assert moved.before == pytest.approx(np.mean(expit(images) >= 0.2))
    manifest = moved.into(MANIFEST)
    assert manifest.calibration == Calibration(("logit",), (2.0,), moved.image - 1.0)
    assert manifest.box_calibration == Calibration(("box",), (0.5,), moved.box)
    assert manifest.operating_points == MANIFEST.operating_points
    facts = dict(manifest.training)
    assert facts["films"] == "7"
    assert facts["calibration_moved_by"] == "-0.700"
    assert facts["suspicious_healthy"] == "0.300"


def test_a_lower_level_may_be_memory_and_stays() -> None:
    cut = np.quantile(LEVELS, 0.7)
    lower = _answers(LEVELS - cut + logit(0.2) - 0.3, LEVELS - cut + logit(0.1) - 0.3)
    moved = align(MANIFEST, lower, suspicious=0.3)
    assert (moved.image, moved.box) == (0.0, 0.0)
