"""Distributions of the score, one a class, with the thresholds between answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.reporting.figures.data import as_numbers, check_some
from fracturax.reporting.figures.style import COLUMN_MM, INK, PALETTE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_score_distributions(
    scores: Mapping[str, npt.ArrayLike],
    *,
    thresholds: Mapping[str, float] | None = None,
    x: str = "Probability of a fracture",
    bins: int = 40,
    width_mm: float = COLUMN_MM,
) -> Figure:
    """Draw a histogram a class below each other, each as a share of its class.

    Args:
        scores: Name of each class and its scores, shape `(n,)`.
        thresholds: Name and place of each operating point.
        x: What the score is.
        bins: How many bins, of equal width over all classes.
        width_mm: Width of the figure in print.

    Raises:
        DataError: If there is no class, more than six, or a score is no finite number.
    """
    check_some("class", scores)
    if len(scores) > len(PALETTE):
        raise DataError("more classes than can be told apart", got=str(len(scores)))
    rows = {name: as_numbers(f"scores of {name!r}", values) for name, values in scores.items()}
    merged = np.concatenate(list(rows.values()))
    low, high = float(merged.min()), float(merged.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    with styled():
        figure, every = new_figure(
            width_mm, 14 + 0.26 * width_mm * len(rows), rows=len(rows), sharex=True, sharey=True
        )
        for place, (axes, (name, values)) in enumerate(zip(every, rows.items(), strict=True)):
            share = np.histogram(values, edges)[0] / values.size
            axes.stairs(share, edges, fill=True, color=PALETTE[place], alpha=0.75, gid=name)
            axes.set_title(f"{name} (n = {values.size:,})", color=PALETTE[place])
            axes.set_ylabel("Share")
            for line, (called, at) in enumerate((thresholds or {}).items()):
                axes.axvline(at, color=INK, linewidth=0.8, linestyle=(0, (3, 2)))
                if place == 0:
                    axes.annotate(
                        called, (at, 1), xycoords=("data", "axes fraction"),
                        xytext=(3, -2 - 9 * line), textcoords="offset points", va="top",
                    )  # fmt: skip
        every[-1].set_xlabel(x)
        every[0].set_xlim(edges[0], edges[-1])
    return figure
