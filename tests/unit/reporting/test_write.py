import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fracturax.core.errors import ConfigError
from fracturax.core.provenance import sha256_of_file
from fracturax.core.report import Report
from fracturax.core.study import Study
from fracturax.reporting import WRITABLE_SUFFIXES, write_report
from fracturax.reporting.replacement import replacing


@pytest.mark.parametrize("suffix", [*WRITABLE_SUFFIXES, ".HTML"])
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
    with pytest.raises(ConfigError, match=r"\.pdf.*\.json, \.html, \.png, \.csv"):
        write_report(report, tmp_path / "report.pdf")
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
