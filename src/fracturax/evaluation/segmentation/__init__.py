"""How well masks cover bones and fractures: overlap, and distances of surfaces in millimetres.

`measure_masks` compares one mask, of a film or of a scan; `evaluate_masks` puts cases together,
as means over cases and pooled, with intervals that respect patients.
"""

from fracturax.evaluation.segmentation.measure import EmptyMasks, MaskScores, measure_masks
from fracturax.evaluation.segmentation.summary import evaluate_masks
from fracturax.evaluation.segmentation.surface import SurfaceDistances, surface_distances

__all__ = [
    "EmptyMasks",
    "MaskScores",
    "SurfaceDistances",
    "evaluate_masks",
    "measure_masks",
    "surface_distances",
]
