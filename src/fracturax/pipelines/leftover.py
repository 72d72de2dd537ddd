"""Leftover shortcuts: does a network know how a film was acquired, and does its score follow that?

Both are asked of films the network never saw. What an acquisition group shows differs too (one
machine makes films of hands, another lateral films), so the score is compared among films of one
label, region and view, with hardware or without, and beside what the features tell stands what
region, view and hardware alone would tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.case import Case
from fracturax.datasets.acquisition import OTHER
from fracturax.evaluation import auroc, group_bootstrap_weighted
from fracturax.pipelines.alike import anatomy_of, kinds_alike
from fracturax.pipelines.out_of_fold import OutOfFold

_FEWEST = 30
_RESAMPLES = 500
_COMPONENTS = 64
_TURNS = 5

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Area:
    """An AUROC with its 95 % interval, by a bootstrap of patient groups."""

    auroc: float
    low: float
    high: float


@dataclass(frozen=True)
class Leftover:
    """What is left of one acquisition group in a network; 0.5 is nothing.

    Args:
        group: The acquisition group.
        films: How many films it has.
        fractured_share: Share of fractured films in it: what a shortcut could win.
        fractured_share_elsewhere: The same of all other films.
        from_features: The group told from the network's pooled features.
        from_anatomy: The group told from region, view and hardware alone.
        from_score: The group told from the fracture score, among films of the same label, region,
            view and hardware.
    """

    group: str
    films: int
    fractured_share: float
    fractured_share_elsewhere: float
    from_features: Area
    from_anatomy: Area
    from_score: Area


def leftover_shortcuts(
    films: OutOfFold, acquisitions: Sequence[str], probabilities: Values
) -> tuple[Leftover, ...]:
    """Measure what every larger acquisition group leaves in the networks of a cross-validation.

    Args:
        films: Answers about films that their network never saw.
        acquisitions: The acquisition group of each.
        probabilities: The probability of a fracture that came of each answer, shape `(n,)`.

    Returns:
        One entry a group of at least thirty films, the largest first.
    """
    groups = np.array(acquisitions)
    keys = np.array([case.patient_key for case in films.cases])
    label = films.reference.astype(bool)
    features = np.stack([one.embedding for one in films.answers]).astype(np.float64)
    anatomy = _one_hot([anatomy_of(case) for case in films.cases])
    found = []
    for group, count in Counter(acquisitions).most_common():
        inside = groups == group
        if group == OTHER or min(count, len(groups) - count) < _FEWEST:
            continue
        by_features = _predicted(features, inside, films.fold, keys)
        by_anatomy = _predicted(anatomy, inside, films.fold, keys)
        found.append(
            Leftover(
                group=group,
                films=count,
                fractured_share=float(label[inside].mean()),
                fractured_share_elsewhere=float(label[~inside].mean()),
                from_features=_area(keys, _area_of(inside, by_features)),
                from_anatomy=_area(keys, _area_of(inside, by_anatomy)),
                from_score=told_by_score(inside, probabilities, films.fold, films.cases),
            )
        )
    return tuple(found)


def told_by_score(
    inside: Flags, scores: Values, folds: npt.NDArray[np.int64], cases: Sequence[Case]
) -> Area:
    """Tell films of a group by their score, among films of one label, region, view and hardware.

    Args:
        inside: Which films are of the group, shape `(n,)`.
        scores: Out-of-fold scores, shape `(n,)`; only their order within a fold counts.
        folds: The fold of each, shape `(n,)`.
        cases: The films.

    Returns:
        The share of pairs (one film of the group, one other, alike in all that is known) in which
        the film of the group has the higher score; 0.5 where the score knows nothing of the group.
    """
    keys = np.array([case.patient_key for case in cases])
    return _area(keys, _area_within(inside, _ranks_within(folds, scores), kinds_alike(cases)))


def _one_hot(words: Sequence[tuple[str, ...]]) -> Values:
    names = sorted({word for several in words for word in several})
    return np.array([[float(name in several) for name in names] for several in words])


def _ranks_within(folds: npt.NDArray[np.int64], values: Values) -> Values:
    """Return each value's rank within its fold: fold networks differ in their scale."""
    ranks = np.empty(len(values))
    for fold in np.unique(folds):
        rows = folds == fold
        ranks[rows] = _ranks(values[rows])
    return ranks


def _ranks(values: Values) -> Values:
    ranks: Values = np.searchsorted(np.sort(values), values) / len(values)
    return ranks


def _predicted(
    features: Values, inside: Flags, folds: npt.NDArray[np.int64], keys: npt.NDArray[Any]
) -> Values:
    """Return out-of-sample log-odds of a group, as ranks among those of the same learner.

    Each learner learns within one fold's films. Log-odds of two learners are not pooled: the one
    that saw fewer of the group says less of it and is asked about more, which looks like knowledge
    turned round.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    said = np.full(len(inside), 0.5)
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        turns = min(_TURNS, len(np.unique(keys[rows])))
        for learned, asked in GroupKFold(turns).split(rows, groups=keys[rows]):
            if len(np.unique(inside[rows[learned]])) < 2:
                continue
            components = min(_COMPONENTS, features.shape[1], len(learned))
            learner = make_pipeline(
                StandardScaler(),
                PCA(components, random_state=0),
                LogisticRegression(max_iter=500),
            )
            learner.fit(features[rows[learned]], inside[rows[learned]])
            said[rows[asked]] = _ranks(learner.decision_function(features[rows[asked]]))
    return said


def _area_of(inside: Flags, score: Values) -> Callable[[npt.NDArray[np.int64] | None], float]:
    def area(weights: npt.NDArray[np.int64] | None) -> float:
        return float(auroc(inside, score, weights=weights))

    return area


def _area_within(
    inside: Flags, score: Values, strata: npt.NDArray[np.intp]
) -> Callable[[npt.NDArray[np.int64] | None], float]:
    """Return the AUROC over pairs of films of one stratum."""
    parts = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    parts = [rows for rows in parts if 0 < inside[rows].sum() < len(rows)]

    def area(weights: npt.NDArray[np.int64] | None) -> float:
        won = pairs = 0.0
        for rows in parts:
            own = np.ones(len(rows)) if weights is None else weights[rows].astype(float)
            count = own[inside[rows]].sum() * own[~inside[rows]].sum()
            if count > 0:
                won += float(count * auroc(inside[rows], score[rows], weights=own))
                pairs += float(count)
        return won / pairs if pairs else float("nan")

    return area


def _area(keys: npt.NDArray[Any], area: Callable[[npt.NDArray[np.int64] | None], float]) -> Area:
    drawn = group_bootstrap_weighted(
        keys, area, generator=np.random.default_rng(0), resamples=_RESAMPLES
    )
    low, high = drawn.interval()
    return Area(area(None), low, high)
