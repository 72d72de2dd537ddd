"""Readers in the ROC plane: where each stood without help, and where with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.reporting.figures.data import Curve, check_some
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
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ReaderPoint:
    """Sensitivity and specificity of one reader.

    Args:
        name: Of the reader.
        sensitivity: Without help, in [0, 1].
        specificity: Without help, in [0, 1].
        aided_sensitivity: With help; None where the reader had none.
        aided_specificity: With help; None together with the sensitivity.

    Raises:
        DataError: If a number lies outside [0, 1], or one of both with help is missing.
    """

    name: str
    sensitivity: float
    specificity: float
    aided_sensitivity: float | None = None
    aided_specificity: float | None = None

    def __post_init__(self) -> None:
        if (self.aided_sensitivity is None) != (self.aided_specificity is None):
            raise DataError(f"reader {self.name!r} needs both numbers with help, or none")
        given = (
            self.sensitivity,
            self.specificity,
            self.aided_sensitivity,
            self.aided_specificity,
        )
        if not all(number is None or 0 <= number <= 1 for number in given):
            raise DataError(f"a number of reader {self.name!r} lies outside [0, 1]", got=str(given))

    @property
    def alone(self) -> tuple[float, float]:
        """Place without help: 1 - specificity, sensitivity."""
        return 1 - self.specificity, self.sensitivity

    @property
    def aided(self) -> tuple[float, float] | None:
        """Place with help, or None."""
        if self.aided_sensitivity is None or self.aided_specificity is None:
            return None
        return 1 - self.aided_specificity, self.aided_sensitivity


def draw_readers(
    readers: Sequence[ReaderPoint],
    *,
    model: Curve | None = None,
    is_zoomed: bool = True,
    width_mm: float = COLUMN_MM,
) -> Figure:
    """Draw readers as points, an arrow leading from each without help to the same with help.

    Args:
        readers: One point a reader, or one with and one without help.
        model: ROC curve of the model alone; None draws none.
        is_zoomed: Whether the axes show the part where readers are, and not all from 0 to 1.
        width_mm: Width of the figure in print.

    Raises:
        DataError: If there is no reader.
    """
    check_some("reader", readers)
    places = [reader.alone for reader in readers]
    places += [reader.aided for reader in readers if reader.aided is not None]
    with styled():
        figure, (axes,) = new_figure(width_mm, width_mm)
        unit_square(axes, x="1 − specificity", y="Sensitivity")
        if model is not None:
            if model.band is not None:
                axes.fill_between(model.points[0], *model.band, color=SOFT, alpha=0.15, linewidth=0)
            axes.plot(*model.points, color=SOFT, linewidth=1.1, label=model.label, gid="model")
        helped = [(reader.alone, reader.aided) for reader in readers if reader.aided is not None]
        for alone, aided in helped:
            axes.annotate(
                "", aided, xytext=alone, zorder=3,
                arrowprops={"arrowstyle": "-|>", "color": SOFT, "linewidth": 0.7,
                            "shrinkA": 2.5, "shrinkB": 2.5, "mutation_scale": 6},
            )  # fmt: skip
        first = np.array([reader.alone for reader in readers])
        is_pair = bool(helped)
        axes.plot(
            *first.T, "o", color=PALETTE[1], markersize=4, markerfacecolor="white", zorder=4,
            label="Readers without AI" if is_pair else "Readers", gid="alone", clip_on=False,
        )  # fmt: skip
        if helped:
            second = np.array([aided for _, aided in helped])
            axes.plot(
                *second.T, "o", color=PALETTE[0], markersize=4, zorder=4, label="Readers with AI",
                gid="aided", clip_on=False,
            )  # fmt: skip
        if is_zoomed:
            _zoom(axes, np.array(places))
        axes.legend(loc="lower right", labelcolor=INK)
    return figure


def _zoom(axes: Axes, places: npt.NDArray[np.float64]) -> None:
    """Show the smallest square of whole tenths in the upper left that holds all readers."""
    right, low = float(places[:, 0].max()), float(places[:, 1].min())
    # Room below for the names.
    side = min(1.0, np.ceil(max(right, 1 - low) * 10 + 1.5) / 10)
    ticks = np.round(np.linspace(0, side, round(side * 10) + 1), 1)
    step = 1 if ticks.size <= 6 else 2
    axes.set(xlim=(0, side), ylim=(1 - side, 1))
    axes.set_xticks(ticks[::step])
    axes.set_yticks(np.round(1 - ticks[::step], 1))
