"""Every DICOM form marks the place that was found, as other eyes than ours see it.

Truth is in the stored pixels: a bright block. What a form says is read again by pydicom alone,
DCMTK or highdicom, and must coincide with the block within half a pixel.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as PillowImage
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_builders import save
from form_sources import (
    BRIGHT,
    block,
    ct_series,
    debian,
    enhanced_ct,
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

ROWS, COLUMNS = slice(120, 200), slice(90, 210)
PLACE = Box(120, 90, 200, 210)
SHAPE = (400, 300)
# A mask that none of the mirrored or turned ones looks like: a quarter of an ellipse.
DISC = np.hypot(*np.meshgrid(np.linspace(0, 1, 80), np.linspace(0, 1, 120), indexing="ij")) <= 1
CT_SHAPE = (5, 120, 96)
CT_PLACE = (slice(1, 3), slice(50, 90), slice(18, 70))

FILMS: dict[str, dict[str, Any]] = {
    "monochrome2": {},
    "monochrome1": {"PhotometricInterpretation": "MONOCHROME1"},
    "unequal spacing": {"ImagerPixelSpacing": [0.3, 0.1]},
    "calibrated": {
        "ImagerPixelSpacing": [0.2, 0.2],
        "PixelSpacing": [0.17, 0.17],
        "PixelSpacingCalibrationType": "GEOMETRY",
        "PixelSpacingCalibrationDescription": "of the test",
    },
    "no spacing": {"ImagerPixelSpacing": None},
}


def _film(
    folder: Path, attributes: dict[str, Any], *, mask: npt.NDArray[np.bool_] | None = None
) -> tuple[Report, Path]:
    pixels = block(SHAPE, (ROWS, COLUMNS))
    if attributes.get("PhotometricInterpretation") == "MONOCHROME1":
        pixels = (4095 - pixels).astype(np.uint16)
    path = save(radiograph(pixels, **attributes), folder / "film.dcm")
    study = open_study(path)
    name = study.images[0].name
    outlined = None if mask is None else Mask(mask, (ROWS.start, COLUMNS.start))
    finding = Finding(name, PLACE, 0.9, 0.8, "certain", "hand", mask=outlined)
    return report_on(study, {name: (finding,)}), path


def _extent(mask: npt.NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Return the half-open box of what is true, each line of it at least half of the longest."""
    rows, columns = mask.sum(axis=1), mask.sum(axis=0)
    row = np.flatnonzero(rows > rows.max() / 2)
    column = np.flatnonzero(columns > columns.max() / 2)
    return float(row[0]), float(column[0]), float(row[-1] + 1), float(column[-1] + 1)


def _stored_block(dataset: Dataset, frame: int = 1) -> tuple[float, float, float, float] | None:
    pixels = dataset.pixel_array
    pixels = pixels if pixels.ndim == 2 else pixels[frame - 1]
    inverse = dataset.PhotometricInterpretation == "MONOCHROME1"
    mask = pixels == (4095 - BRIGHT if inverse else BRIGHT)
    return _extent(mask) if mask.any() else None


def _outline(item: Dataset) -> tuple[float, float, float, float]:
    points = np.array(item.GraphicData).reshape(-1, 2)
    assert (points[0] == points[-1]).all()
    left, top = points.min(axis=0)
    right, bottom = points.max(axis=0)
    return float(top), float(left), float(bottom), float(right)


def _close(found: Sequence[float], truth: Sequence[float] | None) -> bool:
    return truth is not None and bool(np.abs(np.subtract(found, truth)).max() <= 0.5)


def _outlines(
    states: Sequence[Dataset],
) -> list[tuple[str, int, str, tuple[float, float, float, float]]]:
    """Return instance, frame, layer and outline of every line of presentation states."""
    found = []
    for state in states:
        for annotation in state.GraphicAnnotationSequence:
            for graphic in annotation.get("GraphicObjectSequence", []):
                assert graphic.GraphicAnnotationUnits == "PIXEL"
                for reference in annotation.ReferencedImageSequence:
                    uid, layer = reference.ReferencedSOPInstanceUID, annotation.GraphicLayer
                    for number in _frames_of(reference):
                        found.append((uid, number, layer, _outline(graphic)))
    return found


def _frames_of(reference: Dataset) -> list[int]:
    numbers = reference.get("ReferencedFrameNumber", 1)
    return [int(numbers)] if isinstance(numbers, int) else [int(number) for number in numbers]


def _items(item: Dataset) -> Iterator[Dataset]:
    yield item
    for below in item.get("ContentSequence", []):
        yield from _items(below)


def _regions(report: Dataset) -> list[tuple[str, int, tuple[float, float, float, float]]]:
    """Return instance, frame and outline of every region in the image of a structured report."""
    found = []
    for item in _items(report):
        if item.get("ValueType") == "SCOORD":
            reference = item.ContentSequence[0].ReferencedSOPSequence[0]
            uid = reference.ReferencedSOPInstanceUID
            found += [(uid, number, _outline(item)) for number in _frames_of(reference)]
    return found


def _regions_in_patient(report: Dataset) -> list[npt.NDArray[np.float64]]:
    return [
        np.array(item.GraphicData, float).reshape(-1, 3)
        for item in _items(report)
        if item.get("ValueType") == "SCOORD3D"
    ]


def _pixels_of(
    points: npt.NDArray[np.float64], stored: Dataset
) -> tuple[npt.NDArray[np.float64], float]:
    """Return column and row of patient points in a stored slice, and how far from it they lie.

    References:
        DICOM PS3.3, C.7.6.2.1.1, equation C.7.6.2.1-1; half a pixel on, as SCOORD counts.
    """
    along_row, along_column = np.split(np.array(stored.ImageOrientationPatient, float), 2)
    down, across = (float(mm) for mm in stored.PixelSpacing)
    way = points - np.array(stored.ImagePositionPatient, float)
    height = way @ np.cross(along_row, along_column)
    columns, rows = way @ along_row / across + 0.5, way @ along_column / down + 0.5
    return np.column_stack((columns, rows)), float(np.abs(height).max())


def _segments(segmentation: Dataset) -> list[tuple[str, int, npt.NDArray[np.bool_]]]:
    """Return instance and frame of the source, and the pixels, of every frame of a segmentation."""
    pixels = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns)
    found = []
    for groups, plane in zip(segmentation.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        number = _frames_of(source)[0]
        found.append((str(source.ReferencedSOPInstanceUID), number, plane.astype(bool)))
    return found


def _inner_edges(copy: npt.NDArray[Any]) -> tuple[Sequence[float], Sequence[float]]:
    """Return the inside of the certain frame in a copy, and the block that is seen in it."""
    grey = (np.ptp(copy.astype(np.int16), axis=-1) == 0) & (copy[..., 0] > 60)
    values = np.bincount(copy[..., 0][grey], minlength=256)
    truth = _extent(grey & (copy[..., 0] == values.argmax()))
    middle_row, middle_column = int(truth[0] + truth[2]) // 2, int(truth[1] + truth[3]) // 2
    frame = (copy == (0xFF, 0x7F, 0x2A)).all(axis=-1)
    across, down = np.flatnonzero(frame[middle_row]), np.flatnonzero(frame[:, middle_column])
    inside = (
        down[down < middle_row].max() + 1,
        across[across < middle_column].max() + 1,
        down[down > middle_row].min(),
        across[across > middle_column].min(),
    )
    return tuple(float(edge) for edge in inside), truth


Stored = dict[tuple[str, int], Dataset]
"""Slices by instance and frame; those of an enhanced object as if each were stored alone."""


def _check_marks(report: Report, stored: Stored) -> None:
    """Compare what every form marks in a scan with the block in its stored slices."""
    blocks = {place: _stored_block(one) for place, one in stored.items()}
    holding = {place for place, truth in blocks.items() if truth is not None}

    marked = _outlines(made(report, "gsps"))
    assert {(uid, number) for uid, number, _, _ in marked} == holding
    assert all(_close(outline, blocks[uid, number]) for uid, number, _, outline in marked)

    outlines = _regions_in_patient(made(report, "sr")[0])
    assert len(outlines) == len(holding)
    for points in outlines:
        placed = {place: _pixels_of(points, one) for place, one in stored.items()}
        nearest = min(placed, key=lambda place: placed[place][1])
        pixels, away_mm = placed[nearest]
        assert nearest in holding and away_mm < 1e-3
        (left, top), (right, bottom) = pixels.min(axis=0), pixels.max(axis=0)
        assert _close((top, left, bottom, right), blocks[nearest])

    segmentation = made(report, "seg")[0]
    segments = _segments(segmentation)
    assert {(uid, number) for uid, number, _ in segments} == holding
    for uid, number, pixels_marked in segments:
        assert np.array_equal(pixels_marked, stored[uid, number].pixel_array == BRIGHT)
    # highdicom places it by its own functional groups, and knows nothing of our affine.
    read = highdicom.seg.Segmentation.from_dataset(segmentation).get_volume(combine_segments=True)
    voxels = read.map_indices_to_reference(np.argwhere(read.array > 0))
    truth = np.concatenate([_bright_in_patient(one) for one in stored.values()])
    assert len(voxels) == len(truth)
    order = [np.lexsort(points.round(2).T) for points in (voxels, truth)]
    assert np.abs(voxels[order[0]] - truth[order[1]]).max() < 0.25  # mm: half the least spacing

    copy = made(report, "sc")[0]
    drawn_from = copy.SourceImageSequence[0]
    assert (drawn_from.ReferencedSOPInstanceUID, _frames_of(drawn_from)[0]) in holding
    assert _close(*_inner_edges(copy.pixel_array))


def _bright_in_patient(stored: Dataset) -> npt.NDArray[np.float64]:
    along_row, along_column = np.split(np.array(stored.ImageOrientationPatient, float), 2)
    down, across = (float(mm) for mm in stored.PixelSpacing)
    rows, columns = np.nonzero(stored.pixel_array == BRIGHT)
    origin = np.array(stored.ImagePositionPatient, float)
    placed: npt.NDArray[np.float64] = (
        origin + np.outer(columns * across, along_row) + np.outer(rows * down, along_column)
    )
    return placed


@pytest.mark.parametrize("attributes", FILMS.values(), ids=FILMS)
def test_a_presentation_state_outlines_the_block_in_the_stored_film(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    report, path = _film(tmp_path, attributes)
    source = dcmread(path)
    ((uid, _, layer, outline),) = _outlines(made(report, "gsps"))
    assert (uid, layer) == (source.SOPInstanceUID, "CERTAIN")
    assert _close(outline, _stored_block(source))


@pytest.mark.parametrize("attributes", FILMS.values(), ids=FILMS)
def test_a_structured_report_outlines_the_block_in_the_stored_film(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    report, path = _film(tmp_path, attributes)
    source = dcmread(path)
    ((uid, number, outline),) = _regions(made(report, "sr")[0])
    assert (uid, number) == (source.SOPInstanceUID, 1)
    assert _close(outline, _stored_block(source))


@pytest.mark.parametrize("masked", [False, True], ids=["box", "mask"])
@pytest.mark.parametrize("attributes", FILMS.values(), ids=FILMS)
def test_a_segmentation_fills_the_block_or_its_mask(
    tmp_path: Path, attributes: dict[str, Any], masked: bool
) -> None:
    report, path = _film(tmp_path, attributes, mask=DISC if masked else None)
    source = dcmread(path)
    segmentation = made(report, "seg")[0]
    ((uid, number, pixels),) = _segments(segmentation)
    assert (uid, number) == (source.SOPInstanceUID, 1)
    truth = np.zeros(SHAPE, bool)
    truth[ROWS, COLUMNS] = DISC if masked else True
    assert np.array_equal(pixels, truth)
    by_highdicom = highdicom.seg.Segmentation.from_dataset(segmentation)
    read = by_highdicom.get_pixels_by_source_instance([uid], combine_segments=True)
    assert np.array_equal(read[0] > 0, truth)


@pytest.mark.parametrize("attributes", FILMS.values(), ids=FILMS)
def test_the_frame_in_an_annotated_copy_runs_around_the_block(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    report, _ = _film(tmp_path, attributes)
    copy = made(report, "sc")[0]
    assert _close(*_inner_edges(copy.pixel_array))
    ratio = copy.get("PixelAspectRatio")
    assert (ratio is None) == (
        "unequal" not in next(n for n, a in FILMS.items() if a is attributes)
    )


def test_a_copy_is_the_same_by_dcmtk(tmp_path: Path) -> None:
    report, _ = _film(tmp_path, {})
    path = save(made(report, "sc")[0], tmp_path / "copy.dcm")
    subprocess.run([debian("dcm2pnm"), "+on", path, tmp_path / "copy.png"], check=True)
    with PillowImage.open(tmp_path / "copy.png") as png:
        assert _close(*_inner_edges(np.asarray(png.convert("RGB"))))


def test_a_film_larger_than_a_copy_may_be_is_marked_at_its_scale(tmp_path: Path) -> None:
    pixels = block((3840, 600), (slice(900, 1500), slice(150, 450)))
    study = open_study(save(radiograph(pixels), tmp_path / "film.dcm"))
    name = study.images[0].name
    finding = Finding(name, Box(900, 150, 1500, 450), 0.9, 0.8, "certain")
    copy = made(report_on(study, {name: (finding,)}), "sc")[0]
    inside, truth = _inner_edges(copy.pixel_array)
    assert _close(inside, truth)
    assert truth[2] - truth[0] == pytest.approx(600 * 2560 / 3840, abs=1)


def test_the_lines_are_those_that_dcmtk_dumps(tmp_path: Path) -> None:
    report, _ = _film(tmp_path, {})
    path = save(made(report, "gsps")[0], tmp_path / "state.dcm")
    dump = subprocess.run(
        [debian("dcmdump"), "+P", "GraphicData", path], check=True, capture_output=True, text=True
    )
    numbers = re.search(r"FL ([\d.\\]+)", dump.stdout)
    assert numbers is not None
    points = np.array([float(number) for number in numbers[1].split("\\") if number])
    assert points[0::2].min() == PLACE.column_min and points[0::2].max() == PLACE.column_max
    assert points[1::2].min() == PLACE.row_min and points[1::2].max() == PLACE.row_max
    check = subprocess.run([debian("dcmpschk"), path], check=False, capture_output=True, text=True)
    assert "Test passed" in check.stdout + check.stderr


def test_each_frame_of_several_is_marked_by_itself(tmp_path: Path) -> None:
    pixels = np.stack(
        [block(SHAPE, (slice(100 + 20 * n, 180 + 20 * n), COLUMNS)) for n in range(3)]
    )
    path = save(frames(pixels), tmp_path / "frames.dcm")
    study = open_study(path)
    found = {}
    for number in (0, 2):
        name = study.images[number].name
        box = Box(100 + 20 * number, 90, 180 + 20 * number, 210)
        found[name] = (Finding(name, box, 0.9, 0.8, "certain"),)
    report = report_on(study, found)
    source = dcmread(path)
    lines = _outlines(made(report, "gsps"))
    assert [number for _, number, _, _ in lines] == [1, 3]
    assert all(_close(outline, _stored_block(source, number)) for _, number, _, outline in lines)
    regions = _regions(made(report, "sr")[0])
    assert [number for _, number, _ in regions] == [1, 3]
    assert all(_close(outline, _stored_block(source, number)) for _, number, outline in regions)
    segments = [one for dataset in made(report, "seg") for one in _segments(dataset)]
    assert [number for _, number, _ in segments] == [1, 3]
    for _, number, marked in segments:
        assert np.array_equal(marked, source.pixel_array[number - 1] == BRIGHT)
    copies = made(report, "sc")[:3]
    assert [copy.SourceImageSequence[0].ReferencedFrameNumber for copy in copies] == [1, 2, 3]
    assert _close(*_inner_edges(copies[0].pixel_array))
    assert _close(*_inner_edges(copies[2].pixel_array))


def _scan_report(path: Path, *, masked: bool = False) -> Report:
    """Return a report on a scan with its block found, as the pixels of the opened volume say."""
    study = open_study(path)
    image = study.images[0]
    bright = image.pixels == BRIGHT - 1024
    slices, rows, columns = np.nonzero(bright)
    finding = Finding(
        image.name,
        Box(rows.min(), columns.min(), rows.max() + 1, columns.max() + 1),
        0.9,
        0.8,
        "certain",
        mask=Mask.of(bright) if masked else None,
        slices=(int(slices.min()), int(slices.max()) + 1),
    )
    return report_on(study, {image.name: (finding,)})


@pytest.mark.parametrize(("orientation", "against"), list(orientations()))
def test_a_ct_of_any_orientation_is_marked_in_the_slices_of_the_block(
    tmp_path: Path, orientation: tuple[int, ...], against: bool
) -> None:
    volume = block(CT_SHAPE, CT_PLACE, dtype=np.int16)
    series = ct_series(volume, orientation=orientation, against=against)
    report = _scan_report(save_all(series, tmp_path), masked=against)
    _check_marks(report, {(one.SOPInstanceUID, 1): one for one in series})


@pytest.mark.parametrize("against", [False, True])
def test_a_ct_in_one_object_is_marked_in_its_frames(tmp_path: Path, against: bool) -> None:
    series = ct_series(block(CT_SHAPE, CT_PLACE, dtype=np.int16))
    series = series[::-1] if against else series
    stored = enhanced_ct(series)
    report = _scan_report(save(stored, tmp_path / "enhanced.dcm"))
    numbered = enumerate(series, start=1)
    _check_marks(report, {(stored.SOPInstanceUID, number): one for number, one in numbered})


def test_an_oblique_ct_is_marked_as_it_lies(tmp_path: Path) -> None:
    turn = np.radians(20.0)
    oblique = (np.cos(turn), np.sin(turn), 0.0, 0.0, 0.0, -1.0)
    series = ct_series(block(CT_SHAPE, CT_PLACE, dtype=np.int16), orientation=oblique)
    report = _scan_report(save_all(series, tmp_path), masked=True)
    _check_marks(report, {(one.SOPInstanceUID, 1): one for one in series})
