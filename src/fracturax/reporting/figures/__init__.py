"""Figures ready for print: one look, one column or two, vector or pixels, the same bytes each time.

Each `draw_` function takes plain numbers and returns a matplotlib figure that no other code
holds; `write_figure` writes it by its suffix.
"""

from fracturax.reporting.figures.calibration import draw_reliability
from fracturax.reporting.figures.confusion import draw_confusion
from fracturax.reporting.figures.curves import (
    draw_afroc,
    draw_decision_curve,
    draw_froc,
    draw_learning_curve,
    draw_precision_recall,
    draw_roc,
)
from fracturax.reporting.figures.data import Curve, Mark
from fracturax.reporting.figures.forest import ForestRow, draw_forest
from fracturax.reporting.figures.readers import ReaderPoint, draw_readers
from fracturax.reporting.figures.robustness import Panel, draw_robustness
from fracturax.reporting.figures.scores import draw_score_distributions
from fracturax.reporting.figures.style import COLUMN_MM, PAGE_MM, PALETTE
from fracturax.reporting.figures.write import FIGURE_SUFFIXES, figure_bytes, write_figure

__all__ = [
    "COLUMN_MM",
    "FIGURE_SUFFIXES",
    "PAGE_MM",
    "PALETTE",
    "Curve",
    "ForestRow",
    "Mark",
    "Panel",
    "ReaderPoint",
    "draw_afroc",
    "draw_confusion",
    "draw_decision_curve",
    "draw_forest",
    "draw_froc",
    "draw_learning_curve",
    "draw_precision_recall",
    "draw_readers",
    "draw_reliability",
    "draw_robustness",
    "draw_roc",
    "draw_score_distributions",
    "figure_bytes",
    "write_figure",
]
