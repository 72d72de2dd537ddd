"""Robustness: each condition is measured on the same cases, and says what a reader lost."""

import json
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.case import Case, Reference
from fracturax.core.errors import DataError, ImageError
from fracturax.core.image import Radiograph
from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
from fracturax.core.study import Study
from fracturax.pipelines.corrupt import CLEAN, conditions, measure_robustness
from fracturax.transforms.corruption import CORRUPTIONS, SEVERITIES

POINTS = OperatingPoints(0.1, 0.3)


class Spread:
    """Says how much a film's grey values vary; does not assess a film that is blurred flat."""

    identity = ModelIdentity("spread", "1", "", "")
    operating_points = POINTS

    def predict(self, study: Study) -> Prediction:
        film = study.radiographs[0]
        if film.history and film.history[-1].parameters == (("name", "blur"), ("severity", 5)):
            return Prediction(
                study.key, "not_assessed", self.identity, POINTS, reason="it is blurred"
            )
        spread = float(np.clip(2 * film.pixels.std(), 0, 1))
        return Prediction(study.key, POINTS.status(spread), self.identity, POINTS, spread)


def _cases(count: int = 40, *, broken: int | None = None) -> list[Case]:
    cases = []
    for number in range(count):

        def study(number: int = number) -> Study:
            if number == broken:
                raise ImageError("the file is cut short")
            rows, columns = np.mgrid[:32, :32]
            wave = 0.05 + (0.2 if number % 2 else 0.0) + 0.001 * number
            pixels = 0.5 + wave * np.sin(rows / 3) * np.cos(columns / 3)
            return Study(f"s{number}", (Radiograph(pixels.astype(np.float32), name="film"),))

        cases.append(Case(f"c{number}", Reference(bool(number % 2)), f"p{number}", study))
    return cases


def test_every_condition_has_its_numbers_and_flat_films_lose_sensitivity() -> None:
    found = measure_robustness(Spread(), _cases(), resamples=100)
    evaluation = found.evaluation
    assert len(conditions()) == 1 + len(CORRUPTIONS) * len(SEVERITIES)
    assert {f"not_assessed, {name}" for name in conditions()} <= set(evaluation.metrics)
    assert evaluation[f"auroc, {CLEAN}"].value == 1
    assert evaluation[f"auroc_change, {CLEAN}"].value == 0
    # All films keep the same share of their contrast: ranks stay, thresholds are no longer met.
    assert evaluation["auroc_change, contrast 5"].value == 0
    assert evaluation["sensitivity, contrast 5"].value == 0
    assert evaluation[f"sensitivity, {CLEAN}"].value == 1
    assert evaluation["specificity, noise 5"].value == 0


def test_refused_films_are_counted_and_have_no_other_number() -> None:
    evaluation = measure_robustness(Spread(), _cases(), resamples=100).evaluation
    assert evaluation["not_assessed, blur 5"].value == 1
    assert "auroc, blur 5" not in evaluation


def test_a_sample_keeps_the_share_of_fractures_and_its_seed() -> None:
    one = measure_robustness(Spread(), _cases(), most=10, seed=3, resamples=100)
    assert one.films == 10
    again = measure_robustness(Spread(), _cases(), most=10, seed=3, resamples=100)
    assert one.as_document() == again.as_document()


def test_unreadable_cases_are_left_out_and_counted_and_one_class_is_refused() -> None:
    found = measure_robustness(Spread(), _cases(broken=5), resamples=100)
    assert found.films == 39
    assert "Left out as unreadable: 1." in found.evaluation.notes
    with pytest.raises(DataError, match="two cases of either class"):
        measure_robustness(Spread(), _cases()[::2], resamples=100)


def test_the_files_hold_the_numbers_and_a_figure(tmp_path: Path) -> None:
    found = measure_robustness(Spread(), _cases(), resamples=100)
    document, table, *pictures = found.write(tmp_path / "out")
    assert json.loads(document.read_text("utf-8")) == json.loads(json.dumps(found.as_document()))
    assert "auroc, crop 3" in table.read_text("utf-8")
    assert {path.suffix for path in pictures} == {".svg", ".png"}
    assert all(path.stat().st_size > 5000 for path in pictures)
    assert "marker 5" in found.as_text()
