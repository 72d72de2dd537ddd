"""Way up: films that were turned upright must not be less suspicious for that.

A film that lies says how it was made, not what it shows; but where lying films are fractured less
often, a network that still tells them (by sharpness, exposure, what the turned anatomy looks like)
takes them for healthy. So their score is lifted until, among films alike, they have the higher
score as often as the lower one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fracturax.evaluation import fit_platt
from fracturax.models.bundle import TURNED, Calibration

FEWEST = 30
"""Films of either kind that an estimate needs."""


def lift_of_turned(
    scores: npt.NDArray[np.float64], is_turned: npt.NDArray[np.bool_], kinds: npt.NDArray[np.intp]
) -> float:
    """Return what to add to the scores of turned films, so that they tell nothing of it.

    It is minus the median difference over all pairs of a turned film and another one of the same
    kind: the shift of two samples by Hodges and Lehmann, within strata.

    Args:
        scores: One number a film, in log-odds, shape `(n,)`.
        is_turned: Whether the film was turned, shape `(n,)`.
        kinds: Films are compared within a kind (`alike.kinds_alike`, and a fold), shape `(n,)`.

    Returns:
        The lift, in log-odds; 0 where there are fewer than thirty films of either sort among those
        that have a partner.

    References:
        Hodges & Lehmann, Annals of Mathematical Statistics 34:598-611, 1963.

    Example:
        Forty turned films that have the same scores as their partners, less two:

        >>> scores = np.concatenate([np.arange(40.0) - 2, np.arange(40.0)])
        >>> lift_of_turned(scores, np.arange(80) < 40, np.zeros(80, np.intp))
        2.0
    """
    differences, turned, others = [], 0, 0
    for kind in np.unique(kinds):
        own = scores[is_turned & (kinds == kind)]
        rest = scores[~is_turned & (kinds == kind)]
        if len(own) and len(rest):
            differences.append(np.subtract.outer(own, rest).ravel())
            turned, others = turned + len(own), others + len(rest)
    if min(turned, others) < FEWEST:
        return 0.0
    return -float(np.median(np.concatenate(differences)))


def even(
    calibration: Calibration,
    log_odds: npt.NDArray[np.float64],
    *,
    is_turned: npt.NDArray[np.bool_],
    kinds: npt.NDArray[np.intp],
    reference: npt.NDArray[np.int64],
) -> Calibration:
    """Return a calibration that lifts turned films, with its slope and level fitted again.

    Args:
        calibration: Fitted without knowing which films were turned.
        log_odds: What it gives, out of fold, shape `(n,)`.
        is_turned: Whether the film was turned, shape `(n,)`.
        kinds: Films are compared within a kind, shape `(n,)`.
        reference: 1 where the film shows a fracture, shape `(n,)`.
    """
    lift = lift_of_turned(log_odds, is_turned, kinds)
    if lift == 0:
        return calibration
    lifted = fit_platt((log_odds + lift * is_turned)[:, None], reference)
    (slope,) = lifted.coefficients
    return Calibration(
        (*calibration.inputs, TURNED),
        (*(slope * one for one in calibration.coefficients), slope * lift),
        slope * calibration.intercept + lifted.intercept,
    )
