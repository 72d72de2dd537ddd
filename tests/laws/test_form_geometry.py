"""Every DICOM form marks the place that was found, as other eyes than ours see it.

Truth is in the stored pixels: a bright block. What a form says is read again by pydicom alone,
DCMTK or highdicom, and must coincide with the block within half a pixel.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    frames,
    made,
    orientations,
    radiograph,
    report_on,
    save_all,
)
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.report import Report
from fracturax.imaging import open_study

ROWS, COLUMNS = slice(120, 200), slice(90, 210)
PLACE = Box(120, 90, 200, 210)
SHAPE = (400, 300)
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


def _film(folder: Path, attributes: dict[str, Any]) -> tuple[Report, Path]:
    pixels = block(SHAPE, (ROWS, COLUMNS))
    if attributes.get("PhotometricInterpretation") == "MONOCHROME1":
        pixels = (4095 - pixels).astype(np.uint16)
    path = save(radiograph(pixels, **attributes), folder / "film.dcm")
    study = open_study(path)
    name = study.images[0].name
    finding = Finding(name, PLACE, 0.9, 0.8, "certain", "hand")
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
                    numbers = reference.get("ReferencedFrameNumber", 1)
                    for number in [numbers] if isinstance(numbers, int) else numbers:
                        uid = reference.ReferencedSOPInstanceUID
                        found.append((uid, int(number), annotation.GraphicLayer, _outline(graphic)))
    return found


def _inner_edges(copy: npt.NDArray[Any]) -> tuple[Sequence[float], Sequence[float]]:
    """Return the inside of the certain frame in a copy, and the block that is seen in it."""
    grey = (np.ptp(copy.astype(int), axis=-1) == 0) & (copy[..., 0] > 60)
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
    copies = made(report, "sc")[:3]
    assert [copy.SourceImageSequence[0].ReferencedFrameNumber for copy in copies] == [1, 2, 3]
    assert _close(*_inner_edges(copies[0].pixel_array))
    assert _close(*_inner_edges(copies[2].pixel_array))


@pytest.mark.parametrize(("orientation", "against"), list(orientations()))
def test_a_ct_of_any_orientation_is_marked_in_the_slices_of_the_block(
    tmp_path: Path, orientation: tuple[int, ...], against: bool
) -> None:
    volume = block(CT_SHAPE, CT_PLACE, dtype=np.int16)
    series = ct_series(volume, orientation=orientation, against=against)
    stored = {dataset.SOPInstanceUID: dataset for dataset in series}
    study = open_study(save_all(series, tmp_path))
    image = study.images[0]
    slices, rows, columns = np.nonzero(image.pixels == BRIGHT - 1024)
    box = Box(rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    finding = replace(
        Finding(image.name, box, 0.9, 0.8, "certain"),
        slices=(int(slices.min()), int(slices.max()) + 1),
    )
    report = report_on(study, {image.name: (finding,)})

    marked = _outlines(made(report, "gsps"))
    holding = {uid for uid, dataset in stored.items() if _stored_block(dataset) is not None}
    assert {uid for uid, *_ in marked} == holding
    assert all(_close(outline, _stored_block(stored[uid])) for uid, _, _, outline in marked)

    copy = made(report, "sc")[0]
    drawn_from = copy.SourceImageSequence[0].ReferencedSOPInstanceUID
    assert drawn_from in holding
    assert _close(*_inner_edges(copy.pixel_array))
