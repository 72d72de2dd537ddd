"""Guard: a cheaper way to read films ships only where it was shown to cost no accuracy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fracturax.core.prediction import Status
from fracturax.evaluation import Evaluation, Row, delong_test, tango_interval
from fracturax.pipelines.evaluate import Judgement

LARGEST_LOSS: Mapping[str, float] = {
    "auroc": 0.005,
    "sensitivity@high_sensitivity": 0.01,
    "sensitivity@high_specificity": 0.01,
    "map50_fractured": 0.005,
}
"""What may be lost at most, with the 95 % bound of the paired difference where there is one."""
_POSITIVE: Mapping[str, tuple[Status, ...]] = {
    "high_sensitivity": ("doubt", "fracture"),
    "high_specificity": ("fracture",),
}


def compare_ways(exact: Judgement, cheaper: Judgement) -> Evaluation:
    """Return what a cheaper way to read gains or loses against the exact one, film by film.

    Args:
        exact: Answers about films, calibrated and judged.
        cheaper: The same films in the same order, read the cheaper way and calibrated for it.

    Returns:
        Differences, cheaper less exact: AUROC (DeLong), sensitivity and specificity at both
        operating points (Tango), mAP50 of fractured films.
    """
    reference = exact.table.reference
    test = delong_test(reference, cheaper.table.probability, exact.table.probability)
    rows = [
        Row("auroc", test.difference, test.low, test.high, len(reference), "paired DeLong"),
        *(
            _share(f"{kind}@{point}", exact, cheaper, reference == of, positive)
            for kind, of in (("sensitivity", 1), ("specificity", 0))
            for point, positive in _POSITIVE.items()
        ),
    ]
    name = "map50_fractured"
    precision = cheaper.evaluation[name].value - exact.evaluation[name].value
    rows.append(Row(name, precision, None, None, int(reference.sum()), "difference"))
    return Evaluation(tuple(rows))


def holds(differences: Evaluation) -> bool:
    """Whether what `compare_ways` found is within what may be lost."""
    return all(
        (row.value if row.low is None else row.low) >= -most
        for name, most in LARGEST_LOSS.items()
        for row in (differences[name],)
    )


def _share(
    name: str,
    exact: Judgement,
    cheaper: Judgement,
    among: npt.NDArray[np.bool_],
    positive: tuple[Status, ...],
) -> Row:
    """Return the paired difference of the share of some films that are called right."""
    wants = name.startswith("sensitivity")
    one, other = (np.isin(way.table.status[among], positive) == wants for way in (cheaper, exact))
    gained, lost = int((one & ~other).sum()), int((other & ~one).sum())
    pairs = int(among.sum())
    low, high = tango_interval(gained, lost, pairs)
    return Row(name, (gained - lost) / pairs, low, high, pairs, "paired, Tango")
