"""Forms of classical learners: what each keeps as plain arrays, and its score in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ModelError

Values = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]

_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class LearnerForm:
    """How one kind of learner is kept and asked.

    Args:
        take: Returns the arrays of a fitted scikit-learn model.
        score: Returns one score a row from the arrays and values of shape `(rows, features)`;
            larger speaks for a fracture.
        check: Raises `ModelError` if arrays are not of this form for so many features.
    """

    take: Callable[[Any], dict[str, npt.NDArray[Any]]]
    score: Callable[[Arrays, Values], Values]
    check: Callable[[Arrays, int], None]


def _take_linear(model: Any) -> dict[str, npt.NDArray[Any]]:
    return {"weights": np.asarray(model.coef_[0]), "bias": np.asarray(model.intercept_)}


def _score_linear(arrays: Arrays, values: Values) -> Values:
    return np.asarray(values @ arrays["weights"] + arrays["bias"][0])


def _check_linear(arrays: Arrays, features: int) -> None:
    _expect(arrays, weights=(features,), bias=(1,))


def _take_support_vectors(model: Any) -> dict[str, npt.NDArray[Any]]:
    # gamma is "auto" in the registry: one over the number of features.
    return {
        "vectors": np.asarray(model.support_vectors_),
        "weights": np.asarray(model.dual_coef_[0]),
        "bias": np.asarray(model.intercept_),
        "gamma": np.array([1.0 / model.n_features_in_]),
    }


def _score_support_vectors(arrays: Arrays, values: Values) -> Values:
    def of(rows: Values) -> Values:
        near = np.exp(-arrays["gamma"][0] * _squared_distances(rows, arrays["vectors"]))
        return np.asarray(near @ arrays["weights"] + arrays["bias"][0])

    return _in_parts(of, values)


def _check_support_vectors(arrays: Arrays, features: int) -> None:
    count = len(arrays.get("weights", ()))
    _expect(arrays, vectors=(count, features), weights=(count,), bias=(1,), gamma=(1,))


def _take_neighbours(model: Any) -> dict[str, npt.NDArray[Any]]:
    return {
        # scikit-learn keeps what it was fitted on under this name alone.
        "cases": np.asarray(model._fit_X),
        "labels": np.asarray(model._y, np.float64),
        "count": np.array([model.n_neighbors], np.int64),
    }


def _score_neighbours(arrays: Arrays, values: Values) -> Values:
    count = int(arrays["count"][0])

    def of(rows: Values) -> Values:
        distances = _squared_distances(rows, arrays["cases"])
        nearest = np.argsort(distances, axis=1, kind="stable")[:, :count]
        return np.asarray(arrays["labels"][nearest].mean(axis=1))

    return _in_parts(of, values)


def _check_neighbours(arrays: Arrays, features: int) -> None:
    count = len(arrays.get("labels", ()))
    _expect(arrays, cases=(count, features), labels=(count,), count=(1,))
    if not 1 <= int(arrays["count"][0]) <= count:
        raise ModelError("a learner asks more neighbours than it has", got=str(arrays["count"][0]))


def _take_trees(trees: list[Any], leaf: Callable[[Any], Values]) -> dict[str, npt.NDArray[Any]]:
    offsets = np.cumsum([0, *(tree.node_count for tree in trees)])
    columns: dict[str, list[npt.NDArray[Any]]] = {
        "feature": [], "threshold": [], "left": [], "right": [], "leaf": [],
    }  # fmt: skip
    for tree, start in zip(trees, offsets[:-1], strict=True):
        is_leaf = tree.children_left < 0
        columns["feature"].append(np.where(is_leaf, -1, tree.feature))
        columns["threshold"].append(np.where(is_leaf, 0.0, tree.threshold))
        columns["left"].append(np.where(is_leaf, -1, tree.children_left + start))
        columns["right"].append(np.where(is_leaf, -1, tree.children_right + start))
        columns["leaf"].append(leaf(tree))
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    for name in ("feature", "left", "right"):
        joined[name] = joined[name].astype(np.int64)
    return {**joined, "roots": offsets[:-1].astype(np.int64)}


def _take_forest(model: Any) -> dict[str, npt.NDArray[Any]]:
    trees = [one.tree_ for one in model.estimators_]

    def share(tree: Any) -> Values:
        counts = tree.value[:, 0, :]
        return np.asarray(counts[:, 1] / counts.sum(axis=1))

    taken = _take_trees(trees, share)
    return {**taken, "factor": np.array([1.0 / len(trees)]), "bias": np.zeros(1)}


def _take_boosted(model: Any) -> dict[str, npt.NDArray[Any]]:
    trees = [one.tree_ for one in model.estimators_[:, 0]]
    prior = float(model.init_.class_prior_[1])
    taken = _take_trees(trees, lambda tree: np.asarray(tree.value[:, 0, 0]))
    start = np.array([np.log(prior / (1.0 - prior))])
    return {**taken, "factor": np.array([float(model.learning_rate)]), "bias": start}


def _score_trees(arrays: Arrays, values: Values) -> Values:
    feature, threshold = arrays["feature"], arrays["threshold"]
    left, right = arrays["left"], arrays["right"]

    def of(rows: Values) -> Values:
        # scikit-learn's trees compare values in single precision with thresholds in double.
        single = rows.astype(np.float32)
        node = np.tile(arrays["roots"], (len(rows), 1))
        while (inner := feature[node] >= 0).any():
            row, tree = np.nonzero(inner)
            at = node[row, tree]
            goes_left = single[row, feature[at]] <= threshold[at]
            node[row, tree] = np.where(goes_left, left[at], right[at])
        total = arrays["leaf"][node].sum(axis=1)
        return np.asarray(total * arrays["factor"][0] + arrays["bias"][0])

    return _in_parts(of, values)


def _check_trees(arrays: Arrays, features: int) -> None:
    count, roots = len(arrays.get("leaf", ())), len(arrays.get("roots", ()))
    one = (count,)
    _expect(
        arrays, feature=one, threshold=one, left=one, right=one, leaf=one,
        roots=(roots,), factor=(1,), bias=(1,),
    )  # fmt: skip
    inner = np.flatnonzero(arrays["feature"] >= 0)
    for side in ("left", "right"):
        to = arrays[side][inner]
        # A child after its parent, always: no walk can go round in a circle.
        if (to <= inner).any() or (to >= count).any():
            raise ModelError("a tree of a learner points to a wrong node", got=side)
    if (arrays["feature"] >= features).any() or (arrays["roots"] >= count).any():
        raise ModelError("a tree of a learner asks a feature or starts at a node that is not there")
    if (arrays["roots"] < 0).any():
        raise ModelError("a tree of a learner starts before its first node")


def _expect(arrays: Arrays, **shapes: tuple[int, ...]) -> None:
    if set(arrays) != set(shapes):
        raise ModelError(
            "a learner holds other arrays than its form has",
            got=", ".join(sorted(arrays)),
            cure=f"it has {', '.join(sorted(shapes))}",
        )
    for name, shape in shapes.items():
        if arrays[name].shape != shape or 0 in shape:
            raise ModelError(f"{name} of a learner has a wrong shape", got=str(arrays[name].shape))
        if not np.isfinite(arrays[name]).all():
            raise ModelError(f"{name} of a learner holds what is no number")


def _squared_distances(rows: Values, others: npt.NDArray[Any]) -> Values:
    return np.asarray(((rows[:, None, :] - others[None, :, :]) ** 2).sum(axis=2))


def _in_parts(work: Callable[[Values], Values], values: Values) -> Values:
    parts = [
        work(values[start : start + _ROWS_AT_ONCE])
        for start in range(0, len(values), _ROWS_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


FORMS: Mapping[str, LearnerForm] = {
    "linear": LearnerForm(_take_linear, _score_linear, _check_linear),
    "support_vectors": LearnerForm(
        _take_support_vectors, _score_support_vectors, _check_support_vectors
    ),
    "neighbours": LearnerForm(_take_neighbours, _score_neighbours, _check_neighbours),
    "forest": LearnerForm(_take_forest, _score_trees, _check_trees),
    "boosted_trees": LearnerForm(_take_boosted, _score_trees, _check_trees),
}
"""Forms by name."""
