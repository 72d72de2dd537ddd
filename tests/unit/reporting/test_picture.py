import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from fracturax.core.errors import UnknownNameError
from fracturax.core.prediction import ProjectedFinding
from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.reporting import Picture, draw_picture
from fracturax.reporting.banner import wrapped
from fracturax.reporting.film import display_pixels, shrink


def _film_area(picture: Picture) -> np.ndarray:
    place = picture.placements[0]
    rows, columns = (
        slice(place.row, place.row + place.rows),
        slice(place.column, place.column + place.columns),
    )
    return picture.pixels[rows, columns]


def test_pixels_away_from_the_marks_are_those_of_the_film(report: Report) -> None:
    before = report.study.images[0].pixels.copy()
    drawn = _film_area(draw_picture(report))
    grey = display_pixels(report.study.images[0])
    changed = (drawn != grey[..., None]).any(axis=-1)
    allowed = np.zeros(grey.shape, bool)
    for box in (finding.box for finding in report.prediction.findings):
        allowed[
            int(box.row_min) - 26 : int(box.row_max) + 4,
            int(box.column_min) - 4 : int(box.column_max) + 4,
        ] = True
    assert changed.any()
    assert not changed[~allowed].any()
    # The frame runs outside the box: what it marks stays to be seen.
    assert not changed[121:260, 61:180].any()
    np.testing.assert_array_equal(report.study.images[0].pixels, before)


def test_certain_is_solid_and_doubt_is_dashed(report: Report) -> None:
    drawn = _film_area(draw_picture(report)).astype(int)
    colored = np.ptp(drawn, axis=-1) > 60
    # Just below each box, where no label lies.
    assert colored[260, 62:178].mean() == 1.0
    assert 0.4 < colored[380, 202:318].mean() < 0.85


def test_of_labels_on_one_spot_the_more_probable_is_read(report: Report) -> None:
    (answer,) = report.prediction.images
    certain = answer.findings[0]
    beside = replace(certain.box, row_min=certain.box.row_min + 2, row_max=certain.box.row_max + 2)
    crowd = tuple(ProjectedFinding("ct.nii", beside, chance, "doubt") for chance in (0.5, 0.6))

    def drawn(*projections: ProjectedFinding) -> np.ndarray:
        one = replace(answer, findings=(certain,), projections=projections)
        changed = replace(report, prediction=replace(report.prediction, images=(one,)))
        return _film_area(draw_picture(changed))

    alone, crowded = drawn(), drawn(*crowd)
    above = slice(int(certain.box.row_min) - 24, int(certain.box.row_min) - 4)
    # All that stands above the box is the one label, as if it were alone; the frames are there.
    np.testing.assert_array_equal(crowded[above], alone[above])
    assert (crowded != alone).any()


def test_large_films_are_drawn_smaller(report_of: Callable[..., Report]) -> None:
    picture = draw_picture(report_of(rows=3200, columns=1000))
    place = picture.placements[0]
    assert (place.rows, place.columns, place.scale) == (1600, 500, 0.5)
    assert shrink(np.zeros((10, 20), np.uint8), longest_px=40).shape == (10, 20)


def test_the_png_says_research_use_and_synthetic(report_of: Callable[..., Report]) -> None:
    with PillowImage.open(io.BytesIO(draw_picture(report_of(synthetic=True)).png())) as png:
        assert "Research use only" in png.info["Disclaimer"]
        assert "SYNTHETIC" in png.info["Warning"]
    real = draw_picture(report_of()).pixels[:90]
    synthetic = draw_picture(report_of(synthetic=True)).pixels[:90]
    assert (real != synthetic).any()


def test_a_study_without_a_film_still_has_a_picture(unassessed_of: Callable[..., Report]) -> None:
    picture = draw_picture(unassessed_of())
    assert picture.placements == ()
    assert picture.pixels.shape[1] >= 640


def test_an_unknown_film_names_the_known(report: Report) -> None:
    with pytest.raises(UnknownNameError, match=r"wrist\.dcm"):
        draw_picture(report, image="wrist")


def test_the_notice_is_whole_in_a_narrow_picture() -> None:
    measure = ImageDraw.Draw(PillowImage.new("RGB", (1, 1)))
    font = ImageFont.load_default(13)
    lines = wrapped(measure, RESEARCH_USE_NOTICE, font, 608)
    assert " ".join(lines) == RESEARCH_USE_NOTICE
    assert len(lines) > 1
    assert all(measure.textlength(line, font) <= 608 for line in lines)
