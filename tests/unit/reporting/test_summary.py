import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fracturax.core.errors import ConfigError
from fracturax.core.report import Report
from fracturax.reporting import SummaryPage
from fracturax.reporting.summary import urgency


def _with(report: Report, status: str, probability: float) -> Report:
    prediction = replace(report.prediction, status=status, probability=probability)
    return replace(report, prediction=prediction)


def test_every_study_is_listed_and_the_worst_comes_first(
    report: Report, unassessed_of: Callable[..., Report], tmp_path: Path
) -> None:
    clear, doubt = _with(report, "no_fracture", 0.01), _with(report, "doubt", 0.3)
    studies = [clear, unassessed_of(), _with(report, "fracture", 0.6), doubt, report]
    path = tmp_path / "index.html"
    with SummaryPage(path) as summary:
        for number, study in enumerate(studies):
            summary.add(study, link=f"{number}.html")
        assert not path.exists()
    text = path.read_text("utf-8")
    orders = [int(order) for order in re.findall(r'style="--urgency: (\d+)"', text)]
    assert orders == [urgency(study.prediction) for study in studies]
    ranking = sorted(range(5), key=lambda number: orders[number])
    assert ranking == [4, 2, 3, 1, 0]
    assert re.findall(r'href="(\./\d\.html)"', text) == [f"./{number}.html" for number in range(5)]
    assert '<strong class="number">5</strong> studies' in text
    assert "display: none" not in text.split("@media print")[0]
    assert not re.search(r"https?:|<script", text)


def test_links_and_names_are_inert(report_of: Callable[..., Report], tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    with SummaryPage(path) as summary:
        summary.add(report_of('"><script>x</script>'), link='javascript:"><script>.html')
    text = path.read_text("utf-8")
    assert "<script" not in text
    assert 'href="./javascript%3A' in text


def test_a_failure_leaves_no_half_page(report: Report, tmp_path: Path) -> None:
    def fail() -> None:
        with SummaryPage(tmp_path / "index.html") as summary:
            summary.add(report)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_closed_summary_says_so(report: Report, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not open"):
        SummaryPage(tmp_path / "index.html").add(report)
