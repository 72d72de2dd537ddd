"""The forest plot: one number with its interval for each subgroup, beside the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fracturax.core.errors import DataError
from fracturax.reporting.figures.data import check_some
from fracturax.reporting.figures.style import (
    INK,
    PAGE_MM,
    PALETTE,
    SOFT,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class ForestRow:
    """A line of a forest plot.

    Args:
        name: Subgroup.
        value: Its number; None for one too small to have any.
        low: Lower end of the interval; None where there is none.
        high: Upper end; None together with `low`.
        n: How many cases; None is not written.
        heading: What the subgroups from here on are by, such as `Region`.
        note: A few words instead of the number, such as `too few`.

    Raises:
        DataError: If one end of the interval is missing, or the value lies outside.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    heading: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise DataError(f"the interval of {self.name!r} needs both ends or none")
        if self.low is not None and self.high is not None:
            inside = self.value is not None and self.low <= self.value <= self.high
            if not inside:
                raise DataError(
                    f"the value of {self.name!r} lies outside its interval",
                    got=f"{self.value}, {self.low} to {self.high}",
                )


def draw_forest(
    rows: Sequence[ForestRow],
    *,
    metric: str,
    whole: ForestRow | None = None,
    width_mm: float = PAGE_MM,
) -> Figure:
    """Draw subgroups below each other, with numbers written beside.

    Args:
        rows: Subgroups, in the order they are shown.
        metric: What is measured, on the axis.
        whole: All cases together, drawn first, with a line down through the subgroups.
        width_mm: Width of the figure in print.

    Raises:
        DataError: If there is no row, or no row has a number.
    """
    check_some("subgroup", rows)
    everything = ([whole] if whole is not None else []) + list(rows)
    if all(row.value is None for row in everything):
        raise DataError("no subgroup has a number to draw")
    lines: list[tuple[float, ForestRow]] = []
    headings: list[tuple[float, str]] = []
    y = 0.0
    for row in everything:
        if row.heading:
            y += 0.4
            headings.append((y, row.heading))
            y += 1
        lines.append((y, row))
        y += 1
    # Bold type of 7 points is about 1.6 mm wide a letter, its digits and blanks less.
    left = 1.7 * max(len(row.name) for row in everything) + 12
    right = 1.4 * max(len(_number(row)) for row in everything)
    with styled():
        figure, (names, axes, words) = new_figure(
            width_mm, 15 + 4.3 * y, columns=3, sharey=True,
            width_ratios=(left, max(width_mm - left - right, 15), right),
        )  # fmt: skip
        for beside in (names, words):
            beside.set_axis_off()
            beside.set_xlim(0, 1)
        for at, heading in headings:
            names.text(0, at, heading, va="center_baseline", fontweight="bold")
        words.text(0.0, -1, f"{metric} (95 % interval)", va="center_baseline", color=SOFT)
        names.text(1.0, -1, "n", va="center_baseline", ha="right", color=SOFT)
        for at, row in lines:
            is_whole = row is whole
            weight = "bold" if is_whole else "normal"
            indent = 0.05 if headings and not is_whole else 0
            names.text(indent, at, row.name, va="center_baseline", fontweight=weight)
            if row.n is not None:
                names.text(
                    1.0, at, f"{row.n:,}", va="center_baseline", ha="right", fontweight=weight
                )
            words.text(0.0, at, _number(row), va="center_baseline", fontweight=weight)
            color = INK if is_whole else PALETTE[0]
            if row.value is None:
                continue
            if row.low is not None and row.high is not None:
                axes.plot((row.low, row.high), (at, at), color=color, linewidth=1.1)
            axes.plot(
                [row.value], [at], marker="D" if is_whole else "s", markersize=4.2, color=color,
                linestyle="none", label=row.name,
            )  # fmt: skip
        if whole is not None and whole.value is not None:
            axes.axvline(whole.value, color=SOFT, linewidth=0.7, linestyle=(0, (2, 2)), zorder=1)
        axes.set_ylim(y - 0.4, -1.6)
        axes.set_xlabel(metric)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", left=False, labelleft=False)
        axes.grid(True, axis="x")
        axes.margins(x=0.06)
    return figure


def _number(row: ForestRow) -> str:
    if row.value is None:
        return row.note or "not estimated"
    interval = "" if row.low is None else f" ({row.low:.3f} to {row.high:.3f})"
    return f"{row.value:.3f}{interval}" + (f"  {row.note}" if row.note else "")
