"""An evaluation as one page: the verdict, the figures, every number, and what is missing."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fracturax.core.report import RESEARCH_USE_NOTICE
from fracturax.reporting.figures.write import figure_bytes
from fracturax.reporting.number_table import Number, NumberTable, methods_of
from fracturax.reporting.page import environment

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class PageFigure:
    """A figure with its words.

    Args:
        name: Short name; that of its files.
        title: What it shows.
        caption: How to read it, and how bands came to be.
        figure: From one of the `draw_` functions.
        is_wide: Whether it takes the whole width of the page.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    is_wide: bool = False

    @property
    def source(self) -> str:
        """The figure as a data URI of an SVG."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"

    @cached_property
    def svg(self) -> bytes:
        """The figure as an SVG file."""
        return figure_bytes(self.figure, ".svg")


@dataclass(frozen=True, eq=False)
class EvaluationDocument:
    """What the page of an evaluation says.

    Args:
        subject: What was evaluated: the model's name.
        headline: The one number, with its interval, in words.
        lead: On what, in a sentence.
        highlights: The few numbers that stand on top.
        facts: Terms and what they are.
        figures: The figures, in order.
        points: Numbers at each operating point, shown side by side.
        tables: All other numbers.
        not_computed: What is missing, and why.
        notes: Sentences that belong to the numbers.
        software: Version that made it.
    """

    subject: str
    headline: str
    lead: str
    highlights: tuple[Number, ...]
    facts: tuple[tuple[str, str], ...]
    figures: tuple[PageFigure, ...]
    points: tuple[NumberTable, ...]
    tables: tuple[NumberTable, ...]
    not_computed: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    software: str


def evaluation_page(document: EvaluationDocument) -> str:
    """Return an evaluation as one HTML page with everything in it.

    The page runs no script, asks no server, and forbids both in its security policy. Every text
    that comes from a file is escaped. Figures are vector pictures within the page.

    Args:
        document: What it says.

    Returns:
        HTML to be saved as UTF-8.

    Example:
        >>> number = Number("auroc", 0.9, 0.85, 0.94, 200, "DeLong")
        >>> page = evaluation_page(EvaluationDocument(
        ...     "xray", "AUROC 0.900", "200 images.", (number,), (), (), (),
        ...     (NumberTable("All", (number,)),), (("FROC", "there are no boxes"),), (), "0.1"))
        >>> "0.850–0.940" in page, "there are no boxes" in page
        (True, True)
    """
    text = (
        environment()
        .get_template("evaluation.html.j2")
        .render(
            document=document,
            notice=RESEARCH_USE_NOTICE,
            metrics=_metrics(document.points),
            methods=methods_of((*document.points, *document.tables)),
        )
    )
    # Names of odd files may hold lone surrogates, which UTF-8 cannot carry.
    return text.encode("utf-8", "backslashreplace").decode()


def _metrics(points: tuple[NumberTable, ...]) -> list[tuple[str, list[Number | None]]]:
    """Return each metric with its number at each point; None where a point lacks it."""
    names = dict.fromkeys(one.metric for point in points for one in point.numbers)
    by_point = [{one.metric: one for one in point.numbers} for point in points]
    rows = []
    for name in names:
        numbers = [known.get(name) for known in by_point]
        words = next(one.words for one in numbers if one is not None)
        rows.append((words, numbers))
    return rows
