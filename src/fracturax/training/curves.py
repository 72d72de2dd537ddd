"""The curves of a training as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def draw_curves(curves: Mapping[str, Sequence[Mapping[str, float]]], path: Path) -> None:
    """Draw the loss of each network over the epochs: training terms thin, inner loss thick.

    Args:
        curves: For each network its rows, one an epoch.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * max(len(curves), 1), 3.4), layout="constrained")
    axes = figure.subplots(1, max(len(curves), 1), squeeze=False, sharey=True)[0]
    for axis, (name, rows) in zip(axes, curves.items(), strict=False):
        for term in sorted({key for row in rows for key in row}):
            values = [row.get(term) for row in rows]
            is_inner = term == "inner_loss"
            axis.plot(
                range(1, len(rows) + 1),
                [float("nan") if value is None else value for value in values],
                label=term.replace("_", " "),
                linewidth=2.5 if is_inner else 1.0,
                color="black" if is_inner else None,
            )
        axis.set(title=name, xlabel="epoch")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("loss")
    axes[0].legend(fontsize=7)
    figure.savefig(path, dpi=120)
