from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import ImageColor

from fracturax.core.report import Report
from fracturax.core.study import Study
from fracturax.reporting.sheet import draw_sheet
from fracturax.reporting.wording import BOX_COLOR


def test_each_finding_has_a_line_in_the_colour_of_its_box(report: Report) -> None:
    page = draw_sheet(report)
    without = replace(
        report.prediction, images=(replace(report.prediction.images[0], findings=()),)
    )
    for color in BOX_COLOR.values():
        rgb = ImageColor.getrgb(color)
        assert (page == rgb).all(axis=-1).any()
        assert not (draw_sheet(replace(report, prediction=without)) == rgb).all(axis=-1).any()


def test_a_study_of_a_thousand_films_is_one_page_of_bounded_height(
    report: Report, film: Callable[..., object]
) -> None:
    films = tuple(film(f"{number}.dcm", rows=4, columns=4) for number in range(1000))
    large = replace(report, study=Study("4f1a", films))  # type: ignore[arg-type]
    assert draw_sheet(large).shape[0] < 2000


def test_synthetic_is_said(report_of: Callable[..., Report]) -> None:
    real, synthetic = draw_sheet(report_of()), draw_sheet(report_of(synthetic=True))
    changed = np.argwhere((real != synthetic).any(axis=-1))
    assert changed.size and changed[:, 0].max() < 96  # in the banner
