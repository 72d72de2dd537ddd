import math
from typing import Any

import pytest

from fracturax.core.errors import ModelError
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.prediction import (
    ImagePrediction,
    ModelIdentity,
    OperatingPoints,
    Prediction,
)

BOX = Box(0, 0, 10, 10)


@pytest.mark.parametrize(
    ("probability", "status"),
    [
        (0.0, "no_fracture"),
        (0.0999, "no_fracture"),
        (0.1, "doubt"),
        (0.4999, "doubt"),
        (0.5, "fracture"),
        (1.0, "fracture"),
    ],
)
def test_each_operating_point_belongs_to_the_answer_above_it(
    probability: float, status: str
) -> None:
    assert OperatingPoints(0.1, 0.5).status(probability) == status


@pytest.mark.parametrize("points", [(0.5, 0.1), (-0.1, 0.5), (0.5, 1.1), (math.nan, 0.5)])
def test_operating_points_are_ordered_within_0_and_1(points: tuple[float, float]) -> None:
    with pytest.raises(ModelError):
        OperatingPoints(*points)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "perhaps", "probability": 0.5},
        {"status": "fracture"},
        {"status": "fracture", "probability": 1.01},
        {"status": "doubt", "probability": math.nan},
        {"status": "doubt", "probability": 0.5, "reason": "blank"},
        {"status": "not_assessed"},
        {"status": "not_assessed", "reason": ""},
        {"status": "not_assessed", "reason": "blank", "probability": 0.5},
    ],
)
def test_an_answer_that_contradicts_itself_does_not_exist(answer: dict[str, Any]) -> None:
    with pytest.raises(ModelError):
        ImagePrediction("film", **answer)
    with pytest.raises(ModelError):
        Prediction("key", model=_model(), operating_points=OperatingPoints(0.1, 0.5), **answer)


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan])
def test_a_finding_has_a_score_and_a_probability_in_0_and_1(value: float) -> None:
    with pytest.raises(ModelError, match="score"):
        Finding("film", BOX, value, 0.5, "doubt")
    with pytest.raises(ModelError, match="probability"):
        Finding("film", BOX, 0.5, value, "doubt")


def test_findings_of_a_study_come_most_probable_first_over_all_images() -> None:
    images = tuple(
        ImagePrediction(
            name,
            "fracture",
            0.9,
            findings=tuple(Finding(name, BOX, 0.5, one, "doubt") for one in probabilities),
        )
        for name, probabilities in (("ap", (0.3, 0.8)), ("lateral", (0.5,)))
    )
    whole = Prediction("key", "fracture", _model(), OperatingPoints(0.1, 0.5), 0.9, images=images)
    assert [finding.probability for finding in whole.findings] == [0.8, 0.5, 0.3]


def _model() -> ModelIdentity:
    return ModelIdentity("xray", "1", "", "")
