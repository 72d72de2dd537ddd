import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from form_sources import block, radiograph, report_on, save_all
from fracturax.core.errors import ConfigError, DataError
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.provenance import sha256_of_file
from fracturax.core.report import Report
from fracturax.core.study import Study
from fracturax.imaging import open_study
from fracturax.reporting import FORMS, write_report
from fracturax.reporting.replacement import replacing

ALWAYS = [form.suffix for form in FORMS.values() if form.source != "needed"]


@pytest.mark.parametrize("suffix", [*ALWAYS, ".HTML"])
def test_every_form_is_written_and_replaces_a_former_one(
    suffix: str, report: Report, unassessed_of: Callable[..., Report], tmp_path: Path
) -> None:
    path = tmp_path / f"report{suffix}"
    write_report(unassessed_of(), path)
    first = path.read_bytes()
    assert write_report(report, path) == path
    assert path.read_bytes() != first
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_an_unknown_suffix_names_those_that_work(report: Report, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.doc.*\.html, \.json, \.png, \.csv.*\.seg\.dcm"):
        write_report(report, tmp_path / "report.doc")
    with pytest.raises(ConfigError, match="no suffix"):
        write_report(report, tmp_path / "report")


def test_the_longest_suffix_decides_and_dcm_alone_is_the_structured_report(
    tmp_path: Path,
) -> None:
    report = _on_films(tmp_path / "films", 1)
    modalities = {}
    for suffix in (".dcm", ".SR.dcm", ".seg.dcm", ".ko.dcm"):
        path = write_report(report, tmp_path / f"wrist.left{suffix}")
        modalities[path.name] = dcmread(path).Modality
    assert list(modalities.values()) == ["SR", "SR", "SEG", "KO"]
    assert list(modalities)[1] == "wrist.left.SR.dcm"


def test_several_objects_of_a_form_are_numbered_beside_the_first(tmp_path: Path) -> None:
    path = write_report(_on_films(tmp_path / "films", 3), tmp_path / "wrist.seg.dcm")
    assert path.name == "wrist.seg.dcm"
    names = sorted(file.name for file in tmp_path.iterdir() if file.is_file())
    assert names == ["wrist.seg-2.dcm", "wrist.seg-3.dcm", "wrist.seg.dcm"]
    assert [dcmread(tmp_path / name).InstanceNumber for name in names] == [2, 3, 1]


def test_a_report_on_a_picture_has_no_dicom_form_and_names_those_it_has(
    report: Report, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"not read from DICOM.*use html, json"):
        write_report(report, tmp_path / "report.dcm")
    assert not list(tmp_path.iterdir())


def _on_films(folder: Path, count: int) -> Report:
    """Return a report on films with a finding each."""
    pixels = block((40, 30), (slice(10, 20), slice(5, 15)))
    films = [radiograph(pixels, number=number) for number in range(1, count + 1)]
    study = open_study(save_all(films, folder))
    box = Box(10, 5, 20, 15)
    return report_on(
        study,
        {one.name: (Finding(one.name, box, 0.9, 0.8, "certain"),) for one in study.images},
    )


def test_an_image_of_the_study_is_never_overwritten(
    report_of: Callable[..., Report], tmp_path: Path
) -> None:
    original = tmp_path / "film.png"
    original.write_bytes(b"the only copy")
    with pytest.raises(ConfigError, match="overwrite"):
        write_report(report_of("film.png"), original)
    report = report_of("renamed.dcm")
    image = replace(report.study.images[0], file_sha256=sha256_of_file(original))
    with pytest.raises(ConfigError, match="overwrite"):
        write_report(replace(report, study=Study("4f1a", (image,))), original)
    assert original.read_bytes() == b"the only copy"


def test_a_missing_folder_is_said(report: Report, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="folder"):
        write_report(report, tmp_path / "nowhere" / "report.json")


def test_a_failure_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("former")

    def fail() -> None:
        with replacing(path) as stream:
            stream.write(b"half of")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [file.read_text() for file in tmp_path.iterdir()] == ["former"]


def test_importing_reporting_stays_light() -> None:
    code = (
        "import sys, fracturax.reporting; "
        "print([n for n in ('matplotlib', 'torch', 'pandas') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
