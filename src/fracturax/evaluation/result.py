"""An Evaluation: rows of value, low, high, n and method, in forms for people and programs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fracturax.core.errors import DataError, UnknownNameError


@dataclass(frozen=True)
class Row:
    """One number with its interval.

    Args:
        metric: Name of the number, unique within an evaluation.
        value: The number.
        low: Lower end of its interval; None where it has none (a count, a degenerate sample).
        high: Upper end of its interval; None together with `low`.
        n: How many units (images, positives, ...) the number was computed from.
        method: How value and interval came to be, in a few words.

    Raises:
        DataError: If a number is not finite, or only one end of the interval is given.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    method: str

    def __post_init__(self) -> None:
        ends = [end for end in (self.low, self.high) if end is not None]
        if not all(math.isfinite(number) for number in (self.value, *ends)):
            raise DataError(
                f"the row {self.metric!r} holds what is no number",
                got=f"{self.value}, {self.low} to {self.high}",
                cure="leave out what could not be computed, or give no interval",
            )
        if len(ends) == 1 or (len(ends) == 2 and ends[0] > ends[1]):
            raise DataError(
                f"the interval of {self.metric!r} needs both ends in order, or none",
                got=f"{self.low} to {self.high}",
            )


@dataclass(frozen=True)
class Evaluation:
    """What was measured, row by row.

    Args:
        rows: The numbers, in the order they are shown.
        notes: Sentences that belong to the numbers (seed, exclusions).

    Raises:
        DataError: If two rows share a metric.

    Example:
        >>> evaluation = Evaluation((Row("auroc", 0.9312, 0.91, 0.95, 800, "bootstrap"),))
        >>> evaluation["auroc"].low
        0.91
        >>> print(evaluation)
        metric   value  95 % interval      n  method
        auroc   0.9312  0.9100–0.9500    800  bootstrap
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for row in self.rows:
            if row.metric in seen:
                raise DataError("two rows of an evaluation share a metric", got=repr(row.metric))
            seen.add(row.metric)

    def __getitem__(self, metric: str) -> Row:
        for row in self.rows:
            if row.metric == metric:
                return row
        raise UnknownNameError("metric", metric, self.metrics)

    def __contains__(self, metric: object) -> bool:
        return metric in self.metrics

    def __str__(self) -> str:
        return self.as_text()

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the rows, in order."""
        return tuple(row.metric for row in self.rows)

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document; no number is rounded."""
        rows = [
            {
                "metric": row.metric,
                "value": row.value,
                "low": row.low,
                "high": row.high,
                "n": row.n,
                "method": row.method,
            }
            for row in self.rows
        ]
        return {"rows": rows, "notes": list(self.notes)}

    def as_text(self) -> str:
        """Return a table for a terminal, four decimals."""
        header = ("metric", "value", "95 % interval", "n", "method")
        cells = [header, *(_cells(row) for row in self.rows)]
        wide = [max(len(line[column]) for line in cells) for column in range(len(header))]
        wide[3] = max(wide[3], 5)
        lines = [
            f"{metric:<{wide[0]}}  {value:>{wide[1]}}  {interval:<{wide[2]}}  "
            f"{n:>{wide[3]}}  {method}"
            for metric, value, interval, n, method in cells
        ]
        return "\n".join([*lines, *self.notes])

    def as_markdown(self) -> str:
        """Return a Markdown table, four decimals.

        Example:
            >>> print(Evaluation((Row("images", 12, None, None, 12, "count"),)).as_markdown())
            | metric | value | 95 % interval | n | method |
            |:--|--:|:-:|--:|:--|
            | images | 12 |  | 12 | count |
        """
        lines = ["| metric | value | 95 % interval | n | method |", "|:--|--:|:-:|--:|:--|"]
        lines += ["| " + " | ".join(_cells(row)) + " |" for row in self.rows]
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines)


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    is_count = row.method == "count" and float(row.value).is_integer()
    value = str(int(row.value)) if is_count else f"{row.value:.4f}"
    interval = ""
    if row.low is not None and row.high is not None:
        interval = f"{row.low:.4f}–{row.high:.4f}"
    return row.metric, value, interval, str(row.n), row.method
