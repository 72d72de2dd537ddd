"""What was generated never makes an answer surer."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from fracturax.core.errors import ModelError
from fracturax.core.prediction import STATUSES, OperatingPoints, Status
from fracturax.models.fused_answer import FusedAnswer, answer_of, settle

ANSWERS: tuple[Status, ...] = tuple(one for one in STATUSES if one != "not_assessed")
XRAY = np.array([1.0, 0, 0, 0, 0])


@pytest.mark.parametrize(("real", "completed"), list(product(ANSWERS, ANSWERS)))
def test_generated_features_never_make_a_decided_answer(real: Status, completed: Status) -> None:
    settled = settle(real, completed)
    assert settled in ("doubt", real)
    if real == "doubt":
        assert settled == "doubt"
    if real == completed:
        assert settled == real


def test_over_all_probabilities_doubt_stays_doubt() -> None:
    points = OperatingPoints(0.2, 0.6)
    for real, completed in product(np.linspace(0, 1, 21), repeat=2):
        answer = answer_of(
            real=real, completed=completed, weights=XRAY, points=points, generated=("ct",)
        )
        if points.status(real) == "doubt":
            assert answer.status == "doubt"
        assert answer.probability == real


def test_shares_are_of_present_streams_and_sum_to_one() -> None:
    with pytest.raises(ModelError, match="sum to 1"):
        FusedAnswer("doubt", 0.5, (("xray", 0.5),))
    with pytest.raises(ModelError, match="absent"):
        FusedAnswer("doubt", 0.5, (("xray", 0.5), ("ct", 0.5)), generated=("ct",))
    with pytest.raises(ModelError, match="once"):
        FusedAnswer("doubt", 0.5, (("mri", 1.0),))
