"""Reader studies: what readers are worth, with and without help, over readers and cases."""

from fracturax.evaluation.readers.figures import Auc, Mean, Sensitivity, Specificity
from fracturax.evaluation.readers.marks import Marks
from fracturax.evaluation.readers.mrmc import analyse
from fracturax.evaluation.readers.study import ReaderStudy, crossed_study, study_of, study_of_marks
from fracturax.evaluation.readers.table import Ratings

__all__ = ["Auc","Mean","Sensitivity","Specificity","Marks","analyse","ReaderStudy","crossed_study","study_of","study_of_marks","Ratings"]
