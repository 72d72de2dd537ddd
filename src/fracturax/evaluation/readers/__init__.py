"""Reader studies: what readers are worth, with and without help, over readers and cases.

`table` and `marks` read the judgements, `study` arranges them and `design` tells who saw what,
`figures` measures each reader, `covariance` says how far they err together, `mrmc` compares
treatments. `standalone` sets a model against the readers, `times` and `early` look at speed,
confidence and early detection, `power` plans the next study.
"""

from fracturax.evaluation.readers.covariance import CovarianceMethod, ErrorCovariance
from fracturax.evaluation.readers.design import Design, recognize_design
from fracturax.evaluation.readers.early import early_detection
from fracturax.evaluation.readers.estimate import Estimate, ZeroTest
from fracturax.evaluation.readers.figures import Auc, Figure, Mean, Sensitivity, Specificity
from fracturax.evaluation.readers.marks import MARK_COLUMNS, Marks
from fracturax.evaluation.readers.mrmc import (
    FIXED_CASES,
    FIXED_READERS,
    INFERENCES,
    RANDOM,
    Inference,
    analyse,
)
from fracturax.evaluation.readers.power import (
    PilotComponents,
    Power,
    cases_for_power,
    power_of_plan,
)
from fracturax.evaluation.readers.result import (
    Components,
    Difference,
    OverallTest,
    ReaderAnalysis,
    ReaderDifference,
    ReaderValue,
    TreatmentMean,
)
from fracturax.evaluation.readers.standalone import (
    StandaloneComparison,
    compare_standalone,
    with_model_as_reader,
)
from fracturax.evaluation.readers.study import (
    ReaderStudy,
    crossed_study,
    study_of,
    study_of_marks,
)
from fracturax.evaluation.readers.table import Ratings
from fracturax.evaluation.readers.times import (
    TimeComparison,
    compare_confidence,
    compare_times,
)

__all__ = [
    "FIXED_CASES",
    "FIXED_READERS",
    "INFERENCES",
    "MARK_COLUMNS",
    "RANDOM",
    "Auc",
    "Components",
    "CovarianceMethod",
    "Design",
    "Difference",
    "ErrorCovariance",
    "Estimate",
    "Figure",
    "Inference",
    "Marks",
    "Mean",
    "OverallTest",
    "PilotComponents",
    "Power",
    "Ratings",
    "ReaderAnalysis",
    "ReaderDifference",
    "ReaderStudy",
    "ReaderValue",
    "Sensitivity",
    "Specificity",
    "StandaloneComparison",
    "TimeComparison",
    "TreatmentMean",
    "ZeroTest",
    "analyse",
    "cases_for_power",
    "compare_confidence",
    "compare_standalone",
    "compare_times",
    "crossed_study",
    "early_detection",
    "power_of_plan",
    "recognize_design",
    "study_of",
    "study_of_marks",
    "with_model_as_reader",
]
