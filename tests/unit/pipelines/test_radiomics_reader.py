"""A learner on radiomics reads drawn (synthetic) films like any other model, and says where not."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from fracturax.core.errors import ModelError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Volume
from fracturax.core.prediction import Predictor
from fracturax.core.study import Study
from fracturax.pipelines.radiomics import bone_of
from fracturax.pipelines.radiomics_reader import RadiomicsReader
from fracturax.radiomics import (
    FittedLearner,
    RadiomicsPlan,
    extract_features,
    fit_learner,
    load_learner,
    save_learner,
)

PLAN = RadiomicsPlan(families=("firstorder",), bin_width=10)
ROWS, COLUMNS = 210, 150


def leg(seed: int, *, is_rough: bool) -> Radiograph:
    """Two drawn bones in soft tissue in air; rough ones have speckled bone."""
    generator = np.random.default_rng(seed)
    row, column = np.mgrid[:ROWS, :COLUMNS].astype(float)
    depth = np.clip(1 - ((column - 75) / 47) ** 2, 0, None)
    film = 0.04 + 0.38 * np.sqrt(depth)
    bones = (np.abs(column - 62 - row / 40) < 11) | (np.abs(column - 97) < 6)
    bones &= (row > 15) & (row < 195)
    film = cv2.GaussianBlur(film + generator.uniform(0.28, 0.32) * bones, (0, 0), 1.0)
    film += generator.normal(0, 0.01, film.shape)
    film += is_rough * bones * generator.normal(0, 0.06, film.shape)
    return Radiograph(np.clip(film, 0, 1).astype(np.float32), name=f"film {seed}")


@cache
def learned() -> FittedLearner:
    """A learner of the speckle, from ten films each of four synthetic patients."""
    rows, labels, groups = [], [], []
    for seed in range(48):
        film = leg(seed, is_rough=seed % 2 == 1)
        bone, reason = bone_of(film)
        assert not reason
        rows.append(extract_features(film, bone, plan=PLAN))
        labels.append(seed % 2)
        groups.append(str(seed // 12))
    return fit_learner(
        "logistic", features=[row.values for row in rows], feature_names=rows[0].names,
        labels=labels, groups=groups, seed=0, plan=PLAN, reads="film",
    )  # fmt: skip


def test_it_reads_films_it_has_not_seen(tmp_path: Path) -> None:
    save_learner(learned(), tmp_path)
    reader = RadiomicsReader(load_learner(tmp_path))
    assert isinstance(reader, Predictor)
    whole, rough = leg(101, is_rough=False), leg(102, is_rough=True)
    assert reader.predict(Study("one", (whole,))).status == "no_fracture"
    both = reader.predict(Study("two", (whole, rough)))
    assert (both.status, both.decisive_image) == ("fracture", rough.name)
    assert both.probability is not None and both.probability > 0.5
    assert both.model.name == "radiomics-logistic"
    assert both.model.plan_sha256 == PLAN.sha256


def test_what_has_no_bone_or_is_no_film_is_not_assessed_with_the_reason() -> None:
    reader = RadiomicsReader(learned())
    empty = Radiograph(np.full((64, 64), 0.5, np.float32), name="empty")
    _, reason = bone_of(empty)
    answer = reader.predict(Study("empty", (empty,)))
    assert (answer.status, answer.reason) == ("not_assessed", reason)
    volume = Volume(np.zeros((4, 8, 8), np.int16), geometry=Geometry((1.0, 1.0, 1.0)), name="ct")
    answer = reader.predict(Study("ct", (volume,)))
    assert (answer.status, answer.reason) == ("not_assessed", "this learner reads films, not CT")
    mixed = reader.predict(Study("mixed", (volume, leg(101, is_rough=False))))
    assert [one.status for one in mixed.images] == ["not_assessed", "no_fracture"]


def test_a_learner_without_a_plan_reads_nothing() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(80) % 2
    bare = fit_learner(
        "logistic", features=generator.normal(size=(80, 1)) + labels[:, None],
        feature_names=["x"], labels=labels, groups=[str(case // 20) for case in range(80)], seed=0,
    )  # fmt: skip
    with pytest.raises(ModelError, match="has a plan"):
        RadiomicsReader(bare)
