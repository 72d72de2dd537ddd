"""What the logit of a fusion means: at one prevalence, each patient counting alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.evaluation.calibration import fit_platt
from fracturax.models.bundle import Calibration
from fracturax.models.fused_bundle import LOGIT

PREVALENCE = 0.25
"""Share of places with a fracture that probabilities are of. How many there are of each patient is
a matter of how places were drawn, and of how long the fracture is."""
Reals = npt.NDArray[np.float64]


def even_weights(label: npt.NDArray[np.bool_], group: npt.NDArray[Any]) -> Reals:
    """Return weights under which patients count alike and have one prevalence; their mean is 1.

    Args:
        label: Whether there is a fracture, shape `(n,)`.
        group: The patient, same shape. One that has only places of one kind has them alone.

    Example:
        >>> weights = even_weights(np.array([True, False, False, True, True]), np.array([0] * 5))
        >>> weights.round(3).tolist()
        [0.417, 1.875, 1.875, 0.417, 0.417]
    """
    weights = np.zeros(len(label))
    for one in np.unique(group):
        own = group == one
        for is_broken, share in ((True, PREVALENCE), (False, 1 - PREVALENCE)):
            chosen = own & (label == is_broken)
            weights[chosen] = share / max(int(chosen.sum()), 1)
    return np.asarray(weights * len(label) / weights.sum())


def fit_logit(logits: Reals, label: npt.NDArray[np.bool_], group: npt.NDArray[Any]) -> Calibration:
    """Fit the probability that a logit stands for.

    A logit that does not carry over from patient to patient tells nothing of the next one: where,
    each patient left out in turn, a fit on the others does no better than the prevalence, and
    where the fit points the wrong way, all places are alike.

    Args:
        logits: Shape `(n,)`.
        label: Whether there is a fracture, same shape.
        group: The patient, same shape.
    """
    weights = even_weights(label, group)
    fitted = fit_platt(logits[:, None], label.astype(int), weights=weights)
    if fitted.coefficients[0] > 0 and _carries_over(logits, label, group, weights):
        return Calibration((LOGIT,), fitted.coefficients, fitted.intercept)
    return Calibration((LOGIT,), (0.0,), float(np.log(PREVALENCE / (1 - PREVALENCE))))


def _carries_over(
    logits: Reals, label: npt.NDArray[np.bool_], group: npt.NDArray[Any], weights: Reals
) -> bool:
    """Whether fits on other patients say more of each patient than the prevalence does."""
    patients = np.unique(group)
    if len(patients) < 2:
        return True
    said = np.empty(len(logits))
    for one in patients:
        own = group == one
        rest = fit_platt(logits[~own][:, None], label[~own].astype(int), weights=weights[~own])
        said[own] = rest.apply(logits[own][:, None])
    prevalence = np.full(len(logits), PREVALENCE)
    return _loss(said, label, weights) < _loss(prevalence, label, weights)


def _loss(probability: Reals, label: npt.NDArray[np.bool_], weights: Reals) -> float:
    """Return the weighted mean of the negative log-likelihood."""
    right = np.where(label, probability, 1 - probability)
    return float(np.average(-np.log(np.clip(right, 1e-9, 1)), weights=weights))


def calibrated(logits: Reals, label: npt.NDArray[np.bool_], group: npt.NDArray[Any]) -> Reals:
    """Return probabilities, each patient's calibrated on the answers out of fold of the others.

    Args:
        logits: Shape `(n,)`.
        label: Whether there is a fracture, same shape.
        group: Number of the patient, same shape.
    """
    probability = np.full(len(logits), np.nan)
    for one in np.unique(group):
        own = group == one
        fitted = fit_logit(logits[~own], label[~own], group[~own])
        probability[own] = [fitted.probability({LOGIT: float(value)}) for value in logits[own]]
    return probability
