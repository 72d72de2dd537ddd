import numpy as np
import numpy.typing as npt
import pytest

from fracturax.core.anatomy import REGIONS
from fracturax.core.case import Case, Reference
from fracturax.core.study import Study
from fracturax.pipelines.leftover import Leftover, leftover_shortcuts
from fracturax.pipelines.out_of_fold import OutOfFold
from raw_answers import BOX, raw_answer

FILMS = 400
GENERATOR = np.random.default_rng(0)
LABEL = GENERATOR.random(FILMS) < 0.4
NORTH = GENERATOR.random(FILMS) < np.where(LABEL, 0.7, 0.3)
REGION = GENERATOR.integers(0, 2, FILMS)
VIEW = GENERATOR.integers(0, 2, FILMS)
VIEWS = ("frontal", "lateral")


def _open() -> Study:
    raise AssertionError("nothing is read")


def _leftover(
    score: npt.NDArray[np.float64], features: npt.NDArray[np.float64], groups: list[str]
) -> tuple[Leftover, ...]:
    return leftover_shortcuts(_films(features), groups, 1 / (1 + np.exp(-score)))


def _films(features: npt.NDArray[np.float64]) -> OutOfFold:
    cases, answers = [], []
    for number in range(FILMS):
        reference = Reference(
            bool(LABEL[number]),
            (BOX,) if LABEL[number] else (),
            regions=(REGIONS[REGION[number]],),
            views=(VIEWS[VIEW[number]],),
        )
        cases.append(Case(f"f{number}", reference, f"p{number // 2}", open=_open))
        answers.append(raw_answer({"logit": 0.0}, embedding=features[number].astype(np.float32)))
    return OutOfFold(tuple(cases), np.arange(FILMS) // 2 % 2, tuple(answers))


GROUPS = np.where(NORTH, "north", "south").tolist()
NOISE = GENERATOR.normal(size=(FILMS, 6))


def test_a_score_that_follows_the_label_alone_leaves_nothing() -> None:
    """Though the group goes with the label, and so with the score, over all films."""
    north, south = _leftover(3.0 * LABEL + NOISE[:, 0], NOISE, GROUPS)
    assert {north.group, south.group} == {"north", "south"}
    assert north.from_score.low < 0.5 < north.from_score.high
    assert north.from_features.low < 0.5 < north.from_features.high
    assert abs(north.fractured_share - north.fractured_share_elsewhere) > 0.2
    assert north.films + south.films == FILMS


def test_a_score_and_features_that_know_the_group_are_told() -> None:
    features = NOISE.copy()
    features[:, 3] += 4 * NORTH
    found = _leftover(3.0 * LABEL + 1.5 * NORTH + NOISE[:, 0], features, GROUPS)
    north = next(one for one in found if one.group == "north")
    assert north.from_score.low > 0.7
    assert north.from_features.auroc > 0.95
    assert north.from_anatomy.high < 0.65


@pytest.mark.parametrize("shown", [REGION, VIEW])
def test_the_score_is_compared_within_region_and_view(shown: npt.NDArray[np.int64]) -> None:
    """A score that follows what a film shows is no shortcut where the group does too."""
    groups = ["north" if one else "south" for one in shown]
    mixed = [("south" if one == "north" else "north") if number % 9 == 0 else one
             for number, one in enumerate(groups)]  # fmt: skip
    found = _leftover(2.0 * LABEL + 2.0 * shown + NOISE[:, 0], NOISE, mixed)
    north = next(one for one in found if one.group == "north")
    assert north.from_score.low < 0.5 < north.from_score.high
    assert north.from_anatomy.auroc > 0.8


@pytest.mark.parametrize("group", ["other", "rare"])
def test_small_groups_and_the_rest_are_not_judged(group: str) -> None:
    groups = [
        group if number < (29 if group == "rare" else 200) else "a" for number in range(FILMS)
    ]
    found = _leftover(3.0 * LABEL + NOISE[:, 0], NOISE, groups)
    assert group not in [one.group for one in found]
