"""Structured report, segmentation and key objects mark the place that was found.

Truth is a bright block in the stored pixels. What the objects say is read again by pydicom alone
and by highdicom's reader, led back to the pixels of the file it refers to by arithmetic of this
file's own, and must coincide with the block within half a pixel.
"""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from highdicom.seg import segread
from highdicom.sr import srread
from pydicom.dataset import Dataset

from dicom_builders import save
from form_sources import (
    BRIGHT,
    ENHANCED_CT,
    block,
    ct_series,
    debian,
    form_bytes,
    frames,
    made,
    orientations,
    radiograph,
    report_on,
    save_all,
)
from fracturax.core.finding import Finding, Mask
from fracturax.core.geometry import Box
from fracturax.core.report import Report
from fracturax.imaging import open_study

SHAPE, PLACE = (400, 300), Box(120, 90, 200, 210)
INSIDE = (slice(120, 200), slice(90, 210))
CT_SHAPE, CT_INSIDE = (5, 120, 96), (slice(1, 3), slice(50, 90), slice(18, 70))


def film_report(folder: Path, **attributes: Any) -> tuple[Report, Dataset]:
    source = radiograph(block(SHAPE, INSIDE), **attributes)
    study = open_study(save(source, folder / "film.dcm"))
    name = study.images[0].name
    return report_on(study, {name: (Finding(name, PLACE, 0.9, 0.8, "certain"),)}), source


def ct_report(folder: Path, series: list[Dataset]) -> Report:
    """Return a report whose finding is the block, found in the pixels as they were read."""
    study = open_study(save_all(series, folder))
    image = study.images[0]
    mask = Mask.of(image.pixels == BRIGHT - 1024)
    (first, end), (top, bottom), (left, right) = mask.bounds
    box = Box(top, left, bottom, right)
    finding = Finding(image.name, box, 0.9, 0.8, "doubt", slices=(first, end))
    return report_on(study, {image.name: (finding,)})


def bright(dataset: Dataset) -> npt.NDArray[np.bool_]:
    return np.asarray(dataset.pixel_array == BRIGHT)


def extent(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask)
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def items(dataset: Dataset, value_type: str) -> Iterator[Dataset]:
    for item in dataset.get("ContentSequence", []):
        if item.ValueType == value_type:
            yield item
        yield from items(item, value_type)


def sides(points: npt.NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return `(row_min, column_min, row_max, column_max)` of `(column, row)` points."""
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return top, left, bottom, right


def in_plane(source: Dataset, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Return patient points as `(column, row)` from the corner of a slice; None if outside it."""
    across, down = np.array(source.ImageOrientationPatient, float).reshape(2, 3)
    away = points - np.array(source.ImagePositionPatient, float)
    if np.abs(away @ np.cross(across, down)).max() > source.SliceThickness / 2:
        return None
    rows, columns = source.PixelSpacing
    return np.column_stack((away @ across / columns, away @ down / rows)) + 0.5


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"ImagerPixelSpacing": [0.3, 0.1]},
        {"PixelSpacing": [0.17, 0.17], "PixelSpacingCalibrationType": "GEOMETRY"},
    ],
    ids=["monochrome2", "monochrome1", "unequal", "calibrated"],
)
def test_a_film_is_marked_where_the_block_is(tmp_path: Path, attributes: dict[str, Any]) -> None:
    report, source = film_report(tmp_path, **attributes)
    truth = extent(bright(source))

    (outline,) = items(made(report, "sr")[0], "SCOORD")
    assert sides(np.array(outline.GraphicData).reshape(-1, 2)) == truth
    reference = outline.ContentSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert "ReferencedFrameNumber" not in reference

    (segmentation,) = made(report, "seg")
    assert extent(segmentation.pixel_array.astype(bool)) == truth
    image = segmentation.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0]
    assert image.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID

    (key,) = items(made(report, "ko")[0], "IMAGE")
    assert key.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID


def test_edges_between_pixels_and_boxes_over_the_border_are_kept(tmp_path: Path) -> None:
    report, _ = film_report(tmp_path)
    name = report.study.images[0].name
    boxes = (Box(10.25, 20.5, 30.75, 40.5), Box(-5, 280.5, 50, 320), Box(7.6, 8.6, 7.8, 8.9))
    findings = tuple(Finding(name, box, 0.9, 0.8, "certain") for box in boxes)
    report = report_on(report.study, {name: findings})
    outlines = [
        sides(np.array(item.GraphicData).reshape(-1, 2))
        for item in items(made(report, "sr")[0], "SCOORD")
    ]
    assert outlines[0] == boxes[0].as_tuple()
    assert outlines[1] == (0, 280.5, 50, 300)
    for index, mask in enumerate(made(report, "seg")[0].pixel_array.astype(bool)):
        found = np.subtract(extent(mask), outlines[index])
        # A box smaller than a pixel is the pixel that it lies in.
        assert np.abs(found).max() <= (0.5 if index < 2 else 1), index


def test_each_frame_of_several_is_referred_to_by_its_number(tmp_path: Path) -> None:
    pixels = np.stack([block(SHAPE, (slice(100 + 20 * n, 180), slice(9, 33))) for n in range(3)])
    source = frames(pixels)
    study = open_study(save(source, tmp_path / "frames.dcm"))
    found = {
        study.images[n].name: (
            Finding(study.images[n].name, Box(100 + 20 * n, 9, 180, 33), 0.9, 0.8, "certain"),
        )
        for n in (0, 2)
    }
    report = report_on(study, found)

    outlines = {
        item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber: sides(
            np.array(item.GraphicData).reshape(-1, 2)
        )
        for item in items(made(report, "sr")[0], "SCOORD")
    }
    (segmentation,) = made(report, "seg")
    segments = {
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber: extent(mask)
        for group, mask in zip(
            segmentation.PerFrameFunctionalGroupsSequence,
            segmentation.pixel_array.astype(bool),
            strict=True,
        )
    }
    truth = {n + 1: extent(pixels[n] == BRIGHT) for n in (0, 2)}
    assert outlines == segments == truth
    keys = items(made(report, "ko")[0], "IMAGE")
    assert [key.ReferencedSOPSequence[0].ReferencedFrameNumber for key in keys] == [1, 3]


@pytest.mark.parametrize(("orientation", "against"), list(orientations()))
def test_a_ct_of_any_orientation_is_marked_in_the_slices_of_the_block(
    tmp_path: Path, orientation: tuple[int, ...], against: bool
) -> None:
    volume = block(CT_SHAPE, CT_INSIDE, dtype=np.int16)
    series = ct_series(volume, orientation=orientation, against=against)
    truth = {
        dataset.SOPInstanceUID: extent(bright(dataset))
        for dataset in series
        if bright(dataset).any()
    }
    report = ct_report(tmp_path, series)

    regions = list(items(made(report, "sr")[0], "SCOORD3D"))
    assert len(regions) == len(truth)
    for region in regions:
        points = np.array(region.GraphicData).reshape(-1, 3)
        assert region.ReferencedFrameOfReferenceUID == series[0].FrameOfReferenceUID
        placed = {source.SOPInstanceUID: in_plane(source, points) for source in series}
        ((uid, found),) = ((uid, found) for uid, found in placed.items() if found is not None)
        assert np.abs(np.subtract(sides(found), truth.pop(uid))).max() < 1e-3
    assert not truth

    (data,) = form_bytes(report, "seg")
    segmentation = segread(io.BytesIO(data))
    sources = {dataset.SOPInstanceUID: dataset for dataset in series}
    every = [dataset.SOPInstanceUID for dataset in series]
    masks = segmentation.get_pixels_by_source_instance(every, assert_missing_frames_are_empty=True)
    for uid, mask in zip(every, masks[..., 0], strict=True):
        assert (mask.astype(bool) == bright(sources[uid])).all()
    # By its place instead of its references, as viewers do that resample.
    placed_volume = segmentation.get_volume(combine_segments=True)
    centers = np.argwhere(placed_volume.array > 0)
    middle = placed_volume.map_indices_to_reference(centers).mean(axis=0)
    marked = [dataset for dataset in series if bright(dataset).any()]
    expected = np.mean([_center_mm(dataset) for dataset in marked], axis=0)
    assert np.abs(middle - expected).max() < 1e-3


def _center_mm(source: Dataset) -> npt.NDArray[np.float64]:
    across, down = np.array(source.ImageOrientationPatient, float).reshape(2, 3)
    row, column = np.argwhere(bright(source)).mean(axis=0)
    spacing = np.array(source.PixelSpacing, float)
    place = np.array(source.ImagePositionPatient, float)
    return np.asarray(place + down * row * spacing[0] + across * column * spacing[1])


def test_a_mask_is_kept_pixel_by_pixel_across_slices(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    series = ct_series(block((4, 33, 21), (slice(0, 1),), dtype=np.int16))
    study = open_study(save_all(series, tmp_path))
    image = study.images[0]
    truth = np.zeros(image.pixels.shape, bool)
    truth[1:4, 5:30, 2:19] = rng.random((3, 25, 17)) > 0.5
    mask = Mask.of(truth)
    (slices, rows, columns) = mask.bounds
    box = Box(rows[0], columns[0], rows[1], columns[1])
    finding = Finding(image.name, box, 0.9, 0.8, "certain", mask=mask, slices=slices)
    other = replace(finding, mask=None, probability=0.3, certainty="doubt")
    report = report_on(study, {image.name: (finding, other)})
    (segmentation,) = made(report, "seg")
    assert segmentation.SegmentsOverlap == "YES"
    described = [item.SegmentDescription for item in segmentation.SegmentSequence]
    assert "model marked" in described[0] and "box of the finding" in described[1]
    (data,) = form_bytes(report, "seg")
    uids = [f"{series[0].SOPInstanceUID[:-1]}{number}" for number in range(1, 5)]
    read = segread(io.BytesIO(data)).get_pixels_by_source_instance(
        uids, assert_missing_frames_are_empty=True
    )
    assert (read[..., 0].astype(bool) == truth).all()


def test_an_enhanced_ct_is_marked_in_its_frames(tmp_path: Path) -> None:
    series = ct_series(block(CT_SHAPE, CT_INSIDE, dtype=np.int16))
    source = _enhanced(series)
    report = ct_report(tmp_path, [source])
    regions = [
        np.array(item.GraphicData).reshape(-1, 3)
        for item in items(made(report, "sr")[0], "SCOORD3D")
    ]
    truth = {n + 1: extent(bright(one)) for n, one in enumerate(series) if bright(one).any()}
    assert len(regions) == len(truth)
    for points, number in zip(regions, truth, strict=True):
        found = in_plane(series[number - 1], points)
        assert found is not None and np.abs(np.subtract(sides(found), truth[number])).max() < 1e-3
    (segmentation,) = made(report, "seg")
    found_in = {
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber: extent(mask)
        for group, mask in zip(
            segmentation.PerFrameFunctionalGroupsSequence,
            segmentation.pixel_array.astype(bool),
            strict=True,
        )
    }
    assert found_in == truth


def _enhanced(series: list[Dataset]) -> Dataset:
    """Return a series as one object with functional groups."""
    whole = frames(
        np.stack([dataset.pixel_array for dataset in series]),
        SOPClassUID=ENHANCED_CT,
        Modality="CT",
        FrameOfReferenceUID=series[0].FrameOfReferenceUID,
    )
    shared = Dataset()
    for name, keywords in (
        ("PixelMeasuresSequence", ("PixelSpacing", "SliceThickness")),
        ("PlaneOrientationSequence", ("ImageOrientationPatient",)),
        ("PixelValueTransformationSequence", ("RescaleSlope", "RescaleIntercept", "RescaleType")),
    ):
        setattr(shared, name, [_some(series[0], *keywords)])
    whole.SharedFunctionalGroupsSequence = [shared]
    whole.PerFrameFunctionalGroupsSequence = []
    for dataset in series:
        group = Dataset()
        group.PlanePositionSequence = [_some(dataset, "ImagePositionPatient")]
        whole.PerFrameFunctionalGroupsSequence.append(group)
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        delattr(whole, keyword)
    return whole


def _some(dataset: Dataset, *keywords: str) -> Dataset:
    item = Dataset()
    for keyword in keywords:
        setattr(item, keyword, dataset[keyword].value)
    return item


@pytest.mark.parametrize("form", ["sr", "seg", "ko"])
@pytest.mark.parametrize("kind", ["film", "nothing found", "ct"])
def test_the_objects_are_valid_and_read_by_others(tmp_path: Path, form: str, kind: str) -> None:
    if kind == "ct":
        report = ct_report(tmp_path, ct_series(block(CT_SHAPE, CT_INSIDE, dtype=np.int16)))
    else:
        report, _ = film_report(tmp_path)
    if kind == "nothing found":
        report = report_on(report.study, {})
        if form != "sr":
            return
    for number, data in enumerate(form_bytes(report, form)):
        path = tmp_path / f"{number}.{form}.dcm"
        path.write_bytes(data)
        checked = _run(debian("dciodvfy"), path)
        assert "Error" not in checked, checked
        if form != "seg":
            dump = _run(debian("dsrdump"), path)
            expected = "Imaging Measurement Report" if form == "sr" else "Of Interest"
            assert expected in dump and "\nE: " not in dump, dump
        if form == "sr":
            groups = srread(io.BytesIO(data)).content.get_image_measurement_groups()
            assert groups[-1].tracking_identifier == "Study"


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    return done.stdout + done.stderr
