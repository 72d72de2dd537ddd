"""What the structured report says, read by pydicom alone, highdicom and DCMTK."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from highdicom.sr import srread
from pydicom.dataset import Dataset

from form_sources import debian, form_bytes, made, report_on
from fracturax.core.report import Report
from fracturax.core.study import UnreadableFile


def _walk(item: Dataset) -> Iterator[Dataset]:
    for below in item.get("ContentSequence", []):
        yield below
        yield from _walk(below)


def _value(item: Dataset) -> Any:
    if item.ValueType == "CODE":
        return item.ConceptCodeSequence[0].CodeMeaning
    if item.ValueType == "NUM":
        return item.MeasuredValueSequence[0].FloatingPointValue
    return item.get("TextValue") or item.get("UID")


def _said(item: Dataset, name: str) -> list[Any]:
    return [
        _value(one) for one in _walk(item) if one.ConceptNameCodeSequence[0].CodeMeaning == name
    ]


def _parts(report: Report) -> dict[str, Dataset]:
    (dataset,) = made(report, "sr")
    return {item.ConceptNameCodeSequence[0].CodeMeaning: item for item in dataset.ContentSequence}


def test_a_finding_has_site_side_certainty_probability_and_algorithm(film_report: Any) -> None:
    (group,) = _parts(film_report())["Imaging Measurements"].ContentSequence
    assert _said(group, "Finding") == ["Fracture of bone"]
    assert _said(group, "Laterality") == ["Left"]
    assert _said(group, "Finding Site") == ["Wrist joint"]  # of the file, not the model's region
    assert _said(group, "Certainty of Finding") == ["Certain"]
    assert _said(group, "Probability") == [0.83]
    assert _said(group, "Algorithm Name") == ["FracturaX xray"]
    assert _said(group, "Algorithm Version") == ["2026.13"]
    assert f"bundle sha256 {'3f' * 32}" in _said(group, "Algorithm Parameters")
    named = film_report({"BodyPartExamined": None})
    assert _said(_parts(named)["Imaging Measurements"], "Finding Site") == ["Lower limb"]


def test_each_image_and_the_study_have_their_answer(film_report: Any) -> None:
    parts = _parts(film_report({}, {}))
    answers = parts["Qualitative Evaluations"]
    assert _said(answers, "Presence") == ["Present", "Present", "Absent"]
    assert _said(answers, "Probability") == [0.83, 0.83, 0.04]
    assert _said(answers, "Conclusion") == ["Fracture suspected, probability 83 %"]
    assert "Research use only" in _said(answers, "Comment")[0]
    library = [item for item in _walk(parts["Image Library"]) if item.ValueType == "IMAGE"]
    assert len(library) == 2


def test_nothing_found_is_said_without_a_measurement(film_report: Any) -> None:
    parts = _parts(report_on(film_report().study, {}))
    assert "Imaging Measurements" not in parts
    assert _said(parts["Qualitative Evaluations"], "Presence") == ["Absent", "Absent"]


def test_what_was_not_assessed_says_why(film_report: Any) -> None:
    report = film_report()
    (answer,) = report.prediction.images
    why = {"status": "not_assessed", "probability": None, "reason": "the film shows a chest"}
    prediction = replace(report.prediction, images=(replace(answer, findings=(), **why),), **why)
    study = replace(report.study, unreadable=(UnreadableFile("b.dcm", "it is cut short"),))
    answers = _parts(replace(report, study=study, prediction=prediction))["Qualitative Evaluations"]
    assert _said(answers, "Presence") == ["Not Evaluated", "Not Evaluated"]
    comments = _said(answers, "Comment")
    assert "Not assessed, because the film shows a chest" in comments
    assert "Not read: b.dcm (it is cut short)" in comments


def test_a_scan_is_marked_in_the_patient_and_else_in_its_slices(scan_report: Any) -> None:
    (placed,) = made(scan_report(), "sr")
    assert [one.ValueType for one in _walk(placed)].count("SCOORD3D") == 2
    (lone,) = made(scan_report(FrameOfReferenceUID=None), "sr")
    kinds = [one.ValueType for one in _walk(lone)]
    assert (kinds.count("SCOORD"), kinds.count("SCOORD3D")) == (2, 0)


def test_a_finding_of_unknown_slices_has_no_region(scan_report: Any) -> None:
    (dataset,) = made(scan_report(slices=None), "sr")
    assert not {"SCOORD", "SCOORD3D"} & {one.ValueType for one in _walk(dataset)}
    assert any("does not say in which slices" in text for text in _said(dataset, "Comment"))


def test_a_box_keeps_its_parts_of_a_pixel(film_report: Any) -> None:
    report = film_report()
    from fracturax.core.geometry import Box

    (finding,) = report.prediction.findings
    moved = replace(finding, box=Box(10.25, 5.5, 20.75, 35))
    (dataset,) = made(report_on(report.study, {finding.image: (moved,)}), "sr")
    (outline,) = [one for one in _walk(dataset) if one.ValueType == "SCOORD"]
    points = np.array(outline.GraphicData).reshape(-1, 2)
    assert points.min(axis=0).tolist() == [5.5, 10.25]
    assert points.max(axis=0).tolist() == [30.0, 20.75]


@pytest.mark.parametrize("kind", ["film", "scan", "nothing"])
def test_other_programs_read_it(
    film_report: Any, scan_report: Any, tmp_path: Path, kind: str
) -> None:
    report = scan_report() if kind == "scan" else film_report()
    report = report_on(report.study, {}) if kind == "nothing" else report
    (data,) = form_bytes(report, "sr")
    groups = srread(io.BytesIO(data)).content.get_image_measurement_groups()
    assert groups == []
    content = srread(io.BytesIO(data)).content
    planar = content.get_planar_roi_measurement_groups()
    volumetric = content.get_volumetric_roi_measurement_groups()
    assert (len(planar), len(volumetric)) == {"film": (1, 0), "scan": (0, 1), "nothing": (0, 0)}[
        kind
    ]
    path = tmp_path / "report.dcm"
    path.write_bytes(data)
    dump = subprocess.run([debian("dsrdump"), path], check=True, capture_output=True, text=True)
    assert "Comprehensive 3D SR Document" in dump.stdout and not dump.stderr.startswith("E:")
