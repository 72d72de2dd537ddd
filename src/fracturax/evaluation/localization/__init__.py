"""How well boxes and masks find fractures.

Detections (`ImageDetections` or `MaskDetections`) are matched to what is there once, image by
image, into `Matches`; every curve is then a few cumulative sums over detections sorted once, so
that a bootstrap only changes how often each image counts.
"""

from fracturax.evaluation.localization.afroc import (
    AfrocCurve,
    FalseOver,
    FreeResponse,
    afroc,
    afroc_area,
    free_response,
)
from fracturax.evaluation.localization.box_table import BOX_COLUMNS, read_boxes, write_boxes
from fracturax.evaluation.localization.detections import (
    Criterion,
    Detections,
    ImageDetections,
    boxes_as_array,
)
from fracturax.evaluation.localization.froc import (
    FrocCurve,
    ImageKind,
    froc,
    froc_area,
    froc_of_matches,
    sensitivity_at_false_positives,
)
from fracturax.evaluation.localization.marks import marks_at
from fracturax.evaluation.localization.masks import MaskDetections
from fracturax.evaluation.localization.matching import (
    COCO_THRESHOLDS,
    Matches,
    Repeats,
    match,
    match_images,
)
from fracturax.evaluation.localization.precision import (
    AveragePrecision,
    average_precision,
    mean_average_precision,
)
from fracturax.evaluation.localization.ribfrac import (
    RIBFRAC_LEVELS,
    RibFracScore,
    ribfrac_matches,
    ribfrac_rows,
    ribfrac_score,
)

__all__ = [
    "BOX_COLUMNS",
    "COCO_THRESHOLDS",
    "RIBFRAC_LEVELS",
    "AfrocCurve",
    "AveragePrecision",
    "Criterion",
    "Detections",
    "FalseOver",
    "FreeResponse",
    "FrocCurve",
    "ImageDetections",
    "ImageKind",
    "MaskDetections",
    "Matches",
    "Repeats",
    "RibFracScore",
    "afroc",
    "afroc_area",
    "average_precision",
    "boxes_as_array",
    "free_response",
    "froc",
    "froc_area",
    "froc_of_matches",
    "marks_at",
    "match",
    "match_images",
    "mean_average_precision",
    "read_boxes",
    "ribfrac_matches",
    "ribfrac_rows",
    "ribfrac_score",
    "sensitivity_at_false_positives",
    "write_boxes",
]
