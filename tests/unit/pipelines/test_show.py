"""Written forms read back over their source: the planted block, and what is refused."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from pydicom import dcmread

from dicom_builders import HOSTILE
from form_sources import BRIGHT, block, ct_series, form_bytes, radiograph, report_on, save_all
from fracturax.core.errors import DataError, FracturaXError, UnreadableImageError
from fracturax.core.finding import Finding, Mask
from fracturax.core.geometry import Box
from fracturax.core.report import Report
from fracturax.imaging import open_study
from fracturax.pipelines.show import ShownFile, documents, show
from fracturax.reporting.forms import FORMS

BOX = Box(12.0, 20.0, 30.0, 44.0)
CT_BOX, CT_SLICES = Box(20, 8, 44, 40), (1, 3)
MARKING = ("json", "fhir", "hl7", "sr", "seg", "gsps")
SHOWN = (*MARKING, "sc", "ko", "pdf")


@pytest.fixture(scope="module")
def film_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = block((64, 80), (slice(12, 30), slice(20, 44)))
    films = [radiograph(pixels), radiograph(np.full_like(pixels, 200), number=2)]
    return save_all(films, tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def film_report(film_folder: Path) -> Report:
    study = open_study(film_folder)
    name = study.images[0].name
    certain = Finding(name, BOX, 0.9, 0.83, "certain", "hand")
    doubt = Finding(name, Box(40.25, 5.5, 60.75, 15.0), 0.2, 0.2, "doubt")
    return report_on(study, {name: (certain, doubt)})


def _ct(folder: Path, orientation: tuple[int, ...]) -> tuple[Report, Path]:
    region = (slice(*CT_SLICES), slice(20, 44), slice(8, 40))
    volume = block((5, 60, 48), region, dtype=np.int16)
    source = save_all(ct_series(volume, orientation=orientation), folder)
    study = open_study(source)
    name = study.images[0].name
    mask = Mask.of(np.asarray(study.images[0].pixels == BRIGHT - 1024))
    finding = Finding(name, CT_BOX, 0.9, 0.83, "certain", "hand", mask, CT_SLICES)
    return report_on(study, {name: (finding,)}), source


def _written(report: Report, form: str, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for number, data in enumerate(form_bytes(report, form), start=1):
        (folder / f"study-{number}{FORMS[form].suffix}").write_bytes(data)
    return folder


def _box(mark: Any) -> tuple[float, ...]:
    assert mark.box is not None
    return tuple(mark.box.as_tuple())


@pytest.mark.parametrize("form", MARKING)
def test_each_form_marks_the_block_in_its_film(
    film_report: Report, film_folder: Path, tmp_path: Path, form: str
) -> None:
    results = _written(film_report, form, tmp_path / "results")
    files = list(show(results, source=film_folder, out=tmp_path / "pictures"))
    assert [one.form for one in files] == [form]
    assert not files[0].problem
    marks = files[0].marks
    boxes = sorted(_box(mark) for mark in marks)
    wanted = [finding.box.as_tuple() for finding in film_report.prediction.findings]
    # Pixels of a segmentation are whole.
    assert np.abs(np.subtract(boxes, sorted(wanted))).max() <= (0.5 if form == "seg" else 0.01)
    assert {mark.image for mark in marks} == {film_report.study.images[0].name}
    if form != "seg":
        dashed = {_box(mark) for mark in marks if mark.is_dashed}
        assert len(dashed) == 1
        assert min(dashed)[0] == pytest.approx(40.25, abs=0.01)


@pytest.mark.parametrize("form", ("sr", "seg"))
@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (0, -1, 0, 0, 0, -1)])
def test_each_form_marks_the_block_in_the_slices_of_a_ct(
    tmp_path: Path, form: str, orientation: tuple[int, ...]
) -> None:
    report, source = _ct(tmp_path / "ct", orientation)
    (file,) = show(_written(report, form, tmp_path / "results"), source=source)
    name = report.study.images[0].name
    by_slice = {mark.image: _box(mark) for mark in file.marks if mark.box is not None}
    assert set(by_slice) == {f"{name} slice {number}" for number in (2, 3)}
    for box in by_slice.values():
        assert np.abs(np.subtract(box, CT_BOX.as_tuple())).max() <= 0.5
    assert all(mark.off_px is None or mark.off_px < 0.01 for mark in file.marks)


@pytest.mark.parametrize("form", SHOWN)
def test_every_form_is_recognized_and_says_something(
    film_report: Report, film_folder: Path, tmp_path: Path, form: str
) -> None:
    results = _written(film_report, form, tmp_path / "results")
    files = list(show(results, source=film_folder, out=tmp_path / "pictures"))
    assert {one.form for one in files} == {form}
    assert all(one.title or one.lines for one in files)
    assert any(one.pictures for one in files)
    json.dumps(documents(files), allow_nan=False)
    for picture in (path for one in files for path in one.pictures):
        if picture.suffix == ".png":
            assert np.asarray(PillowImage.open(picture)).any()


def test_the_pictures_show_the_line_on_the_edge_of_the_block(
    film_report: Report, film_folder: Path, tmp_path: Path
) -> None:
    results = _written(film_report, "gsps", tmp_path / "results")
    (file,) = show(results, source=film_folder, out=tmp_path / "pictures")
    picture = np.asarray(PillowImage.open(file.pictures[0])).astype(int)[24:]
    scale = picture.shape[0] / 64
    line = (picture == (255, 127, 42)).all(axis=-1)
    rows, columns = np.nonzero(line[: round(32 * scale)])
    found = np.array([rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]) / scale
    assert np.abs(found - BOX.as_tuple()).max() <= 0.5


def test_without_a_source_marks_are_told_and_nothing_is_drawn(
    film_report: Report, tmp_path: Path
) -> None:
    results = _written(film_report, "sr", tmp_path / "results")
    (file,) = show(results, out=tmp_path / "pictures")
    assert len(file.marks) == 2
    assert not file.pictures


def test_another_study_as_source_is_refused(film_report: Report, tmp_path: Path) -> None:
    results = _written(film_report, "gsps", tmp_path / "results")
    other = radiograph(block((64, 80), (slice(1, 2), slice(1, 2))), SOPInstanceUID="1.2.3.4")
    source = save_all([other], tmp_path / "other")
    shown = show(results, source=source)
    assert "holds 0 of the 2 images" in next(shown).problem
    with pytest.raises(DataError, match="the source holds none of the images"):
        next(shown)


@pytest.mark.parametrize("folder", ["nothing", "empty"])
def test_a_path_without_results_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises((UnreadableImageError, DataError)):
        list(show(tmp_path / folder))


def _changed(report: Report, form: str, **attributes: Any) -> bytes:
    dataset = dcmread(io.BytesIO(form_bytes(report, form)[0]))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


DAMAGED = {
    "deep.json": lambda report: b"[" * 100_000,
    "deep object.json": lambda report: b'{"a":' * 100_000,
    "no image.json": lambda report: b'{"study_key": 1, "research_use_notice": 2}',
    "list.fhir.json": lambda report: b'{"resourceType": "Bundle", "entry": [1]}',
    "infinite.json": lambda report: form_bytes(report, "json")[0].replace(b"12.0", b"1e999"),
    "other.hl7": lambda report: b"MSH|^~\\&|A\rPID|1\r",
    "short.hl7": lambda report: form_bytes(report, "hl7")[0].replace(b"OBX|2|CWE", b"OBX|2"),
    "many frames.dcm": lambda report: _changed(report, "seg", NumberOfFrames=10**9),
    "more frames.dcm": lambda report: _changed(report, "seg", NumberOfFrames=40),
    "no points.dcm": lambda report: _changed(report, "sr", ContentSequence=[]),
    "no document.dcm": lambda report: _changed(report, "pdf", EncapsulatedDocument=b"\0\0"),
    "short.dcm": lambda report: form_bytes(report, "sc")[0][:-5000],
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_told_and_the_others_are_shown(
    film_report: Report, tmp_path: Path, name: str
) -> None:
    _written(film_report, "hl7", tmp_path)
    (tmp_path / name).write_bytes(DAMAGED[name](film_report))
    files = {one.file: one for one in show(tmp_path)}
    assert not files["study-1.hl7"].problem
    other = files.get(name, ShownFile("", ""))
    assert "Error" in other.problem or other.problem or not other.marks


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_no_crash(name: str, tmp_path: Path) -> None:
    path = tmp_path / HOSTILE[name][0]
    path.write_bytes(HOSTILE[name][1]())
    with suppress(FracturaXError):
        assert all(one.problem for one in show(path))


def test_a_finding_of_another_reading_is_another_mark(
    film_report: Report, film_folder: Path, tmp_path: Path
) -> None:
    image, *rest = film_report.prediction.images
    moved = tuple(replace(one, box=Box(1, 2, 9, 10)) for one in image.findings[:1])
    prediction = replace(film_report.prediction, images=(replace(image, findings=moved), *rest))
    results = _written(replace(film_report, prediction=prediction), "gsps", tmp_path / "results")
    (file,) = show(results, source=film_folder)
    assert [_box(mark) for mark in file.marks] == [(1, 2, 9, 10)]
