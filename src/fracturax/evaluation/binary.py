"""Every number of a 2 x 2 table with the interval that suits it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import DataError
from fracturax.evaluation.binary_intervals import (
    Interval,
    balanced_accuracy_interval,
    correlation_interval,
    f1_interval,
    mcc_variance,
    negative_ratio_interval,
    positive_ratio_interval,
    predictive_intervals,
)
from fracturax.evaluation.bootstrap import group_bootstrap_tallies
from fracturax.evaluation.confusion import (
    BINARY_METRICS,
    ConfusionTable,
    binary_values,
    confusion_rows,
    predictive_values,
)
from fracturax.evaluation.intervals import (
    ProportionMethod,
    clustered_proportion_row,
    normal_quantile,
    percent,
    proportion_row,
)
from fracturax.evaluation.kappa import kappa_with_variance
from fracturax.evaluation.result import Evaluation, Row

FloatArray = npt.NDArray[np.float64]

# Right answers and trials of each proportion, as columns tp, fp, fn, tn.
_PROPORTIONS = {
    "accuracy": ((0, 3), (0, 1, 2, 3)),
    "sensitivity": ((0,), (0, 2)),
    "specificity": ((3,), (1, 3)),
    "ppv": ((0,), (0, 1)),
    "npv": ((3,), (2, 3)),
}


def binary_evaluation(
    table: ConfusionTable,
    *,
    level: float = 0.95,
    method: ProportionMethod = "wilson",
    prevalence: float | None = None,
) -> Evaluation:
    """Return every number of a 2 x 2 table of independent cases, each with its interval.

    Args:
        table: The counts.
        level: Coverage of the intervals.
        method: Interval of the proportions: `wilson`, or `clopper-pearson`, which covers at
            least as often as it says.
        prevalence: Also give PPV and NPV where this share is fractured, in (0, 1).

    Returns:
        The rows of `BINARY_METRICS`, then `ppv@...` and `npv@...`. A number that is not defined
        (nothing was called fractured: no PPV) or not finite is left out and named in the notes.

    Raises:
        DataError: If the prevalence is not in (0, 1).

    References:
        Balanced accuracy: Newcombe, Statistics in Medicine 17:873-890, 1998, method 10 (square
        and add). F1: a proportion of tp + fp + fn, transformed. MCC: Bishop, Fienberg & Holland,
        Discrete Multivariate Analysis, 1975, p. 381. Kappa: Fleiss, Cohen & Everitt, Psychol.
        Bull. 72:323-327, 1969. Likelihood ratios: Simel et al., J. Clin. Epidemiol. 44:763-770,
        1991. Predictive values: Mercaldo et al., Statistics in Medicine 26:2170-2183, 2007.

    Example:
        >>> evaluation = binary_evaluation(ConfusionTable(90, 20, 10, 180), prevalence=0.1)
        >>> print(evaluation)
        metric              value  95 % interval       n  method
        accuracy           0.9000  0.8608–0.9291     300  Wilson score, 95%
        sensitivity        0.9000  0.8256–0.9448     100  Wilson score, 95%
        specificity        0.9000  0.8506–0.9343     200  Wilson score, 95%
        ppv                0.8182  0.7358–0.8791     110  Wilson score, 95%
        npv                0.9474  0.9058–0.9712     190  Wilson score, 95%
        f1                 0.8571  0.7992–0.9004     120  Wilson of tp/(tp+fp+fn), 95%
        balanced_accuracy  0.9000  0.8554–0.9282     300  Wilson, squared and added, 95%
        mcc                0.7826  0.6980–0.8456     300  delta method, Fisher's z scale, 95%
        kappa              0.7805  0.6946–0.8444     300  Fleiss et al., Fisher's z scale, 95%
        lr_positive        9.0000  5.9083–13.7096    300  log scale (Simel), 95%
        lr_negative        0.1111  0.0616–0.2004     300  log scale (Simel), 95%
        ppv@0.1            0.5000  0.3963–0.6037     300  logit scale (Mercaldo), 95%
        npv@0.1            0.9878  0.9782–0.9932     300  logit scale (Mercaldo), 95%
    """
    values = dict(zip(BINARY_METRICS, binary_values(table.counts[None])[0].tolist(), strict=True))
    rows: list[Row] = []
    missing: list[str] = []
    counts = table.counts
    for metric, (right, trials) in _PROPORTIONS.items():
        total = int(counts[list(trials)].sum())
        if total == 0:
            missing.append(metric)
            continue
        hits = int(counts[list(right)].sum())
        rows.append(proportion_row(metric, hits, total, level=level, method=method))
    for metric in BINARY_METRICS[len(_PROPORTIONS) :]:
        value = values[metric]
        if not math.isfinite(value):
            missing.append(metric)
            continue
        interval, n, words = _interval(metric, table, value, level, method)
        rows.append(_row(metric, value, interval, n, f"{words}, {percent(level)}"))
    if prevalence is not None:
        found = predictive_values(values["sensitivity"], values["specificity"], prevalence)
        names = (f"ppv@{prevalence:g}", f"npv@{prevalence:g}")
        if math.isfinite(values["balanced_accuracy"]):
            intervals = predictive_intervals(table, prevalence, level=level)
            words = f"logit scale (Mercaldo), {percent(level)}"
            for name, value, interval in zip(names, map(float, found), intervals, strict=True):
                if math.isfinite(value):
                    rows.append(_row(name, value, interval, table.n, words))
                else:
                    missing.append(name)
        else:
            missing += names
    return Evaluation(tuple(rows), _notes(missing))


def clustered_binary_evaluation(
    reference: npt.ArrayLike,
    called: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    generator: np.random.Generator,
    resamples: int = 2000,
    level: float = 0.95,
    prevalence: float | None = None,
) -> Evaluation:
    """Return every number of a 2 x 2 table of images that come in groups (patients).

    Args:
        reference: Labels 0 or 1, shape `(n,)`.
        called: Whether each was called fractured, 0 or 1, shape `(n,)`.
        groups: Which patient each belongs to, shape `(n,)`.
        generator: Source of randomness.
        resamples: Bootstrap resamples of the groups.
        level: Coverage of the intervals.
        prevalence: As in `binary_evaluation`.

    Returns:
        As `binary_evaluation`: proportions with Wilson's interval by groups, the others with a
        BCa bootstrap of the groups.

    Raises:
        DataError: If the rows are not valid, there are fewer than two groups, or a number is not
            defined on most resamples.

    References:
        As `clustered_proportion_row` and `group_bootstrap`.

    Example:
        >>> reference, called = [1, 1, 0, 0, 1, 0] * 10, [1, 1, 0, 1, 0, 0] * 10
        >>> evaluation = clustered_binary_evaluation(
        ...     reference, called, np.arange(60) // 2, generator=np.random.default_rng(0))
        >>> round(evaluation["f1"].value, 3), evaluation["f1"].method
        (0.667, 'BCa bootstrap by groups, 2000 resamples, 95%')
    """
    cells = confusion_rows(reference, called)
    keys = np.asarray(groups)
    if keys.shape != cells.shape[:1]:
        raise DataError("groups need one value a row", got=f"shape {keys.shape}")
    total = cells.sum(axis=0)
    rows: list[Row] = []
    missing: list[str] = []
    for metric, (right, trials) in _PROPORTIONS.items():
        inside = cells[:, list(trials)].any(axis=1)
        if not inside.any():
            missing.append(metric)
            continue
        hits = cells[inside][:, list(right)].any(axis=1)
        if np.unique(keys[inside]).size < 2:
            raise DataError(
                f"the interval of {metric} needs two groups", got="one", cure="use more patients"
            )
        rows.append(clustered_proportion_row(metric, hits, keys[inside], level=level))

    resampled = ["f1", "balanced_accuracy", "mcc", "kappa"]
    if prevalence is not None:
        resampled += [f"ppv@{prevalence:g}", f"npv@{prevalence:g}"]

    def measure(counts: FloatArray) -> FloatArray:
        values = binary_values(counts)
        first = BINARY_METRICS.index("f1")
        chosen = values[:, first : first + 4]
        if prevalence is None:
            return chosen
        return np.column_stack([chosen, *predictive_values(values[:, 1], values[:, 2], prevalence)])

    found = measure(total[None].astype(np.float64))[0]
    is_defined = np.isfinite(found)
    missing += [name for name, given in zip(resampled, is_defined, strict=True) if not given]
    n = int(total.sum())
    if is_defined.any():
        drawn = group_bootstrap_tallies(
            keys,
            cells,
            lambda counts: measure(counts)[:, is_defined],
            generator=generator,
            resamples=resamples,
            level=level,
        )
        words = f"{drawn.method} by groups, {resamples} resamples, {percent(level)}"
        for position, column in enumerate(np.flatnonzero(is_defined)):
            low, high = drawn.interval(position)
            rows.append(Row(resampled[column], float(found[column]), low, high, n, words))
    rows += _clustered_ratios(cells, keys, level, missing)
    return Evaluation(tuple(rows), _notes(missing))


def _interval(
    metric: str, table: ConfusionTable, value: float, level: float, method: ProportionMethod
) -> tuple[Interval | None, int, str]:
    """Return interval, number of units and method of a number that is no plain proportion."""
    name = "Wilson" if method == "wilson" else "Clopper-Pearson"
    if metric == "f1":
        interval = f1_interval(table, level=level, method=method)
        return interval, table.tp + table.fp + table.fn, f"{name} of tp/(tp+fp+fn)"
    if metric == "balanced_accuracy":
        interval = balanced_accuracy_interval(table, level=level, method=method)
        return interval, table.n, f"{name}, squared and added"
    if metric == "mcc":
        words = "delta method, Fisher's z scale"
        return correlation_interval(value, mcc_variance(table), level=level), table.n, words
    if metric == "kappa":
        matrix = np.array([[table.tn, table.fp], [table.fn, table.tp]], dtype=np.float64)
        _, variance = kappa_with_variance(matrix, np.eye(2))
        words = "Fleiss et al., Fisher's z scale"
        return correlation_interval(value, variance, level=level), table.n, words
    of_ratio = positive_ratio_interval if metric == "lr_positive" else negative_ratio_interval
    return of_ratio(table, level=level), table.n, "log scale (Simel)"


def _clustered_ratios(
    cells: npt.NDArray[np.int64],
    keys: npt.NDArray[np.generic],
    level: float,
    missing: list[str],
) -> list[Row]:
    """Return the likelihood ratios with the delta method on the log scale, by groups."""
    _, group_of_row = np.unique(keys, return_inverse=True)
    of_group = np.zeros((int(group_of_row.max()) + 1, 4))
    np.add.at(of_group, group_of_row, cells)
    count = of_group.shape[0]
    total = of_group.sum(axis=0)
    values = dict(zip(BINARY_METRICS, binary_values(total[None])[0].tolist(), strict=True))
    words = f"delta method by groups, log scale, {percent(level)}"
    rows = []
    # Hits among the fractured over hits among the healthy: tp and fp, or fn and tn.
    for metric, above, below in (("lr_positive", 0, 1), ("lr_negative", 2, 3)):
        value = values[metric]
        if not math.isfinite(value):
            missing.append(metric)
            continue
        interval = None
        if value > 0:
            # What each group moves the logarithm of the ratio.
            pull = (
                of_group[:, above] / total[above]
                - of_group[:, [0, 2]].sum(axis=1) / (total[0] + total[2])
                - of_group[:, below] / total[below]
                + of_group[:, [1, 3]].sum(axis=1) / (total[1] + total[3])
            )
            error = math.sqrt(count / (count - 1) * float(pull @ pull))
            half = normal_quantile(level) * error
            interval = (value * math.exp(-half), value * math.exp(half))
        rows.append(_row(metric, value, interval, int(total.sum()), words))
    return rows


def _row(metric: str, value: float, interval: Interval | None, n: int, method: str) -> Row:
    low, high = interval if interval is not None else (None, None)
    if high is not None and not math.isfinite(high):
        low = high = None
    return Row(metric, value, low, high, n, method)


def _notes(missing: list[str]) -> tuple[str, ...]:
    return (f"Not defined on these counts: {', '.join(missing)}.",) if missing else ()
