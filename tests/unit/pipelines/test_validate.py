"""Designs of validation: who trains, who is tested, what is kept, which model is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.case import Case, Reference
from fracturax.core.errors import ConfigError, DataError, ImageError
from fracturax.core.image import Radiograph
from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
from fracturax.core.study import Study
from fracturax.datasets.passport import Split
from fracturax.evaluation.table import PredictionTable
from fracturax.pipelines.validate import Design, validate

POINTS = OperatingPoints(0.3, 0.6)


class Level:
    """Says how bright a film is, or the contrary; remembers whom it was trained on."""

    operating_points = POINTS

    def __init__(self, training: Sequence[Case], *, is_contrary: bool = False) -> None:
        self.patients = {case.patient_key for case in training}
        self.is_contrary = is_contrary
        self.identity = ModelIdentity(f"level-{len(training)}", "1", "", "")

    def predict(self, study: Study) -> Prediction:
        assert study.key not in self.patients, "a patient that was trained on is tested"
        level = float(study.radiographs[0].pixels.mean())
        level = 1 - level if self.is_contrary else level
        return Prediction(study.key, POINTS.status(level), self.identity, POINTS, level)


def _cases(count: int = 60, *, broken: int | None = None) -> list[Case]:
    cases = []
    for number in range(count):
        patient, fracture = f"p{number // 2}", number % 3 == 0

        def study(number: int = number, fracture: bool = fracture) -> Study:
            if number == broken:
                raise ImageError("the file is cut short")
            level = (0.6 if fracture else 0.3) + 0.3 * (number % 7) / 7
            film = Radiograph(np.full((4, 4), level, np.float32), name="film")
            return Study(f"p{number // 2}", (film,))

        cases.append(
            Case(
                f"c{number}", Reference(fracture), patient, study,
                group=f"hospital {number // 2 % 3}", date=f"20{10 + number // 6:02d}-01-01",
            )
        )  # fmt: skip
    return cases


def test_each_case_is_tested_once_by_a_model_that_never_saw_its_patient() -> None:
    cases = _cases()
    (run,) = validate(Level, cases, Design(folds=3))
    assert sorted(run.table.case.tolist()) == sorted(case.name for case in cases)
    assert set(run.table.fold.tolist()) == {"0", "1", "2"}
    fold_of = run.splits[0].fold_of
    assert all(
        fold_of[name] == int(fold)
        for name, fold in zip(run.table.case.tolist(), run.table.fold.tolist(), strict=True)
    )
    assert np.unique(run.table.model).size == 1


def test_repeats_are_other_folds_and_the_same_seed_is_the_same_table() -> None:
    cases = _cases()
    first = validate(Level, cases, Design(folds=3, repeats=2, seed=4))
    again = validate(Level, cases, Design(folds=3, repeats=2, seed=4))
    assert len(first) == 2
    assert first[0].splits[0].fold_of != first[1].splits[0].fold_of
    assert [run.splits[0].sha256 for run in first] == [run.splits[0].sha256 for run in again]
    assert first[0].table.fold.tolist() == again[0].table.fold.tolist()


def test_each_hospital_is_left_out_in_turn() -> None:
    cases = _cases()
    (run,) = validate(Level, cases, Design(leaves_out_groups=True))
    group_of = {case.name: case.group for case in cases}
    assert len(run.table) == len(cases)
    assert [group_of[name] for name in run.table.case.tolist()] == run.table.fold.tolist()
    assert len(run.splits) == 3


def test_a_temporal_design_trains_on_the_past() -> None:
    cases = _cases()
    seen: list[str] = []

    def make(training: Sequence[Case]) -> Level:
        seen.extend(case.date or "" for case in training)
        return Level(training)

    (run,) = validate(make, cases, Design(first_test_day="2016-01-01"))
    date_of = {case.name: case.date for case in cases}
    assert max(seen) < "2016-01-01"
    assert min(str(date_of[name]) for name in run.table.case.tolist()) >= "2016-01-01"
    assert set(run.table.fold.tolist()) == {"test"}


def test_nested_the_better_model_is_chosen_within_each_training_part() -> None:
    def contrary(training: Sequence[Case]) -> Level:
        return Level(training, is_contrary=True)

    makes = {"contrary": contrary, "plain": Level}
    (run,) = validate(makes, _cases(), Design(folds=3, inner_folds=2))
    assert run.chosen == {"0": "plain", "1": "plain", "2": "plain"}


def test_what_cannot_be_opened_is_not_assessed() -> None:
    (run,) = validate(Level, _cases(broken=5), Design(folds=3))
    assert run.table.case[~run.table.is_assessed].tolist() == ["c5"]


def test_table_and_passport_come_back_from_files(tmp_path: Path) -> None:
    (run,) = validate(Level, _cases(), Design(folds=3))
    table, passport = run.write(tmp_path)
    assert Split.read(passport).sha256 == run.splits[0].sha256
    assert np.array_equal(PredictionTable.from_csv(table).probability, run.table.probability)


def test_wrong_designs_and_cases_are_refused() -> None:
    with pytest.raises(ConfigError, match="one rule"):
        Design()
    with pytest.raises(ConfigError, match="one rule"):
        Design(folds=3, leaves_out_groups=True)
    with pytest.raises(ConfigError, match="only folds are repeated"):
        Design(leaves_out_groups=True, repeats=2)
    cases = _cases()
    with pytest.raises(DataError, match="share a name"):
        validate(Level, [*cases, cases[0]], Design(folds=3))
    with pytest.raises(DataError, match="needs two"):
        validate(Level, [one for one in cases if one.group == "hospital 0"],
                 Design(leaves_out_groups=True))  # fmt: skip
