"""The model that comes with the package answers rightly on the example that comes with it."""

from __future__ import annotations

import fracturax as fx


def test_the_planted_fracture_is_found_where_it_was_planted() -> None:
    study = fx.open(fx.example_study_folder() / "forearm")
    prediction = fx.read(study, fx.load("xray", threads=1))
    assert prediction.status == "fracture"
    assert prediction.decisive_image == "forearm_lateral.dcm"
    row_min, column_min, row_max, column_max = 494, 327, 564, 441  # truth.json, lateral film
    box = prediction.findings[0].box
    assert row_min <= (box.row_min + box.row_max) / 2 <= row_max
    assert column_min <= (box.column_min + box.column_max) / 2 <= column_max


def test_the_intact_leg_is_not_called_fractured() -> None:
    study = fx.open(fx.example_study_folder() / "leg")
    assert fx.read(study, fx.load("xray", threads=1)).status == "no_fracture"
