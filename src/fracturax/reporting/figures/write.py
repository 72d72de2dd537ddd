"""Write a figure to a file, the same bytes each time; the suffix says in which form."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fracturax.core.errors import ConfigError
from fracturax.reporting.figures.style import styled
from fracturax.reporting.replacement import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What would change from one day or version to the next is left out.
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}

FIGURE_SUFFIXES: tuple[str, ...] = tuple(_METADATA)
"""Suffixes that `write_figure` knows."""


def figure_bytes(figure: Figure, suffix: str) -> bytes:
    """Return a figure as the bytes of a file.

    Args:
        figure: From one of the `draw_` functions.
        suffix: `.png` (300 dots an inch), `.svg` (text stays text) or `.pdf`.

    Raises:
        ConfigError: If the suffix is unknown.
    """
    suffix = suffix.lower()
    if suffix not in _METADATA:
        raise ConfigError(
            "figures have no such form",
            got=repr(suffix) if suffix else "no suffix",
            cure=f"use {', '.join(FIGURE_SUFFIXES)}",
        )
    buffer = io.BytesIO()
    with styled():
        if figure.get_layout_engine() is not None:
            # Laid out once: every form then has the same layout, whichever was written first.
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            for axes in figure.axes:
                # The solver's last digits differ from run to run.
                sides = np.round(axes.get_position(original=True).bounds, 6)
                axes.set_position(tuple(sides.tolist()), which="original")
        figure.savefig(buffer, format=suffix[1:], metadata=_METADATA[suffix])
    return buffer.getvalue()


def write_figure(figure: Figure, path: Path | str) -> Path:
    """Write a figure whole or not at all; twice the same figure is twice the same bytes.

    Args:
        figure: From one of the `draw_` functions.
        path: Where to: `.svg` and `.pdf` for print, `.png` for a page.

    Returns:
        The path.

    Raises:
        ConfigError: If the suffix is unknown or the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> from fracturax.reporting.figures import Curve, draw_roc
        >>> figure = draw_roc([Curve("model", [0, 0.1, 1], [0, 0.8, 1])])
        >>> path = write_figure(figure, Path(tempfile.mkdtemp()) / "roc.svg")
        >>> "Sensitivity" in path.read_text()
        True
    """
    path = Path(path)
    content = figure_bytes(figure, path.suffix)
    with replacing(path) as stream:
        stream.write(content)
    return path
