"""A volume is shown the same way however its file lies, and told in its own coordinates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fracturax.core.finding import Finding, Mask
from fracturax.core.geometry import Box, Geometry
from fracturax.core.image import Volume
from fracturax.core.prediction import (
    ActivationMap,
    ImagePrediction,
    ModelIdentity,
    OperatingPoints,
    Prediction,
)
from fracturax.core.report import Report
from fracturax.core.study import Study
from fracturax.reporting import report_document
from fracturax.reporting.page import report_page
from fracturax.reporting.picture import draw_picture, picture_bytes
from fracturax.reporting.upright import upright

SHAPE = (6, 40, 30)


def report_of(flip: tuple[bool, bool], *, is_placed: bool = True) -> Report:
    """A volume of a body that is no mirror image of itself, stored in one of four ways."""
    generator = np.random.default_rng(0)
    hu = generator.integers(-200, 900, SHAPE).astype(np.int16)
    box, extent = Box(5, 4, 15, 12), Box(0, 0, 40, 30)
    values = generator.random((3, 5, 4)).astype(np.float32)
    mask = np.zeros(SHAPE, bool)
    mask[2, 6:9, 5:11] = True
    affine = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1]])
    for axis, is_turned in enumerate(flip):
        if is_turned:
            size = SHAPE[axis + 1]
            hu, values, mask = (np.flip(one, axis + 1).copy() for one in (hu, values, mask))
            sides = list(box.as_tuple())
            sides[axis], sides[axis + 2] = size - sides[axis + 2], size - sides[axis]
            box = Box(*sides)
            affine[:3, 3] += affine[:3, axis + 1] * (size - 1)
            affine[:3, axis + 1] *= -1
    geometry = Geometry.from_affine(affine) if is_placed else Geometry()
    finding = Finding("ct", box, 0.5, 0.6, "doubt", slices=(1, 4), mask=Mask.of(mask))
    answer = ImagePrediction(
        "ct", "doubt", 0.6, findings=(finding,),
        activation=ActivationMap(values, extent, slices=(0, 6)),
    )  # fmt: skip
    prediction = Prediction(
        "k", "doubt", ModelIdentity("ct", "1", "", ""), OperatingPoints(0.1, 0.7), 0.6,
        decisive_image="ct", images=(answer,),
    )  # fmt: skip
    study = Study("k", (Volume(hu, "ct", geometry=geometry),))
    return Report(study, prediction, "2026-01-01T00:00:00+00:00", "fracturax 0.1")


@pytest.mark.parametrize("flip", [(True, False), (False, True), (True, True)])
def test_every_way_of_storing_gives_one_picture(flip: tuple[bool, bool]) -> None:
    plain, stored = report_of((False, False)), report_of(flip)
    assert upright(plain) is plain
    assert (draw_picture(plain).pixels != draw_picture(stored).pixels).any()
    assert picture_bytes(plain) == picture_bytes(stored)
    shown, wanted = upright(stored).prediction.images[0], plain.prediction.images[0]
    assert shown.findings[0].box == wanted.findings[0].box
    assert shown.findings[0].mask is not None and wanted.findings[0].mask is not None
    assert shown.findings[0].mask.bounds == wanted.findings[0].mask.bounds
    assert shown.activation is not None and wanted.activation is not None
    assert np.array_equal(shown.activation.values, wanted.activation.values)


def test_numbers_are_those_of_the_file() -> None:
    stored = report_of((True, True))
    page = report_page(stored)
    assert "25–35, 18–26" in page  # rows and columns as they are stored
    assert 'y="5' in page and 'x="4' in page  # and the box where the picture shows it
    assert report_document(stored)["images"][0]["findings"][0]["box"] == [25, 18, 35, 26]


def test_what_does_not_say_how_it_lies_is_shown_as_it_is_stored() -> None:
    stored = report_of((True, True), is_placed=False)
    assert upright(stored) is stored
    # Rows across the body: turning over would not make that upright.
    affine = np.array(report_of((True, True)).study.images[0].geometry.affine)[:, [0, 2, 1, 3]]
    image = replace(stored.study.images[0], geometry=Geometry.from_affine(affine))
    across = replace(stored, study=replace(stored.study, images=(image,)))
    assert upright(across) is across
