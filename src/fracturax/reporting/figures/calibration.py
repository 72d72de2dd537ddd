"""Reliability: how often what was called 30 % happens, and how often each probability is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.reporting.figures.data import Curve, as_numbers
from fracturax.reporting.figures.style import (
    COLUMN_MM,
    INK,
    PALETTE,
    SOFT,
    new_figure,
    styled,
    unit_square,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_reliability(
    bins: Curve,
    probabilities: npt.ArrayLike,
    *,
    smooth: Curve | None = None,
    notes: Sequence[str] = (),
    width_mm: float = COLUMN_MM,
) -> Figure:
    """Draw observed against predicted probability, above a histogram of the predicted ones.

    Args:
        bins: Mean prediction and observed share of each bin, with their intervals as the band,
            which are drawn as bars.
        probabilities: All predictions, shape `(n,)`, for the histogram.
        smooth: A smoothed curve with its band; None draws none.
        notes: Lines written into the figure, such as slope and intercept.
        width_mm: Width of the figure in print.

    Raises:
        DataError: If a probability lies outside [0, 1] or rows do not fit.
    """
    predicted = as_numbers("probabilities", probabilities)
    if predicted.min() < 0 or predicted.max() > 1:
        row = int(np.argmax((predicted < 0) | (predicted > 1)))
        raise DataError(
            "a probability lies outside [0, 1]", got=f"{predicted[row]} in row {row + 1}"
        )
    with styled():
        figure, (axes, below) = new_figure(
            width_mm, 1.3 * width_mm, rows=2, sharex=True, height_ratios=(4, 1)
        )
        unit_square(axes, x="", y="Observed share of fractures")
        axes.plot((0, 1), (0, 1), color=SOFT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
        if smooth is not None:
            if smooth.band is not None:
                axes.fill_between(
                    smooth.points[0], *smooth.band, color=PALETTE[0], alpha=0.16, linewidth=0
                )
            axes.plot(*smooth.points, color=PALETTE[0], label=smooth.name, gid="smooth")
        x, y = bins.points
        if bins.band is not None:
            low, high = bins.band
            axes.vlines(x, low, high, color=INK, linewidth=0.9, zorder=4)
        axes.plot(
            x, y, "o", color=INK, markersize=3.8, markerfacecolor="white", zorder=5,
            label=bins.name, gid="bins", clip_on=False,
        )  # fmt: skip
        axes.legend(loc="lower right")
        axes.text(0.03, 0.97, "\n".join(notes), transform=axes.transAxes, va="top", linespacing=1.4)
        below.hist(
            predicted,
            bins=np.linspace(0, 1, 41).tolist(),
            color=PALETTE[0],
            alpha=0.75,
            linewidth=0,
        )
        below.set(xlabel="Predicted probability of a fracture", ylabel="Images")
    return figure
