import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_builders import save
from form_sources import block, radiograph, report_on
from fracturax.core.errors import ConfigError, DataError
from fracturax.core.provenance import sha256_of_file
from fracturax.core.report import Report
from fracturax.core.study import Study
from fracturax.imaging import open_study
from fracturax.reporting import write_report
from fracturax.reporting.forms import FORMS
from fracturax.reporting.replacement import replacing


@pytest.mark.parametrize(
    "suffix", [*(form.suffix for form in FORMS.values() if form.source != "needed"), ".HTML"]
)
def test_every_form_is_written_and_replaces_a_former_one(
    suffix: str, report: Report, unassessed_of: Callable[..., Report], tmp_path: Path
) -> None:
    path = tmp_path / f"report{suffix}"
    write_report(unassessed_of(), path)
    first = path.read_bytes()
    assert write_report(report, path) == path
    assert path.read_bytes() != first
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".dcm", ".gsps.dcm"])
def test_a_dicom_form_of_other_images_is_refused(
    suffix: str, report: Report, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"not read from DICOM.*use html, json, png, csv"):
        write_report(report, tmp_path / f"report{suffix}")
    assert not list(tmp_path.iterdir())


def test_a_form_of_several_objects_numbers_its_files(tmp_path: Path) -> None:
    study = open_study(save(radiograph(block((64, 48), (slice(9), slice(9)))), tmp_path / "a.dcm"))
    path = tmp_path / "wrist.sc.dcm"
    assert write_report(report_on(study, {}), path) == path
    written = sorted(file.name for file in tmp_path.iterdir())
    assert written == ["a.dcm", "wrist.sc-2.dcm", "wrist.sc.dcm"]


def test_an_unknown_suffix_names_those_that_work(report: Report, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.doc.*\.html, \.json, \.png, \.csv"):
        write_report(report, tmp_path / "report.doc")
    with pytest.raises(ConfigError, match="no suffix"):
        write_report(report, tmp_path / "report")


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
