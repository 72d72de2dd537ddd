"""Numbers with intervals as a table for a paper: CSV at full precision, LaTeX, Markdown."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from fracturax.reporting.wording import grouped

_WORDS = {
    "auroc": "AUROC",
    "auprc": "AUPRC (average precision)",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "mcc": "Matthews correlation",
    "kappa": "Cohen's kappa",
    "lr_positive": "Positive likelihood ratio",
    "lr_negative": "Negative likelihood ratio",
    "balanced_accuracy": "Balanced accuracy",
    "brier": "Brier score",
    "ece": "Calibration error (ECE)",
    "ece_equal_width": "ECE, bins of equal width",
    "ece_debiased": "ECE, debiased",
    "brier_reliability": "Brier: reliability",
    "brier_resolution": "Brier: resolution",
    "expected_to_observed": "Expected to observed",
    "fractured_not_assessed": "Fractured and not assessed",
    "map50_fractured": "mAP50, fractured images",
    "map50_95_fractured": "mAP50-95, fractured images",
    "map50_all": "mAP50, all images",
    "afroc_area": "Area below the AFROC curve",
    "wafroc_area": "Area below the wAFROC curve",
}
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "\u202f": r"\,", "≥": r"$\geq$", "−": "$-$", "–": "--", "<": "$<$", ">": "$>$",
}  # fmt: skip
# What a spreadsheet would run as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Number:
    """One number with its interval.

    Args:
        metric: Its name, in snake case.
        value: The number.
        low: Lower end of the interval; None where there is none.
        high: Upper end of it.
        n: How many units it was computed from.
        method: How value and interval came to be.
        label: Its name for people; empty makes one of the metric.
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    method: str
    label: str = ""

    @property
    def words(self) -> str:
        """Its name for people."""
        return self.label or metric_words(self.metric)

    @property
    def is_count(self) -> bool:
        """Whether it counts something, and so has neither interval nor method."""
        return self.method == "count"

    @property
    def shown(self) -> str:
        """The number, three decimals; a count as it is."""
        return grouped(round(self.value)) if self.is_count else _rounded(self.value)

    @property
    def interval(self) -> str:
        """Its interval, three decimals; empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        between = " to " if self.low < 0 else "–"
        return f"{_rounded(self.low)}{between}{_rounded(self.high)}"


@dataclass(frozen=True)
class NumberTable:
    """Numbers that belong together.

    Args:
        title: What they are about.
        numbers: The numbers, in order.
        note: How they came to be, in a sentence.
    """

    title: str
    numbers: tuple[Number, ...]
    note: str = ""


def metric_words(metric: str) -> str:
    """Return the name of a number for people.

    Example:
        >>> metric_words("ppv@0.05"), metric_words("calibration_slope")
        ('PPV at prevalence 0.05', 'Calibration slope')
        >>> metric_words("partial_auc@specificity>=0.9")
        'Partial AUC, specificity ≥ 0.9'
    """
    name, _, where = metric.partition("@")
    if name == "partial_auc":
        return f"Partial AUC, {where.replace('>=', ' ≥ ')}"
    if name == "froc_sensitivity":
        return f"Fractures found at {where} false positives an image"
    words = _WORDS.get(name) or name.replace("_", " ").capitalize()
    if name in ("ppv", "npv") and where:
        return f"{words} at prevalence {where}"
    return f"{words} at {where}" if where else words


def tables_csv(tables: Iterable[NumberTable]) -> str:
    """Return all numbers as CSV at full precision, one line each.

    Example:
        >>> table = NumberTable("all", (Number("auroc", 0.91, 0.9, 0.92, 80, "DeLong"),))
        >>> print(tables_csv([table]))
        part,metric,value,low,high,n,method
        all,auroc,0.91,0.9,0.92,80,DeLong
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("part", "metric", "value", "low", "high", "n", "method"))
    for table in tables:
        for one in table.numbers:
            ends = ("" if end is None else repr(float(end)) for end in (one.low, one.high))
            cells = (_safe(table.title), _safe(one.metric), repr(float(one.value)), *ends)
            writer.writerow((*cells, one.n, _safe(one.method)))
    return stream.getvalue()


def tables_markdown(tables: Iterable[NumberTable]) -> str:
    """Return Markdown tables, three decimals, each below its title."""
    parts = []
    for table in tables:
        lines = [f"## {table.title}", "", *([table.note, ""] if table.note else [])]
        lines += ["| metric | value | 95 % interval | n | method |", "|:--|--:|:-:|--:|:--|"]
        for one in table.numbers:
            n, method = ("", "") if one.is_count else (f"{one.n}", one.method)
            cells = (one.words, one.shown, one.interval, n, method)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def tables_latex(tables: Iterable[NumberTable], *, caption: str) -> str:
    r"""Return one LaTeX table for the packages `booktabs` and `longtable`.

    Example:
        >>> table = NumberTable("all", (Number("ppv@0.05", 0.91, 0.9, 0.92, 80, "x"),))
        >>> print(tables_latex([table], caption="").splitlines()[8])
        PPV at prevalence 0.05 & 0.910 & 0.900--0.920 & 80 \\
    """
    lines = [
        "% needs \\usepackage{booktabs,longtable}",
        r"\begin{longtable}{lrcr}",
        rf"\caption{{{latex(caption)}}}\\",
        r"\toprule",
        r"Metric & Value & 95\,\% interval & $n$ \\",
        r"\midrule",
        r"\endhead",
    ]
    for number, table in enumerate(tables):
        if number:
            lines.append(r"\midrule")
        lines.append(rf"\multicolumn{{4}}{{l}}{{\textit{{{latex(table.title)}}}}} \\")
        for one in table.numbers:
            cells = (one.words, one.shown, one.interval, "" if one.is_count else f"{one.n}")
            lines.append(" & ".join(latex(cell) for cell in cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{longtable}", ""])


def latex(text: str) -> str:
    r"""Return text with what LaTeX would read as commands made plain.

    Example:
        >>> print(latex("95 % of a_b"))
        95 \% of a\_b
    """
    return "".join(_LATEX.get(letter, letter) for letter in text)


def methods_of(tables: Sequence[NumberTable]) -> list[tuple[str, tuple[str, ...]]]:
    """Return each method with the numbers it was used for, for a list below the tables."""
    pairs = sorted({(one.method, one.words) for table in tables for one in table.numbers})
    return [
        (method, tuple(words for _, words in group))
        for method, group in groupby(pairs, key=lambda pair: pair[0])
        if method != "count"
    ]


def _rounded(value: float) -> str:
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return re.sub(r"^-(?=0\.0+$)", "", text).replace("-", "−")


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
