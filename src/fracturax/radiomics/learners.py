"""Classical learners on features: chosen, fitted and calibrated inside the training patients."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError, ModelError
from fracturax.core.prediction import OperatingPoints
from fracturax.core.provenance import sha256_of_document
from fracturax.core.registry import Registry
from fracturax.radiomics.learner_forms import FORMS, Arrays
from fracturax.radiomics.plan import RadiomicsPlan

Values = npt.NDArray[np.float64]
Reads = Literal["film", "ct"]

_FOLDS = 5
_KEPT_RIGHT = 0.95
_FEWEST_CASES = 30


@dataclass(frozen=True)
class LearnerEntry:
    """One learner, as data.

    Args:
        name: Its name.
        code: The scikit-learn class.
        form: How it is kept and asked: a name of `FORMS`.
        settings: Arguments of the class.
        paper: Where it was described.
        is_random: Whether it takes a seed.
    """

    name: str
    code: str
    form: str
    settings: tuple[tuple[str, Any], ...]
    paper: str
    is_random: bool = False


LEARNERS = Registry(
    "learner",
    (
        LearnerEntry(
            "logistic",
            "sklearn.linear_model:LogisticRegression",
            "linear",
            (("C", 0.1), ("max_iter", 5000)),
            "Cox, J R Stat Soc B 20, 215-242 (1958)",
        ),
        LearnerEntry(
            "svm",
            "sklearn.svm:SVC",
            "support_vectors",
            (("C", 1.0), ("kernel", "rbf"), ("gamma", "auto")),
            "Cortes and Vapnik, Machine Learning 20, 273-297 (1995)",
        ),
        LearnerEntry(
            "knn",
            "sklearn.neighbors:KNeighborsClassifier",
            "neighbours",
            (("n_neighbors", 25), ("algorithm", "kd_tree")),
            "Cover and Hart, IEEE Trans Inf Theory 13, 21-27 (1967)",
        ),
        LearnerEntry(
            "random_forest",
            "sklearn.ensemble:RandomForestClassifier",
            "forest",
            (("n_estimators", 100), ("min_samples_leaf", 5)),
            "Breiman, Machine Learning 45, 5-32 (2001)",
            is_random=True,
        ),
        LearnerEntry(
            "gradient_boosting",
            "sklearn.ensemble:GradientBoostingClassifier",
            "boosted_trees",
            (
                ("n_estimators", 100),
                ("max_depth", 3),
                ("learning_rate", 0.05),
                ("subsample", 0.5),
                ("min_samples_leaf", 10),
            ),
            "Friedman, Annals of Statistics 29, 1189-1232 (2001)",
            is_random=True,
        ),
    ),
)
"""Classical learners by name."""


@dataclass(frozen=True, eq=False)
class FittedLearner:
    """A learner that has learned, as plain numbers; asking it needs NumPy alone.

    Nearest neighbours and support vectors hold the features of training cases: who gets the
    learner gets those numbers.

    Args:
        name: Name in `LEARNERS`.
        feature_names: The features it is given, in order.
        selected: Columns of those it looks at.
        mean: Of each selected feature in training.
        scale: Standard deviation of each selected feature in training.
        arrays: What its form keeps.
        slope: Of the logistic curve that makes a probability of a score; never negative.
        intercept: Of the same curve.
        operating_points: Thresholds, from training cases that were held out in turn.
        plan: How the features were computed; None for features of another kind.
        reads: Which images it is for.
        facts: What was learned from: `cases`, `fractures`, `groups`, `seed`.
        notes: What a user must know, in words.

    Raises:
        ModelError: If the parts do not fit each other.
    """

    name: str
    feature_names: tuple[str, ...]
    selected: tuple[int, ...]
    mean: Values
    scale: Values
    arrays: Arrays
    slope: float
    intercept: float
    operating_points: OperatingPoints
    plan: RadiomicsPlan | None = None
    reads: Reads | None = None
    facts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.selected)
        if len(set(self.feature_names)) != len(self.feature_names):
            raise ModelError("two features of a learner share a name")
        if not all(0 <= column < len(self.feature_names) for column in self.selected):
            raise ModelError("a learner looks at a feature that it is not given")
        if count == 0 or self.mean.shape != (count,) or self.scale.shape != (count,):
            raise ModelError("a learner's scaling does not fit its features", got=f"{count}")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.scale).all()):
            raise ModelError("a learner's scaling holds what is no number")
        if not (self.scale > 0).all():
            raise ModelError("a learner scales by a number that is not positive")
        if not (np.isfinite([self.slope, self.intercept]).all() and self.slope >= 0):
            raise ModelError("a learner's calibration must rise with its score")
        if self.reads is not None and self.reads not in get_args(Reads):
            raise ModelError("a learner reads films or CT", got=repr(self.reads))
        FORMS[LEARNERS[self.name].form].check(self.arrays, count)

    @property
    def selected_names(self) -> tuple[str, ...]:
        """The features it looks at, most relevant first."""
        return tuple(self.feature_names[column] for column in self.selected)

    def score(self, features: npt.ArrayLike) -> Values:
        """Return one score a row; larger speaks for a fracture.

        Args:
            features: Shape `(rows, features)`, columns as in `feature_names`.

        Raises:
            DataError: If the shape is another, or a value is no number.
        """
        values = np.asarray(features, np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.feature_names):
            raise DataError(
                f"the learner is given {len(self.feature_names)} features a row",
                got=f"shape {values.shape}",
            )
        if not np.isfinite(values).all():
            raise DataError("a feature is no number", got="NaN or infinity")
        scaled = (values[:, list(self.selected)] - self.mean) / self.scale
        return FORMS[LEARNERS[self.name].form].score(self.arrays, scaled)

    def probability(self, features: npt.ArrayLike) -> Values:
        """Return the calibrated probability of a fracture, one a row. As `score` otherwise."""
        return _curve(self.slope * self.score(features) + self.intercept)

    def as_document(self) -> dict[str, Any]:
        """Return all but the arrays as JSON-able data, with the hash of each array."""
        return {
            "name": self.name,
            "feature_names": list(self.feature_names),
            "selected": list(self.selected),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "slope": self.slope,
            "intercept": self.intercept,
            "high_sensitivity": self.operating_points.high_sensitivity,
            "high_specificity": self.operating_points.high_specificity,
            "plan": None if self.plan is None else self.plan.as_document(),
            "reads": self.reads,
            "facts": dict(self.facts),
            "notes": list(self.notes),
            "arrays": {name: _hash(array) for name, array in sorted(self.arrays.items())},
        }

    @property
    def sha256(self) -> str:
        """Hash of all it is made of; equal hashes answer alike."""
        return sha256_of_document(self.as_document())


def fit_learner(
    name: str,
    *,
    features: npt.ArrayLike,
    feature_names: Sequence[str],
    labels: npt.ArrayLike,
    groups: Sequence[str],
    seed: int,
    plan: RadiomicsPlan | None = None,
    reads: Reads | None = None,
) -> FittedLearner:
    """Scale, select, learn and calibrate, looking at nothing but the cases given.

    Patients are held out in turn; in each turn scaling and selection are fitted anew. The scores
    of the held-out cases give the probability curve (Platt) and the operating points. Then the
    learner learns from all cases. Where held-out scores do not rise with the label, every
    probability is the share of fractures, every answer *doubt*, and a note says so.

    Args:
        name: Name in `LEARNERS`.
        features: Shape `(cases, features)`, finite.
        feature_names: Names of the columns.
        labels: 1 for a fracture, else 0.
        groups: Patient of each case.
        seed: Of whatever is drawn.
        plan: How the features were computed.
        reads: Which images they are of.

    Raises:
        UnknownNameError: If no learner has this name.
        DataError: If the parts do not fit, a value is no number, there is one patient only, or
            without one of the patients a class is missing.

    References:
        Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin
        Classifiers, 61-74 (1999).

    Example:
        >>> generator = np.random.default_rng(0)
        >>> labels = np.arange(80) % 2
        >>> features = generator.normal(size=(80, 3)) + 2 * labels[:, None] * [1, 0, 0]
        >>> learner = fit_learner(
        ...     "logistic", features=features, feature_names=["a", "b", "c"], labels=labels,
        ...     groups=[str(case // 20) for case in range(80)], seed=0,
        ... )
        >>> learner.selected_names[0], bool(learner.probability([[3.0, 0.0, 0.0]])[0] > 0.8)
        ('a', True)
    """
    entry = LEARNERS[name]
    values, marks = _checked(features, feature_names, labels, groups)
    folds = _folds(marks, np.asarray(groups, dtype=str), seed)
    pipeline = scikit_learn_pipeline(entry, seed=seed)
    held_out = _held_out_scores(pipeline, values, marks, folds)
    slope, intercept = _platt(held_out, marks)
    scaler, selector, model = (step for _, step in pipeline.fit(values, marks).steps)
    columns = tuple(int(column) for column in selector.columns_)
    notes: tuple[str, ...] = ()
    share = float(marks.mean())
    if slope <= 0:
        slope, intercept = 0.0, float(np.log(share / (1 - share)))
        notes = ("held-out scores did not rise with the label: the probability is a constant",)
    points = _operating_points(_curve(slope * held_out + intercept), marks)
    return FittedLearner(
        name=name,
        feature_names=tuple(feature_names),
        selected=columns,
        mean=np.asarray(scaler.mean_[list(columns)]),
        scale=np.asarray(scaler.scale_[list(columns)]),
        arrays=FORMS[entry.form].take(model),
        slope=slope,
        intercept=intercept,
        operating_points=points,
        plan=plan,
        reads=reads,
        facts={
            "cases": len(marks),
            "fractures": int(marks.sum()),
            "groups": len(set(groups)),
            "seed": seed,
        },
        notes=notes,
    )


def scikit_learn_pipeline(entry: LearnerEntry, *, seed: int) -> Any:
    """Return scaling, selection and learner as a scikit-learn pipeline, not yet fitted.

    Args:
        entry: Which learner.
        seed: Of whatever is drawn.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from fracturax.radiomics.scikit_steps import SelectingStep

    settings = dict(entry.settings) | ({"random_state": seed} if entry.is_random else {})
    return make_pipeline(StandardScaler(), SelectingStep(), LEARNERS.load(entry.name)(**settings))


def _checked(
    features: npt.ArrayLike,
    names: Sequence[str],
    labels: npt.ArrayLike,
    groups: Sequence[str],
) -> tuple[Values, npt.NDArray[np.int64]]:
    values, marks = np.asarray(features, np.float64), np.asarray(labels)
    if (
        values.ndim != 2
        or values.shape != (len(groups), len(names))
        or marks.shape != values.shape[:1]
    ):
        raise DataError(
            "features are a row a case and a column a name, with a label and a group a row",
            got=f"shape {values.shape}, {len(names)} names, {marks.size} labels, "
            f"{len(groups)} groups",
        )
    if len(set(names)) != len(names):
        raise DataError("two features share a name", cure="name each once")
    if not np.isfinite(values).all():
        raise DataError("a feature is no number", got="NaN or infinity")
    if not np.isin(marks, (0, 1)).all() or len(np.unique(marks)) < 2:
        raise DataError("labels are 0 and 1, and both occur", got=str(np.unique(marks)[:5]))
    if (values == values[0]).all():
        raise DataError("no feature differs between the cases", got=f"{len(values)} equal rows")
    return values, marks.astype(np.int64)


def _folds(
    labels: npt.NDArray[np.int64], groups: npt.NDArray[np.str_], seed: int
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold

    count = len(np.unique(groups))
    if count < 2:
        raise DataError(
            "a learner is calibrated on patients it has not seen",
            got="cases of one patient",
            cure="give cases of two patients or more",
        )
    few = count <= _FOLDS
    splitter: Any = (
        LeaveOneGroupOut() if few else StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    )
    folds = list(splitter.split(np.zeros(len(labels)), labels, groups))
    for kept, _ in folds:
        if len(np.unique(labels[kept])) < 2:
            raise DataError(
                "without some of the patients one class is missing",
                got=f"{count} patients",
                cure="give patients with and without a fracture",
            )
        if len(kept) < _FEWEST_CASES:
            raise DataError(
                f"a learner needs {_FEWEST_CASES} cases beside those held out", got=str(len(kept))
            )
    return folds


def _held_out_scores(
    estimator: Any,
    values: Values,
    labels: npt.NDArray[np.int64],
    folds: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
) -> Values:
    from sklearn.model_selection import cross_val_predict

    method = "decision_function" if hasattr(estimator, "decision_function") else "predict_proba"
    scores = cross_val_predict(estimator, values, labels, cv=list(folds), method=method)
    return np.asarray(scores if scores.ndim == 1 else scores[:, 1], np.float64)


def _platt(scores: Values, labels: npt.NDArray[np.int64]) -> tuple[float, float]:
    from sklearn.calibration import CalibratedClassifierCV

    from fracturax.radiomics.scikit_steps import KnownScore

    fitted = CalibratedClassifierCV(KnownScore(), method="sigmoid", cv=2, ensemble=False)
    curve = fitted.fit(scores[:, None], labels).calibrated_classifiers_[0].calibrators[0]
    return -float(curve.a_), -float(curve.b_)


def _operating_points(probability: Values, labels: npt.NDArray[np.int64]) -> OperatingPoints:
    broken, whole = probability[labels == 1], probability[labels == 0]
    low = float(np.quantile(broken, 1 - _KEPT_RIGHT, method="lower"))
    # Just above, so that no more than the stated share of the others is called fractured.
    high = float(np.nextafter(np.quantile(whole, _KEPT_RIGHT, method="higher"), 1.0))
    return OperatingPoints(high_sensitivity=low, high_specificity=max(low, high))


def _curve(logits: Values) -> Values:
    from scipy.special import expit

    return np.asarray(expit(logits))


def _hash(array: npt.NDArray[Any]) -> str:
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()
