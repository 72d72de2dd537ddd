import csv
import io
from collections.abc import Callable

import pytest

from fracturax.core.report import Report
from fracturax.reporting import COLUMNS, ReportTable


def _rows(*reports: Report) -> list[dict[str, str]]:
    stream = io.StringIO(newline="")
    table = ReportTable(stream)
    for report in reports:
        table.add(report)
    return list(csv.DictReader(io.StringIO(stream.getvalue(), newline="")))


def test_every_image_and_every_unreadable_file_has_a_row(report: Report) -> None:
    first, second = _rows(report)
    assert tuple(first) == COLUMNS
    assert float(first["probability"]) == 0.8712345678901234
    assert first["best_box"] == "[120.5, 60.25, 260.0, 180.0]"
    assert (first["findings"], first["seconds"]) == ("2", "1.5")
    assert (second["image"], second["status"]) == ("notes.pdf", "not_assessed")
    assert second["reason"] == "it is no image"


def test_a_study_without_an_image_has_a_row(unassessed_of: Callable[..., Report]) -> None:
    (row,) = _rows(unassessed_of())
    assert (row["study"], row["status"], row["probability"]) == ("c0ff", "not_assessed", "")


@pytest.mark.parametrize(
    "name", ["=cmd()|'/c calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "＝1", '=1","2']
)
def test_a_formula_in_a_name_is_text(name: str, report_of: Callable[..., Report]) -> None:
    assert _rows(report_of(name))[0]["image"] == "'" + name


@pytest.mark.parametrize("name", ["Röntgen 骨折.png", 'a,"b".dcm', "two\nlines.dcm"])
def test_other_names_come_back_as_they_were(name: str, report_of: Callable[..., Report]) -> None:
    assert _rows(report_of(name))[0]["image"] == name
