"""A film and a scan with one finding each, from conformant synthetic sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from form_sources import block, ct_series, radiograph, report_on, save_all
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.report import Report
from fracturax.imaging import open_study

ReportOf = Callable[..., Report]


@pytest.fixture
def film_report(tmp_path: Path) -> ReportOf:
    """Make a report on films, each with these attributes; the first has a certain finding."""

    def make(*films: dict[str, Any]) -> Report:
        pixels = block((40, 30), (slice(10, 20), slice(5, 15)))
        sources = [
            radiograph(pixels, number=number, **attributes)
            for number, attributes in enumerate(films or ({},), start=1)
        ]
        study = open_study(save_all(sources, tmp_path / "films"))
        name = study.images[0].name
        finding = Finding(name, Box(10, 5, 20, 15), 0.9, 0.83, "certain", "leg")
        return report_on(study, {name: (finding,)})

    return make


@pytest.fixture
def scan_report(tmp_path: Path) -> ReportOf:
    """Make a report on a CT of four slices with a doubtful finding in the middle two."""

    def make(slices: tuple[int, int] | None = (1, 3), **attributes: Any) -> Report:
        volume = block((4, 33, 21), (slice(1, 3), slice(10, 20), slice(5, 15)), dtype=np.int16)
        study = open_study(save_all(ct_series(volume, **attributes), tmp_path / "scan"))
        name = study.images[0].name
        finding = Finding(name, Box(10, 5, 20, 15), 0.9, 0.3, "doubt")
        return report_on(study, {name: (replace(finding, slices=slices),)})

    return make
