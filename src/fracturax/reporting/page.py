"""The report as one page: a self-contained HTML file that works without network and scripts."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import compress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image as PillowImage

from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.image import Image
from fracturax.core.prediction import ActivationMap, ImagePrediction, ProjectedFinding
from fracturax.core.report import RESEARCH_USE_NOTICE, Report
from fracturax.reporting.film import (
    View,
    answered_images,
    display_pixels,
    film_facts,
    shrink,
    views_of,
)
from fracturax.reporting.labels import Spot, readable
from fracturax.reporting.upright import upright
from fracturax.reporting.wording import (
    BOX_COLOR,
    PROJECTED_COLOR,
    STREAM_WORDS,
    WORDING,
    first_upper,
    grouped,
    images_read,
    meaning,
    percent,
)

# From clear over violet and orange to pale yellow; evenly brighter, so it reads without colour.
_HEAT = np.array(
    [(0.0, 40, 11, 84), (0.3, 101, 21, 110), (0.55, 187, 55, 84), (0.8, 249, 142, 9),
     (1.0, 252, 255, 164)]
)  # fmt: skip
_HEAT_ALPHA = 0.5
_LETTER = 0.6
"""Width of a letter of a label, in sizes of its font."""


@dataclass(frozen=True)
class _Label:
    """The probability beside a box: its left end and its base line, in pixels of the film."""

    text: str
    color: str
    x: float
    y: float

    def spot(self, px: float) -> Spot:
        """Return about where it lies, written in letters of a size."""
        return self.x, self.y - px, self.x + _LETTER * px * len(self.text), self.y + 0.2 * px


@dataclass(frozen=True)
class _Film:
    """One film, or one slice of a volume, as the template shows it."""

    image: Image
    answer: ImagePrediction
    view: View
    is_first: bool
    rows: int
    columns: int
    picture: str
    heat: str | None
    facts: tuple[tuple[str, str], ...]
    label_px: float
    labels: tuple[_Label, ...]

    @property
    def alt(self) -> str:
        view = self.image.acquisition.view_position
        kind = "Radiograph" if self.view.slice is None else self.place
        return f"{kind} {self.image.name}{f', view {view}' if view else ''}"

    @property
    def place(self) -> str:
        """Which slice of a volume it is; empty of a film."""
        if self.view.slice is None:
            return ""
        return f"Slice {self.view.slice + 1} of {self.image.pixels.shape[0]}"


def report_page(report: Report, *, longest_px: int = 1400) -> str:
    """Return the report as one HTML page with everything in it.

    Boxes are SVG in the pixels of the original film, so they stay exact at every size. Boxes,
    activation map, inversion and enlargement are switched by check boxes and CSS alone; the page
    runs no script, asks no server, and forbids both in its security policy. Every text that comes
    from a file is escaped.

    Args:
        report: What to show.
        longest_px: Longest side of an embedded film; a larger film is embedded smaller.

    Returns:
        HTML to be saved as UTF-8.

    Example:
        >>> from fracturax.core.image import Radiograph
        >>> from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
        >>> from fracturax.core.study import Study
        >>> film = Radiograph(np.zeros((90, 70), np.float32), name="wrist.dcm")
        >>> prediction = Prediction("4f1a", "doubt", ModelIdentity("xray", "1", "", ""),
        ...                         OperatingPoints(0.1, 0.5), probability=0.2)
        >>> page = report_page(Report(Study("4f1a", (film,)), prediction,
        ...                           "2026-01-01T00:00:00+00:00", "fracturax 0.1"))
        >>> 'viewBox="0 0 70 90"' in page
        True
    """
    films = [
        _film(image, answer, view, is_first=not number, longest_px=longest_px)
        for image, answer in answered_images(upright(report))
        for number, view in enumerate(views_of(image, answer))
    ]
    # Numbers are those of the images as they are stored, whatever way they are shown.
    findings: list[tuple[Finding, Image]] = [
        (finding, image) for image, answer in answered_images(report) for finding in answer.findings
    ]
    findings.sort(key=lambda pair: -pair[0].probability)
    text = (
        environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            prediction=report.prediction,
            notice=RESEARCH_USE_NOTICE,
            films=films,
            read=images_read(report.study.images),
            meaning=meaning(report.prediction.probability or 0.0, report.decisive_image),
            findings=findings,
            left_out=[
                film for film in films if film.is_first and film.answer.status == "not_assessed"
            ],
            has_projections=any(film.answer.projections for film in films),
            has_heat=any(film.heat for film in films),
            has_slices=any(film.view.slice is not None for film in films),
        )
    )
    # Names of odd files may hold lone surrogates, which UTF-8 cannot carry.
    return text.encode("utf-8", "backslashreplace").decode()


def page_bytes(report: Report) -> bytes:
    """Return `report_page` as the bytes of a file."""
    return report_page(report).encode("utf-8")


def thumbnail(image: Image, *, longest_px: int) -> str:
    """Return a film as a small JPEG, as a data URI."""
    return data_uri(shrink(display_pixels(image), longest_px=longest_px), quality=80)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the template environment: everything escaped, no name silently empty."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        WORDING=WORDING,
        BOX_COLOR=BOX_COLOR,
        PROJECTED_COLOR=PROJECTED_COLOR,
        STREAM_WORDS=STREAM_WORDS,
    )
    made.filters["zip"] = partial(zip, strict=True)
    made.filters.update(percent=percent, count=grouped, first_upper=first_upper)
    return made


def _film(
    image: Image, answer: ImagePrediction, view: View, *, is_first: bool, longest_px: int
) -> _Film:
    rows, columns = image.pixels.shape[-2:]
    shown = display_pixels(image, slice_index=view.slice)
    px = max(rows, columns) / 34
    heat = answer.activation
    if heat is not None and view.slice is not None:
        heat = heat.plane(view.slice)
    return _Film(
        image=image,
        answer=answer,
        view=view,
        is_first=is_first,
        rows=rows,
        columns=columns,
        picture=data_uri(shrink(shown, longest_px=longest_px), quality=92),
        heat=None if heat is None else _heat(heat),
        facts=tuple(film_facts(image, answer)),
        label_px=px,
        labels=_labels(answer, view, rows=rows, columns=columns, px=px),
    )


def _labels(
    answer: ImagePrediction, view: View, *, rows: int, columns: int, px: float
) -> tuple[_Label, ...]:
    """Return the labels of boxes, the most probable finding first, none over another."""

    def placed(text: str, color: str, box: Box, *, above: bool) -> _Label:
        left = max(min(box.column_min, columns - _LETTER * px * len(text)), 2)
        under = min(box.row_max + 1.1 * px, rows - 0.3 * px)
        return _Label(text, color, left, box.row_min - 0.45 * px if above else under)

    def surest(one: Finding | ProjectedFinding) -> float:
        return -one.probability

    labels = [
        placed(
            f"{percent(one.probability)}{' ?' if one.certainty == 'doubt' else ''}",
            BOX_COLOR[one.certainty],
            one.box,
            above=one.box.row_min > 1.5 * px,
        )
        for one in sorted(view.findings, key=surest)
    ]
    labels += [
        placed(f"CT {percent(one.probability)}", PROJECTED_COLOR, one.box, above=False)
        for one in sorted(answer.projections, key=surest)
    ]
    return tuple(compress(labels, readable(label.spot(px) for label in labels)))


def _heat(activation: ActivationMap) -> str:
    """Return an activation map as a see-through PNG, stretched smoothly, as a data URI."""
    values = np.clip(np.nan_to_num(activation.values.astype(np.float32)), 0, 1)
    factor = max(1, 256 // max(values.shape))
    size = (values.shape[1] * factor, values.shape[0] * factor)
    values = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR))
    layers = [np.interp(values, _HEAT[:, 0], _HEAT[:, column]) for column in (1, 2, 3)]
    # Weak evidence stays clear: colour on all of the film would hide it.
    layers.append(255 * _HEAT_ALPHA * np.clip((values - 0.15) / 0.45, 0, 1))
    return data_uri(np.rint(np.stack(layers, axis=-1)).astype(np.uint8), quality=None)


def data_uri(pixels: npt.NDArray[np.uint8], *, quality: int | None) -> str:
    """Return pixels as a data URI: JPEG of a quality, or PNG where there is none."""
    buffer = io.BytesIO()
    picture = PillowImage.fromarray(pixels)
    if quality is None:
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, "JPEG", quality=quality)
    kind = "png" if quality is None else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
