"""One look for all figures: sizes of a journal column, readable type, Okabe and Ito's colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fracturax.core.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN_MM = 85.0
"""Width of one column of a journal."""

PAGE_MM = 170.0
"""Width of both columns."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Colours that colour-blind people tell apart (Okabe & Ito, 2008), strongest contrast first."""

INK, SOFT, FAINT = "#1a1a1a", "#5f6368", "#d9dce1"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
"""Strokes of the first, second, ... line: a figure can also be told apart in grey."""

MARKERS = ("o", "s", "^", "D", "v", "P")

STYLE: dict[str, Any] = {
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    # The first comes with matplotlib; the others stand in for it where a viewer lacks it.
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
    "font.size": 7.0,
    "axes.labelsize": 7.5,
    "axes.titlesize": 8.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.frameon": True,
    "legend.facecolor": "white",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.fancybox": False,
    "legend.fontsize": 7.0,
    "legend.handlelength": 1.8,
    "legend.labelspacing": 0.35,
    "legend.borderaxespad": 0.3,
    "svg.fonttype": "none",
    "svg.hashsalt": "fracturax",
    "pdf.fonttype": 42,
}
"""What matplotlib calls rc parameters; the one place where the look is set."""


@contextmanager
def styled() -> Iterator[None]:
    """Make and write figures in the style, and leave matplotlib as it was."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        yield


def new_figure(
    width_mm: float, height_mm: float, *, rows: int = 1, columns: int = 1, **grid: Any
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of a printed size, and its axes; to be called within `styled`.

    Raises:
        DataError: If a side is not positive.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not (width_mm > 0 and height_mm > 0):
        raise DataError("a figure needs a size", got=f"{width_mm} x {height_mm} mm")
    figure = Figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **grid)
    return figure, list(axes.ravel())


def unit_square(axes: Axes, *, x: str, y: str) -> None:
    """Make axes a square from 0 to 1 with a light grid."""
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=x, ylabel=y)
    axes.set_box_aspect(1)
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.grid(True)


def label_ends(axes: Axes, labels: Sequence[tuple[str, float, str]]) -> None:
    """Write names beside the right ends of their lines, moved apart where lines meet.

    Args:
        axes: Where the lines are, alone in its figure; its limits are final.
        labels: Text, height of the end in data units, colour.
    """
    low, high = axes.get_ylim()
    # Axes take about four fifths of their figure, and a line of type 9 points.
    gap = 9 / (0.8 * 72 * axes.figure.get_figheight())  # type: ignore[union-attr]
    order = sorted(range(len(labels)), key=lambda at: labels[at][1])
    places = [(labels[at][1] - low) / (high - low) for at in order]
    half = [gap / 2 * (1 + labels[at][0].count("\n")) for at in order]
    # Names are pushed up from below, then the whole stack down where it would leave the axes.
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + half[i] + half[i - 1])
    ceiling = 1.0
    for i in range(len(places) - 1, -1, -1):
        places[i] = min(places[i], ceiling - half[i])
        ceiling = places[i] - half[i]
    for at, place in zip(order, places, strict=True):
        text, _, color = labels[at]
        axes.annotate(
            text,
            (1, place),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=color,
            annotation_clip=False,
        )
