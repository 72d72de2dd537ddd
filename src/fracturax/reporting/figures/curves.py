"""Lines with bands: ROC, precision-recall, FROC, AFROC, decision and learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from fracturax.core.errors import DataError
from fracturax.reporting.figures.data import Curve, Mark, check_some
from fracturax.reporting.figures.style import (
    COLUMN_MM,
    DASHES,
    INK,
    MARKERS,
    PALETTE,
    SOFT,
    label_ends,
    new_figure,
    styled,
    unit_square,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_roc(
    curves: Sequence[Curve], *, marks: Sequence[Mark] = (), width_mm: float = COLUMN_MM
) -> Figure:
    """Draw sensitivity against 1 - specificity, with the line of chance.

    Args:
        curves: One a model, `x` being 1 - specificity.
        marks: Operating points, or readers.
        width_mm: Width of the figure in print.

    Raises:
        DataError: If there is no curve, more than six, or one leaves the square from 0 to 1.

    Example:
        >>> figure = draw_roc([Curve("model", [0, 0.1, 1], [0, 0.8, 1], note="AUROC 0.85")])
        >>> figure.axes[0].get_xlabel()
        '1 − specificity'
    """
    return _square(
        curves, marks, width_mm, x="1 − specificity", y="Sensitivity", corner="lower right",
        chance=((0, 1), (0, 1)),
    )  # fmt: skip


def draw_precision_recall(
    curves: Sequence[Curve],
    *,
    prevalence: float | None = None,
    marks: Sequence[Mark] = (),
    width_mm: float = COLUMN_MM,
) -> Figure:
    """Draw precision against recall.

    Args:
        curves: One a model, `x` being recall.
        prevalence: Share of positives, the precision of chance; None draws no line for it.
        marks: Operating points.
        width_mm: Width of the figure in print.

    Raises:
        DataError: As `draw_roc`.
    """
    chance = None if prevalence is None else ((0, 1), (prevalence, prevalence))
    return _square(
        curves, marks, width_mm, x="Recall (sensitivity)", y="Precision (PPV)",
        corner="lower left", chance=chance,
    )  # fmt: skip


def draw_afroc(
    curves: Sequence[Curve], *, is_weighted: bool = True, width_mm: float = COLUMN_MM
) -> Figure:
    """Draw an AFROC curve: fractures found against normal images with a false mark.

    Args:
        curves: One a model, from (0, 0) to (1, 1).
        is_weighted: Whether sensitivity is the mean over abnormal images.
        width_mm: Width of the figure in print.

    Raises:
        DataError: As `draw_roc`.
    """
    y = "Weighted sensitivity for fractures" if is_weighted else "Sensitivity for fractures"
    return _square(
        curves, (), width_mm, x="Share of normal images with a false mark", y=y,
        corner="lower right", chance=None,
    )  # fmt: skip


def draw_froc(
    curves: Sequence[Curve],
    *,
    up_to: float = 4.0,
    marks: Sequence[Mark] = (),
    width_mm: float = COLUMN_MM,
) -> Figure:
    """Draw sensitivity for fractures against false positives an image, as a staircase.

    Args:
        curves: One a model, `x` being false positives an image, rising.
        up_to: Right end of the axis.
        marks: Operating points.
        width_mm: Width of the figure in print.

    Raises:
        DataError: If there is no curve or more than six, or the axis has no width.
    """
    _check(curves)
    if not up_to > 0:
        raise DataError("the axis of a FROC curve needs a width", got=str(up_to))
    with styled():
        figure, (axes,) = new_figure(width_mm, 0.62 * width_mm)
        axes.set(
            xlim=(0, up_to), ylim=(0, 1), xlabel="False positives per image",
            ylabel="Sensitivity for fractures",
        )  # fmt: skip
        axes.grid(True)
        ends = []
        for place, curve in enumerate(curves):
            _line(axes, curve, place, is_staircase=True, carried_to=up_to)
            x, y = curve.points
            inside = y[x <= up_to]
            ends.append((_broken(curve), float(inside[-1]) if inside.size else 0.0, PALETTE[place]))
        _marks(axes, marks)
        label_ends(axes, ends)
    return figure


def draw_decision_curve(
    curves: Sequence[Curve], *, treat_all: Curve, width_mm: float = COLUMN_MM
) -> Figure:
    """Draw net benefit against the threshold probability, beside treating all and nobody.

    Args:
        curves: One a model, `x` being the threshold probability.
        treat_all: Net benefit of treating everybody.
        width_mm: Width of the figure in print.

    Raises:
        DataError: If there is no curve or more than six.

    References:
        Vickers & Elkin, Medical Decision Making 26:565-574, 2006.
    """
    _check(curves)
    with styled():
        figure, (axes,) = new_figure(width_mm, 0.66 * width_mm)
        x = np.concatenate([curve.points[0] for curve in curves])
        top = max(float(curve.points[1].max()) for curve in (*curves, treat_all))
        axes.set(
            xlim=(float(x.min()), float(x.max())), ylim=(-0.12 * top, 1.1 * top),
            xlabel="Threshold probability", ylabel="Net benefit",
        )  # fmt: skip
        axes.grid(True)
        axes.plot((x.min(), x.max()), (0, 0), color=INK, linewidth=0.9, label="Treat none")
        axes.plot(
            *treat_all.points, color=SOFT, linewidth=0.9, linestyle=DASHES[1], label=treat_all.name
        )
        last = float(np.clip(treat_all.points[1][-1], -0.12 * top, None))
        ends = [("Treat none", 0.0, INK), (treat_all.name, last, SOFT)]
        for place, curve in enumerate(curves):
            _line(axes, curve, place)
            ends.append((_broken(curve), float(curve.points[1][-1]), PALETTE[place]))
        label_ends(axes, ends)
    return figure


def draw_learning_curve(
    curves: Sequence[Curve],
    *,
    y: str,
    x: str = "Training cases",
    is_logarithmic: bool = True,
    width_mm: float = COLUMN_MM,
) -> Figure:
    """Draw a measure against the number of training cases, with its interval at each.

    Args:
        curves: One a model, with bands.
        y: What is measured.
        x: What is counted.
        is_logarithmic: Whether the counts are spread by their ratios.
        width_mm: Width of the figure in print.

    Raises:
        DataError: If there is no curve or more than six, or a count is not positive on a
            logarithmic axis.
    """
    _check(curves)
    counts = np.unique(np.concatenate([curve.points[0] for curve in curves]))
    if is_logarithmic and counts[0] <= 0:
        raise DataError("a count on a logarithmic axis must be positive", got=str(counts[0]))
    with styled():
        from matplotlib.ticker import NullLocator

        figure, (axes,) = new_figure(width_mm, 0.62 * width_mm)
        if is_logarithmic:
            axes.set_xscale("log")
            axes.set_xlim(counts[0] / 1.12, counts[-1] * 1.12)
            axes.xaxis.set_minor_locator(NullLocator())
        if counts.size <= 7:
            axes.set_xticks(counts, [f"{count:,.0f}" for count in counts])
        axes.set(xlabel=x, ylabel=y)
        axes.grid(True, axis="y")
        ends = []
        for place, curve in enumerate(curves):
            _line(axes, curve, place, marker=MARKERS[place])
            ends.append((_broken(curve), float(curve.points[1][-1]), PALETTE[place]))
        axes.margins(y=0.08)
        axes.set_ylim(*axes.get_ylim())
        label_ends(axes, ends)
    return figure


def _square(
    curves: Sequence[Curve],
    marks: Sequence[Mark],
    width_mm: float,
    *,
    x: str,
    y: str,
    corner: Literal["lower left", "lower right"],
    chance: tuple[tuple[float, float], tuple[float, float]] | None,
) -> Figure:
    _check(curves)
    for curve in curves:
        across, height = curve.points
        if min(across.min(), height.min()) < 0 or max(across.max(), height.max()) > 1:
            raise DataError(f"the curve {curve.name!r} leaves the square from 0 to 1")
    with styled():
        figure, (axes,) = new_figure(width_mm, width_mm)
        unit_square(axes, x=x, y=y)
        if chance is not None:
            axes.plot(*chance, color=SOFT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
        for place, curve in enumerate(curves):
            _line(axes, curve, place)
        _marks(axes, marks)
        axes.legend(loc=corner, labelcolor="linecolor")
    return figure


def _line(
    axes: Axes,
    curve: Curve,
    place: int,
    *,
    is_staircase: bool = False,
    carried_to: float | None = None,
    marker: str | None = None,
) -> None:
    x, y = curve.points
    color = PALETTE[place]
    if curve.band is not None:
        step = "post" if is_staircase else None
        axes.fill_between(x, *curve.band, color=color, alpha=0.16, linewidth=0, step=step)  # type: ignore[arg-type]
    axes.plot(
        x, y, color=color, linestyle=DASHES[place % len(DASHES)], label=_broken(curve),
        drawstyle="steps-post" if is_staircase else "default", marker=marker, markersize=3.5,
        clip_on=marker is None, gid=f"curve-{place + 1}", zorder=3,
    )  # fmt: skip
    if carried_to is not None and x[-1] < carried_to:
        # Beyond the loosest threshold nothing more is shown, and nothing more found.
        axes.plot((x[-1], carried_to), (y[-1], y[-1]), color=color, linewidth=0.7, alpha=0.6)


def _marks(axes: Axes, marks: Sequence[Mark]) -> None:
    for place, mark in enumerate(marks):
        axes.plot(
            [mark.x], [mark.y], marker=MARKERS[place % len(MARKERS)], color=INK, markersize=4,
            markerfacecolor="white", linestyle="none", zorder=5, gid=f"mark-{place + 1}",
        )  # fmt: skip
        axes.annotate(
            mark.name, (mark.x, mark.y), xytext=(6, -2), textcoords="offset points", va="top",
            zorder=6, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
        )  # fmt: skip


def _broken(curve: Curve) -> str:
    """Return the name and, on a line of its own, the note."""
    return f"{curve.name}\n{curve.note}" if curve.note else curve.name


def _check(curves: Sequence[Curve]) -> None:
    check_some("curve", curves)
    if len(curves) > len(PALETTE):
        raise DataError(
            "more curves than can be told apart",
            got=str(len(curves)),
            cure=f"draw at most {len(PALETTE)} in one figure",
        )
