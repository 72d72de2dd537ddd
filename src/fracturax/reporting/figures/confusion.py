"""The confusion matrix, with counts and shares of each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.reporting.figures.data import check_some
from fracturax.reporting.figures.style import COLUMN_MM, INK, PALETTE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_confusion(
    counts: npt.ArrayLike,
    names: Sequence[str],
    *,
    answers: Sequence[str] | None = None,
    width_mm: float = COLUMN_MM,
) -> Figure:
    """Draw how often each class got each answer; a deeper blue is a larger share of its row.

    Args:
        counts: Rows are what is there, columns what was answered, shape `(classes, answers)`.
        names: Names of the classes.
        answers: Names of the answers; None takes those of the classes.
        width_mm: Width of the figure in print.

    Raises:
        DataError: If the counts do not fit the names, or one is negative or no whole number.
    """
    columns = list(names if answers is None else answers)
    check_some("class", names)
    table = np.asarray(counts, dtype=np.float64)
    if table.shape != (len(names), len(columns)):
        raise DataError(
            "a confusion matrix needs a row a class and a column an answer",
            got=f"shape {table.shape} for {len(names)} and {len(columns)} names",
        )
    if not ((table >= 0) & (table == np.rint(table))).all():
        raise DataError("a count of a confusion matrix is no whole number of at least 0")
    totals = table.sum(axis=1, keepdims=True)
    share = table / np.maximum(totals, 1)
    with styled():
        from matplotlib.colors import LinearSegmentedColormap

        height = width_mm * (0.3 + 0.5 * len(names) / max(len(columns), 2))
        figure, (axes,) = new_figure(width_mm, height)
        ramp = LinearSegmentedColormap.from_list("share", ["#ffffff", PALETTE[0]])
        axes.pcolormesh(share, cmap=ramp, vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
        for (row, column), count in np.ndenumerate(table):
            color = "white" if share[row, column] > 0.55 else INK
            axes.text(
                column + 0.5, row + 0.44, f"{count:,.0f}", ha="center", va="center", color=color,
                fontsize=9, fontweight="bold",
            )  # fmt: skip
            axes.text(
                column + 0.5, row + 0.64, f"{share[row, column]:.1%}", ha="center", va="center",
                color=color,
            )  # fmt: skip
        # Names of two words would touch their neighbours where there are many.
        shown = [name.replace(" ", "\n") if len(columns) > 2 else name for name in columns]
        axes.set_xticks(np.arange(len(columns)) + 0.5, shown)
        rows = [f"{name}\n(n = {n:,.0f})" for name, n in zip(names, totals[:, 0], strict=True)]
        axes.set_yticks(np.arange(len(names)) + 0.5, rows)
        axes.invert_yaxis()
        axes.set(xlabel="Answer", ylabel="Reference")
        axes.xaxis.set_ticks_position("top")
        axes.xaxis.set_label_position("top")
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
    return figure
