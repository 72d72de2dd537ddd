"""Steps that scikit-learn lacks: our selection, so that every fold selects for itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin

from fracturax.radiomics.selection import MOST_FEATURES, Values, select_features

Labels = npt.NDArray[np.int64]


class SelectingStep(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Keeps the columns that `select_features` chooses on what it is fitted to.

    Args:
        most: How many are kept at most.
    """

    def __init__(self, most: int = MOST_FEATURES) -> None:
        self.most = most

    def fit(self, values: Values, labels: Labels) -> SelectingStep:
        """Choose the columns."""
        self.columns_ = np.array(select_features(values, labels, most=self.most), np.int64)
        return self

    def transform(self, values: Values) -> Values:
        """Return the chosen columns."""
        return np.asarray(values[:, self.columns_])


class KnownScore(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Answers with its only column: a held-out score, of which scikit-learn fits the curve."""

    def fit(self, values: Values, labels: Labels) -> KnownScore:
        """Learn nothing but which classes there are."""
        self.classes_ = np.unique(labels)
        return self

    def decision_function(self, values: Values) -> Values:
        """Return the column."""
        return np.asarray(values[:, 0])

    def predict(self, values: Values) -> Labels:
        """Return the class by the sign of the column; scikit-learn asks that it exists."""
        return np.asarray(self.classes_[(values[:, 0] > 0).astype(np.int64)])
