import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image as PillowImage

from fracturax.core.geometry import Box
from fracturax.core.image import Radiograph
from fracturax.core.prediction import STATUSES
from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.reporting import report_page
from fracturax.reporting.wording import WORDING

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}骨折.dcm"


class _Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str, *, kind: str = "") -> list[dict[str, str | None]]:
        return [
            attributes
            for name, attributes in self.found
            if name == tag and kind in ["", *(attributes.get("class") or "").split(" ")]
        ]


def test_boxes_lie_in_the_pixels_of_the_original(report_of: Callable[..., Report]) -> None:
    page = _Elements(report_page(report_of(rows=3000, columns=2000)))
    (film,) = [svg for svg in page.named("svg") if svg.get("class") != "scale"]
    assert film["viewbox"] == "0 0 2000 3000"
    boxes = {box["class"]: box for box in page.named("rect", kind="box")}
    keys = ("y", "x", "height", "width")
    certain = [float(boxes["box certain"][key] or "nan") for key in keys]
    assert certain == [120.5, 60.25, 139.5, 119.75]
    assert [float(boxes["box doubt"][key] or "nan") for key in keys] == [300, 200, 80, 120]


def test_of_labels_on_one_spot_the_most_probable_is_read(report: Report) -> None:
    (answer,) = report.prediction.images
    first = answer.findings[0]
    moved = [replace(first.box, row_min=first.box.row_min + 3 * step) for step in range(3)]
    crowd = tuple(
        replace(first, box=box, probability=chance)
        for box, chance in zip(moved, (0.31, 0.93, 0.52), strict=True)
    )
    far = replace(first, box=Box(300, 200, 380, 320), probability=0.22)
    one = replace(answer, findings=(*crowd, far))
    changed = replace(report, prediction=replace(report.prediction, images=(one,)))
    text = report_page(changed)
    labels = re.findall(r"<text font-size[^>]*>([^<]+)<", text)
    assert [label.split()[0] for label in labels] == ["93", "22"]
    assert len(_Elements(text).named("rect", kind="box")) == 4


def test_the_activation_map_lies_on_its_extent(report: Report) -> None:
    (heat,) = _Elements(report_page(report)).named("image")
    extent = Box(-50.0, 0.0, 550.0, 400.0)
    place = [float(heat[key] or "nan") for key in ("y", "x", "height", "width")]
    assert place == [extent.row_min, extent.column_min, 600.0, 400.0]
    picture = PillowImage.open(io.BytesIO(base64.b64decode((heat["href"] or "").split(",")[1])))
    alpha = np.asarray(picture)[..., 3]
    assert alpha[0, -1] == 0  # no evidence there: the film shows through
    assert 100 < alpha[0, 0] < 200


def test_names_from_files_are_inert(report_of: Callable[..., Report]) -> None:
    text = report_page(report_of(HOSTILE))
    page = _Elements(text)
    assert not page.named("script")
    assert {image.get("onerror") for image in page.named("img")} == {None}
    assert "".join(page.words).count(HOSTILE) >= 3


def test_nothing_is_fetched_and_nothing_runs(report: Report) -> None:
    text = re.sub(r"data:image/\w+;base64,[\w+/=]+", "data:", report_page(report))
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link|<iframe|\son\w+=", text)
    page = _Elements(text)
    (policy,) = [meta for meta in page.named("meta") if meta.get("http-equiv")]
    assert "default-src 'none'" in (policy["content"] or "")
    for _, attributes in page.found:
        for key in ("src", "href"):
            assert (attributes.get(key) or "data:").startswith("data:")


def test_a_refused_study_tells_why(
    unassessed_of: Callable[..., Report], film: Callable[..., Radiograph]
) -> None:
    for report in (unassessed_of(), unassessed_of(films=(film(),))):
        words = "".join(_Elements(report_page(report)).words)
        assert "Not assessed" in words
        assert "a chest is out of scope <b>" in words
        assert "the file is cut short" in words


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_said_in_words(
    status: str, report: Report, unassessed_of: Callable[..., Report]
) -> None:
    probability = {"fracture": 0.9, "doubt": 0.3, "no_fracture": 0.01}.get(status)
    if probability is None:
        report = unassessed_of()
    else:
        prediction = replace(report.prediction, status=status, probability=probability)
        report = replace(report, prediction=prediction)
    text = report_page(report)
    headline = next(wording.headline for key, wording in WORDING.items() if key == status)
    assert f"<h1>{headline}</h1>" in text
    assert RESEARCH_USE_NOTICE in text


def test_synthetic_is_said_only_of_synthetic(report_of: Callable[..., Report]) -> None:
    assert "SYNTHETIC" in report_page(report_of(synthetic=True))
    assert "SYNTHETIC" not in report_page(report_of())


def test_films_have_an_alternative_text_and_switches_a_label(report: Report) -> None:
    page = _Elements(report_page(report))
    assert all(image.get("alt") for image in page.named("img"))
    switches = {switch["id"] for switch in page.named("input")}
    assert switches == {"show-boxes", "show-map", "invert", "enlarge"}
    assert {label["for"] for label in page.named("label")} == switches
    assert page.named("html")[0]["lang"] == "en"
