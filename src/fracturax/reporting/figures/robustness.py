"""Robustness: a number against the severity of each corruption, a panel each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.reporting.figures.style import PAGE_MM, PALETTE, SOFT, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 4


@dataclass(frozen=True, eq=False)
class Panel:
    """A number under one corruption.

    Args:
        name: Which corruption.
        severity: Where it was measured, shape `(n,)`.
        value: The number there, shape `(n,)`.
        low: Lower ends of its intervals, shape `(n,)`.
        high: Upper ends, shape `(n,)`.

    Raises:
        DataError: If the shapes differ.
    """

    name: str
    severity: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        shapes = {one.shape for one in (self.severity, self.value, self.low, self.high)}
        if len(shapes) != 1:
            raise DataError(f"the panel {self.name!r} holds series of several lengths")


def draw_robustness(panels: Sequence[Panel], *, clean: float, y: str) -> Figure:
    """Draw a panel for each corruption, all on one scale; the dashed line is the clean value.

    Args:
        panels: One a corruption.
        clean: The number without any.
        y: What is measured.

    Raises:
        DataError: If there is no panel.
    """
    if not panels:
        raise DataError("a figure of robustness needs a panel", got="none")
    rows = -(-len(panels) // _COLUMNS)
    with styled():
        figure, axes = new_figure(
            PAGE_MM, 46.0 * rows, rows=rows, columns=_COLUMNS, sharex=True, sharey=True
        )
        for place, panel in zip(axes, panels, strict=False):
            place.axhline(clean, color=SOFT, linewidth=0.8, linestyle=(0, (4, 2)))
            place.fill_between(
                panel.severity, panel.low, panel.high, color=PALETTE[0], alpha=0.18, linewidth=0
            )
            place.plot(panel.severity, panel.value, color=PALETTE[0], marker="o", markersize=3)
            place.set_title(panel.name)
            place.set_xticks(range(1, 6))
            place.grid(True, axis="y")
        for place in axes[len(panels) :]:
            place.set_visible(False)
        figure.supxlabel("Severity", fontsize=7.5)
        figure.supylabel(y, fontsize=7.5)
    return figure
