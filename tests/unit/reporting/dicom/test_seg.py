"""What the segmentation holds beside its place, which the laws prove."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from highdicom.seg import segread

from form_sources import form_bytes, made, report_on
from fracturax.core.errors import DataError
from fracturax.core.finding import Finding, Mask
from fracturax.core.geometry import Box
from fracturax.reporting.dicom.uids import finding_uid


def test_segments_say_what_they_are_and_whether_it_is_an_outline(film_report: Any) -> None:
    report = film_report()
    (finding,) = report.prediction.findings
    outlined = replace(
        finding, probability=0.2, certainty="doubt", mask=Mask(np.ones((4, 4), bool), (12, 6))
    )
    (dataset,) = made(report_on(report.study, {finding.image: (finding, outlined)}), "seg")
    boxed, masked = dataset.SegmentSequence
    assert "box of the finding, not its outline" in boxed.SegmentDescription
    assert "pixels that the model marked" in masked.SegmentDescription
    assert boxed.SegmentLabel == "Finding 1: certain, 83 %"
    assert masked.SegmentLabel == "Finding 2: doubt, 20 %"
    assert boxed.RecommendedDisplayCIELabValue != masked.RecommendedDisplayCIELabValue
    assert dataset.SegmentsOverlap == "YES"
    (report_object,) = made(report, "sr")
    assert boxed.TrackingUID == finding_uid(report_object.SeriesInstanceUID, 1)


def test_a_mask_is_kept_pixel_by_pixel_across_slices(scan_report: Any) -> None:
    report = scan_report()
    (image,) = report.study.images
    truth = np.zeros(image.pixels.shape, bool)
    truth[1:4, 5:30, 2:19] = np.random.default_rng(0).random((3, 25, 17)) > 0.5
    assert truth[0].size % 8, "frames that end within a byte"
    mask = Mask.of(truth)
    slices, rows, columns = mask.bounds
    box = Box(rows[0], columns[0], rows[1], columns[1])
    finding = Finding(image.name, box, 0.9, 0.8, "certain", mask=mask, slices=slices)
    (data,) = form_bytes(report_on(report.study, {image.name: (finding,)}), "seg")
    read = segread(io.BytesIO(data))
    uids = [f"1.2.826.0.1.3680043.8.498.77.1.3.{number}" for number in range(1, 5)]
    pixels = read.get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True)
    assert (pixels[..., 0].astype(bool) == truth).all()


def test_each_film_has_its_own_object(film_report: Any) -> None:
    report = film_report({}, {}, {})
    found = {
        image.name: (Finding(image.name, Box(0, 0, 9, 9), 0.9, 0.8, "certain"),)
        for image in (report.study.images[0], report.study.images[2])
    }
    objects = made(report_on(report.study, found), "seg")
    assert [one.InstanceNumber for one in objects] == [1, 2]
    assert len({one.SOPInstanceUID for one in objects}) == 2
    assert len({one.SeriesInstanceUID for one in objects}) == 1
    assert [one.SegmentSequence[0].TrackingID for one in objects] == ["Finding 1", "Finding 2"]


def test_a_study_without_a_finding_has_none_and_the_others_are_offered(film_report: Any) -> None:
    report = report_on(film_report().study, {})
    with pytest.raises(DataError, match=r"no DICOM segmentation.*got no finding.*sr, html"):
        form_bytes(report, "seg")


def test_a_scan_without_a_frame_of_reference_is_refused(scan_report: Any) -> None:
    with pytest.raises(DataError, match=r"SEG needs.*FrameOfReferenceUID.*sr"):
        form_bytes(scan_report(FrameOfReferenceUID=None), "seg")
