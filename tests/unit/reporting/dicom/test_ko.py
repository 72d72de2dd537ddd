"""Which images are the key ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dicom_builders import save
from form_sources import block, form_bytes, frames, made, report_on
from fracturax.core.errors import DataError
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.report import Report
from fracturax.imaging import open_study


def _keys(report: Report) -> list[Any]:
    (dataset,) = made(report, "ko")
    images = [item for item in dataset.ContentSequence if item.ValueType == "IMAGE"]
    references = [item.ReferencedSOPSequence[0] for item in images]
    evidence = {
        one.ReferencedSOPInstanceUID
        for study in dataset.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert evidence == {one.ReferencedSOPInstanceUID for one in references}
    return references


def test_the_films_with_a_finding_are_selected_and_no_others(film_report: Any) -> None:
    report = film_report({}, {})
    (key,) = _keys(report)
    assert key.ReferencedSOPInstanceUID.endswith(".1.1")
    assert "ReferencedFrameNumber" not in key


def test_of_a_scan_the_slice_in_the_middle_of_a_finding_is_selected(scan_report: Any) -> None:
    (key,) = _keys(scan_report(slices=(1, 4)))
    assert key.ReferencedSOPInstanceUID.endswith(".3.3")


def test_of_several_frames_those_with_a_finding_are_selected(tmp_path: Any) -> None:
    pixels = np.stack([block((40, 30), (slice(5, 9), slice(5, 9)))] * 3)
    study = open_study(save(frames(pixels), tmp_path / "frames.dcm"))
    found = {
        image.name: (Finding(image.name, Box(5, 5, 9, 9), 0.9, 0.8, "certain"),)
        for image in (study.images[0], study.images[2])
    }
    assert [key.ReferencedFrameNumber for key in _keys(report_on(study, found))] == [1, 3]


def test_nothing_found_flags_nothing(film_report: Any) -> None:
    with pytest.raises(DataError, match="no DICOM key object selection"):
        form_bytes(report_on(film_report().study, {}), "ko")
