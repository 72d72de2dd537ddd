"""Numbers with their intervals: what a model is worth on cases whose truth is known.

The probability of an image or a patient: `binary`, `multiclass`, `classification`,
`precision_recall`, `partial_auc`, `operating_points`; how true it is: `brier`,
`calibration_error`, `calibration_line`, `reliability`, `decision_curve`; boxes and masks:
`localization`, `segmentation`; two models or more: `comparison`, `resampling_tests`,
`multiplicity`; parts of a cohort: `subgroups`, `cohort`; readers: `agreement`, `intraclass` and the
package `readers`. `bootstrap` puts an interval around any of them that respects patients, `summary`
makes one `Evaluation` of a `PredictionTable`. NumPy and SciPy only, and no model is ever run here.
"""

from fracturax.evaluation.aggregate import aggregate
from fracturax.evaluation.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha
from fracturax.evaluation.bands import BandedCurve, precision_recall_band, roc_band
from fracturax.evaluation.binary import binary_evaluation, clustered_binary_evaluation
from fracturax.evaluation.bootstrap import (
    Bootstrap,
    group_bootstrap,
    group_bootstrap_tallies,
    group_bootstrap_weighted,
)
from fracturax.evaluation.brier import BrierParts, brier_interval, brier_parts
from fracturax.evaluation.calibration import (
    LogisticCalibration,
    brier_score,
    cross_fitted,
    expected_calibration_error,
    fit_platt,
)
from fracturax.evaluation.calibration_error import calibration_error
from fracturax.evaluation.calibration_line import calibration_line
from fracturax.evaluation.classification import (
    auroc,
    auroc_interval,
    auroc_of_weights,
    delong_variance,
    sensitivity,
    specificity,
)
from fracturax.evaluation.cohort import CohortTable, Counts, Numbers, Variable, cohort_table
from fracturax.evaluation.comparison import (
    Comparison,
    DelongTest,
    NonInferiority,
    delong_test,
    delong_test_unpaired,
    mcnemar_p,
    mcnemar_test,
    non_inferiority,
)
from fracturax.evaluation.confusion import (
    BINARY_METRICS,
    ConfusionTable,
    binary_values,
    predictive_values,
)
from fracturax.evaluation.decision_curve import DecisionCurve, decision_curve, net_benefit
from fracturax.evaluation.intervals import (
    clopper_pearson_interval,
    clustered_proportion_row,
    fisher_interval,
    logit_interval,
    proportion_interval,
    proportion_row,
    wilson_interval,
)
from fracturax.evaluation.intraclass import intraclass_correlation
from fracturax.evaluation.jackknife import Jackknife, group_jackknife_weighted
from fracturax.evaluation.kappa import kappa_of_confusion
from fracturax.evaluation.localization import (
    COCO_THRESHOLDS,
    RIBFRAC_LEVELS,
    AfrocCurve,
    AveragePrecision,
    FreeResponse,
    FrocCurve,
    ImageDetections,
    MaskDetections,
    Matches,
    RibFracScore,
    afroc,
    afroc_area,
    average_precision,
    boxes_as_array,
    free_response,
    froc,
    froc_area,
    froc_of_matches,
    marks_at,
    match,
    match_images,
    mean_average_precision,
    ribfrac_matches,
    ribfrac_rows,
    ribfrac_score,
    sensitivity_at_false_positives,
)
from fracturax.evaluation.multiclass import ConfusionMatrix, multiclass_evaluation
from fracturax.evaluation.multiclass_auroc import multiclass_auroc
from fracturax.evaluation.multiplicity import benjamini_hochberg, holm
from fracturax.evaluation.normality import NormalityTest, normality_test
from fracturax.evaluation.operating_points import (
    AtSensitivity,
    AtSpecificity,
    LeastCost,
    OperatingPoint,
    ThresholdRule,
    Youden,
    choose_operating_point,
    threshold_for_cost,
    threshold_for_sensitivity,
    threshold_for_specificity,
)
from fracturax.evaluation.paired_proportions import tango_interval
from fracturax.evaluation.partial_auc import (
    partial_auc,
    partial_auc_interval,
    partial_auc_of_weights,
)
from fracturax.evaluation.precision_recall import (
    PrecisionRecallCurve,
    auprc,
    auprc_interval,
    precision_recall_curve,
)
from fracturax.evaluation.recalibration import IsotonicCalibration, fit_isotonic, fit_temperature
from fracturax.evaluation.reliability import ReliabilityCurve, reliability_curve
from fracturax.evaluation.resampling_tests import bootstrap_difference, permutation_test
from fracturax.evaluation.result import Evaluation, Row
from fracturax.evaluation.segmentation import (
    MaskScores,
    SurfaceDistances,
    evaluate_masks,
    measure_masks,
    surface_distances,
)
from fracturax.evaluation.subgroups import (
    Heterogeneity,
    Subgroup,
    SubgroupAnalysis,
    by_subgroup,
    cochran_q,
    permutation_heterogeneity,
)
from fracturax.evaluation.summary import evaluate_table
from fracturax.evaluation.table import COLUMNS, PredictionTable

__all__ = [
    "BINARY_METRICS",
    "COCO_THRESHOLDS",
    "COLUMNS",
    "RIBFRAC_LEVELS",
    "AfrocCurve",
    "AtSensitivity",
    "AtSpecificity",
    "AveragePrecision",
    "BandedCurve",
    "Bootstrap",
    "BrierParts",
    "CohortTable",
    "Comparison",
    "ConfusionMatrix",
    "ConfusionTable",
    "Counts",
    "DecisionCurve",
    "DelongTest",
    "Evaluation",
    "FreeResponse",
    "FrocCurve",
    "Heterogeneity",
    "ImageDetections",
    "IsotonicCalibration",
    "Jackknife",
    "LeastCost",
    "LogisticCalibration",
    "MaskDetections",
    "MaskScores",
    "Matches",
    "NonInferiority",
    "NormalityTest",
    "Numbers",
    "OperatingPoint",
    "PrecisionRecallCurve",
    "PredictionTable",
    "ReliabilityCurve",
    "RibFracScore",
    "Row",
    "Subgroup",
    "SubgroupAnalysis",
    "SurfaceDistances",
    "ThresholdRule",
    "Variable",
    "Youden",
    "afroc",
    "afroc_area",
    "aggregate",
    "auprc",
    "auprc_interval",
    "auroc",
    "auroc_interval",
    "auroc_of_weights",
    "average_precision",
    "benjamini_hochberg",
    "binary_evaluation",
    "binary_values",
    "bootstrap_difference",
    "boxes_as_array",
    "brier_interval",
    "brier_parts",
    "brier_score",
    "by_subgroup",
    "calibration_error",
    "calibration_line",
    "choose_operating_point",
    "clopper_pearson_interval",
    "clustered_binary_evaluation",
    "clustered_proportion_row",
    "cochran_q",
    "cohen_kappa",
    "cohort_table",
    "cross_fitted",
    "decision_curve",
    "delong_test",
    "delong_test_unpaired",
    "delong_variance",
    "evaluate_masks",
    "evaluate_table",
    "expected_calibration_error",
    "fisher_interval",
    "fit_isotonic",
    "fit_platt",
    "fit_temperature",
    "fleiss_kappa",
    "free_response",
    "froc",
    "froc_area",
    "froc_of_matches",
    "group_bootstrap",
    "group_bootstrap_tallies",
    "group_bootstrap_weighted",
    "group_jackknife_weighted",
    "holm",
    "intraclass_correlation",
    "kappa_of_confusion",
    "krippendorff_alpha",
    "logit_interval",
    "marks_at",
    "match",
    "match_images",
    "mcnemar_p",
    "mcnemar_test",
    "mean_average_precision",
    "measure_masks",
    "multiclass_auroc",
    "multiclass_evaluation",
    "net_benefit",
    "non_inferiority",
    "normality_test",
    "partial_auc",
    "partial_auc_interval",
    "partial_auc_of_weights",
    "permutation_heterogeneity",
    "permutation_test",
    "precision_recall_band",
    "precision_recall_curve",
    "predictive_values",
    "proportion_interval",
    "proportion_row",
    "reliability_curve",
    "ribfrac_matches",
    "ribfrac_rows",
    "ribfrac_score",
    "roc_band",
    "sensitivity",
    "sensitivity_at_false_positives",
    "specificity",
    "surface_distances",
    "tango_interval",
    "threshold_for_cost",
    "threshold_for_sensitivity",
    "threshold_for_specificity",
    "wilson_interval",
]
