"""Numbers with their intervals: what a model is worth on cases whose truth is known.

`classification` and `calibration` judge the probability of an image, `localization` the boxes,
`bootstrap` puts an interval around any of them that respects patients, and `summary` makes one
`Evaluation` of a `PredictionTable`. NumPy and SciPy only, and no model is ever run here.
"""

from fracturax.evaluation.bootstrap import Bootstrap, group_bootstrap, group_bootstrap_weighted
from fracturax.evaluation.calibration import (
    LogisticCalibration,
    brier_score,
    cross_fitted,
    expected_calibration_error,
    fit_platt,
)
from fracturax.evaluation.classification import (
    DelongTest,
    auroc,
    auroc_interval,
    delong_test,
    delong_variance,
    sensitivity,
    specificity,
    threshold_for_sensitivity,
    threshold_for_specificity,
    wilson_interval,
)
from fracturax.evaluation.localization import (
    COCO_THRESHOLDS,
    AveragePrecision,
    FrocCurve,
    ImageDetections,
    Matches,
    average_precision,
    boxes_as_array,
    froc,
    froc_area,
    froc_of_matches,
    match,
    match_images,
    mean_average_precision,
    sensitivity_at_false_positives,
)
from fracturax.evaluation.result import Evaluation, Row
from fracturax.evaluation.summary import evaluate_table
from fracturax.evaluation.table import COLUMNS, PredictionTable

__all__ = [
    "COCO_THRESHOLDS",
    "COLUMNS",
    "AveragePrecision",
    "Bootstrap",
    "DelongTest",
    "Evaluation",
    "FrocCurve",
    "ImageDetections",
    "LogisticCalibration",
    "Matches",
    "PredictionTable",
    "Row",
    "auroc",
    "auroc_interval",
    "average_precision",
    "boxes_as_array",
    "brier_score",
    "cross_fitted",
    "delong_test",
    "delong_variance",
    "evaluate_table",
    "expected_calibration_error",
    "fit_platt",
    "froc",
    "froc_area",
    "froc_of_matches",
    "group_bootstrap",
    "group_bootstrap_weighted",
    "match",
    "match_images",
    "mean_average_precision",
    "sensitivity",
    "sensitivity_at_false_positives",
    "specificity",
    "threshold_for_sensitivity",
    "threshold_for_specificity",
    "wilson_interval",
]
